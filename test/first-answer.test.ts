import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Simulator } from '../src/simulator/server.ts';
import type { Gateway } from './support/gateway.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage({
    simulator: { record: true },
    vendors: ['openai', 'deepseek'],
    env: ({ url }) => ({ DEEPSEEK_BASE_URL: `${url}/v1/` }),
  });
  ({ simulator, gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

const body = (content: string, more: object = {}) => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content }],
  ...more,
});

describe('a request end to end', () => {
  test('a whole answer, with the headers of the contract', async () => {
    const response = await gateway.chat(key, body('hello'));
    expect(response.status).toBe(200);
    const answer = (await response.json()) as { object: string; usage: { prompt_tokens: number } };
    expect(answer.object).toBe('chat.completion');
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(response.headers.get('x-request-id')).toMatch(/\S/);
    expect(response.headers.get('x-tokenrouter-provider')).toBe('openai');
    expect(response.headers.get('x-tokenrouter-dedup')).toBe('leader');
    expect(response.headers.get('x-tokenrouter-prefix-hash')).toMatch(/^[0-9a-f]{16}$/);
    expect(Number(response.headers.get('x-tokenrouter-cost-usd'))).toBeGreaterThan(0);
    expect(response.headers.get('x-tokenrouter-cached-tokens')).toBe('0');
  });

  test('a stream without asking for usage: the gateway gets it, the client does not', async () => {
    const response = await gateway.chat(key, body('stream please', { stream: true, model: 'gpt-4o' }));
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const text = await response.text();
    expect(text).toEndWith('data: [DONE]\n\n');
    expect(text).not.toContain('usage');
    const sent = JSON.parse(new TextDecoder().decode(simulator.bodies().at(-1))) as Record<string, unknown>;
    expect(sent['stream_options']).toEqual({ include_usage: true });
    expect(await gateway.metric('tokens_total', { model: 'gpt-4o', kind: 'input' })).toBeGreaterThan(0);
  });

  test('a stream that asks for usage gets it', async () => {
    const wanted = body('with usage', { stream: true, stream_options: { include_usage: true } });
    const text = await (await gateway.chat(key, wanted)).text();
    expect(text).toContain('"usage":{');
  });

  test('DeepSeek by its name', async () => {
    const response = await gateway.chat(key, { ...body('hi'), model: 'deepseek-flash' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-tokenrouter-provider')).toBe('deepseek');
  });

  test("the client's own request id comes back", async () => {
    const response = await gateway.chat(key, body('id'), { 'x-request-id': 'mine-1' });
    expect(response.headers.get('x-request-id')).toBe('mine-1');
  });
});
