import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { ask, CLAUDE, GPT, MESSAGES, startSetting, type Json, type Setting } from './support/anthropic.ts';
import { configFile } from './support/config-file.ts';
import { settledUsd } from './support/money.ts';

let setting: Setting;
beforeAll(async () => {
  setting = await startSetting(configFile('aliases: { best: claude-opus-4-8 }'));
});
afterAll(() => setting[Symbol.asyncDispose]());
afterEach(() => setting.simulator.reset());

const COUNT = `${MESSAGES}/count_tokens`;
/** A question about tokens has no `max_tokens`. */
const question = (model: string, content: unknown, more: Json = {}): Json => {
  const { max_tokens: _, ...body } = ask(model, content, more);
  return body;
};

async function counted(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const response = await setting.post(COUNT, body, headers);
  const text = await response.text();
  expect(`${response.status} ${text}`).toStartWith('200 ');
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(response.headers.get('request-id')).toBe(response.headers.get('x-request-id'));
  const { input_tokens: tokens } = JSON.parse(text) as { readonly input_tokens: number };
  return tokens;
}

async function refused(body: unknown, status: number, key?: string): Promise<Json> {
  const response = await setting.post(COUNT, body, {}, key);
  const text = await response.text();
  expect(`${response.status} ${text}`).toStartWith(`${status} `);
  const { error, type } = JSON.parse(text) as { readonly type: string; readonly error: Json };
  expect(type).toBe('error');
  return error;
}

describe('of a Claude model', () => {
  test("is the vendor's own count, which is what the call is billed for", async () => {
    const tools = [{ name: 'get', input_schema: { type: 'object' } }];
    const body = question(CLAUDE, 'How many are these?', { system: 'You count.', tools });
    const tokens = await counted(body);
    const call = await setting.post(MESSAGES, { ...body, max_tokens: 10 });
    const { usage } = (await call.json()) as { readonly usage: { readonly input_tokens: number } };
    expect(tokens).toBe(usage.input_tokens);
  });

  test('costs nothing, and the body goes out as it came, without marks', async () => {
    const { id, key } = await setting.gateway.createKey({ quota_usd: 0 });
    const body = `{ "messages":[{"content":"${'A long text. '.repeat(1_000)}","role":"user"}],\n"model":"${CLAUDE}" }`;
    const response = await setting.post(COUNT, body, {}, key);
    expect(response.status).toBe(200);
    const sent = setting.simulator.requests().at(-1)!;
    expect(sent.path).toBe(COUNT);
    expect(Buffer.from(sent.body).toString()).toBe(body);
    expect(setting.simulator.stats()).toMatchObject({ received: 0, bill: {} });
    expect(await settledUsd(setting.gateway, id)).toBe(0);
  });

  test('by an alias or a provider/ prefix: only the name is changed', async () => {
    for (const model of ['best', `anthropic/${CLAUDE}`]) {
      const body = JSON.stringify(question(model, 'hello'));
      expect(await counted(body)).toBe(await counted(question(CLAUDE, 'hello')));
      const [first] = setting.simulator.bodies().slice(-2);
      expect(Buffer.from(first!).toString()).toBe(body.replace(model, CLAUDE));
    }
  });

  test("has the client's version and betas, and the gateway's key", async () => {
    await counted(question(CLAUDE, 'hello'), { 'anthropic-beta': 'a, b', 'anthropic-version': '2026-10-21' });
    const { headers } = setting.simulator.requests().at(-1)!;
    expect(headers.get('anthropic-beta')).toBe('a,b');
    expect(headers.get('anthropic-version')).toBe('2026-10-21');
    expect(headers.get('x-api-key')).toBe('sk-ant-secret');
    for (const value of headers.values()) expect(value).not.toContain(setting.key);
  });

  test("a vendor's refusal is the client's, with when to come back", async () => {
    const error = await refused(ask(CLAUDE, 'hello'), 400);
    expect(error['type']).toBe('invalid_request_error');
    for (const status of [429, 529, 500]) {
      const response = await setting.post(COUNT, question(CLAUDE, `x [[sim:status=${status}]]`));
      expect(response.status).toBe(status);
      expect(await response.text()).toContain('simulated failure');
      if (status === 429) expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    for (const status of [401, 403])
      expect(await refused(question(CLAUDE, `x [[sim:status=${status}]]`), 502)).toMatchObject({
        details: { error_code: 'upstream_credentials' },
      });
  });
});

describe('of a model of another vendor', () => {
  test('is an estimate that says so, and nobody is asked', async () => {
    const estimate = async (content: unknown): Promise<number> => {
      const response = await setting.post(COUNT, question(GPT, content));
      expect(response.headers.get('x-tokenrouter-warning')).toContain('estimated');
      const { input_tokens: tokens } = (await response.json()) as { readonly input_tokens: number };
      return tokens;
    };
    const words = 'word '.repeat(4_000);
    expect(await estimate(words)).toBeWithin(4_000, 6_500);
    const data = Buffer.alloc(3_000_000, 'picture').toString('base64');
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } };
    expect(await estimate([{ type: 'text', text: words }, image, image])).toBeWithin(7_000, 10_000);
    expect(setting.simulator.requests()).toHaveLength(0);
  });
});

describe('is refused like a call', () => {
  test.each([CLAUDE, GPT])('what cannot be counted (%s)', async (model) => {
    const code = (error: Json): unknown => (error['details'] as Json)['error_code'];
    expect(code(await refused('{"model":', 400))).toBe('invalid_json');
    expect(code(await refused('[]', 400))).toBe('missing_field');
    expect(code(await refused({ messages: [] }, 400))).toBe('missing_field');
    expect(code(await refused({ model }, 400))).toBe('missing_field');
    expect(code(await refused({ model, messages: 'x' }, 400))).toBe('invalid_type');
    expect(code(await refused({ model, messages: [] }, 400))).toBe('invalid_value');
    expect(code(await refused({ model: 5, messages: [] }, 400))).toBe('invalid_type');
    expect(code(await refused(`{"model":"${model}","model":"x","messages":[]}`, 400))).toBe('duplicate_key');
    expect(code(await refused(question('llama', 'x'), 404))).toBe('model_not_found');
    expect(setting.simulator.requests()).toHaveLength(0);
  });

  test('without a key, with one for other models, and beyond its requests a minute', async () => {
    const body = question(CLAUDE, 'x');
    expect((await refused(body, 401, 'sk-tr-unknown'))['type']).toBe('authentication_error');
    const narrow = await setting.gateway.createKey({ allowed_models: [GPT] });
    expect((await refused(body, 403, narrow.key))['type']).toBe('permission_error');
    const { key } = await setting.gateway.createKey({ rpm: 1 });
    expect((await setting.post(COUNT, body, {}, key)).status).toBe(200);
    expect((await refused(body, 429, key))['type']).toBe('rate_limit_error');
  });
});
