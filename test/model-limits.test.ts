import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { configFile } from './support/config-file.ts';
import { ask, CHAT, lastSent, MESSAGES, startSetting, type Json, type Setting } from './support/anthropic.ts';

/** What a client asks for and its model does not take, where the vendor speaks another dialect. */

let setting: Setting;

beforeAll(async () => {
  setting = await startSetting(configFile('aliases: { fast: openai/gpt-4o }'));
});
afterAll(() => setting[Symbol.asyncDispose]());

const sentFor = async (path: string, body: Json): Promise<[Json, string | null]> => {
  const response = await setting.post(path, body);
  expect([response.status, await response.text()]).toEqual([200, expect.any(String) as string]);
  return [JSON.parse(lastSent(setting.simulator)) as Json, response.headers.get('x-tokenrouter-warning')];
};

describe('more tokens than the model writes', () => {
  test.each([
    [MESSAGES, 'gpt-4o', 16_384],
    [MESSAGES, 'openai/gpt-4o-2024-08-06', 16_384],
    [MESSAGES, 'fast', 16_384],
    [CHAT, 'claude-sonnet-4-5', 64_000],
    [CHAT, 'anthropic/claude-opus-4-1', 32_000],
  ])('%s, %s: %d are asked for, with a warning', async (path, model, tokens) => {
    const [sent, warning] = await sentFor(path, ask(model, 'hello', { max_tokens: 100_000 }));
    expect(sent['max_tokens']).toBe(tokens);
    expect(warning).toContain('max_tokens');
  });

  test('where both speak the same, the vendor judges', async () => {
    for (const [path, model] of [
      [CHAT, 'gpt-4o'],
      [MESSAGES, 'claude-sonnet-4-5'],
    ] as const) {
      const response = await setting.post(path, ask(model, 'hello', { max_tokens: 100_000 }));
      expect([response.status, await response.text()]).toEqual([
        400,
        expect.stringMatching(/100000/) as string,
      ]);
    }
  });
});

describe('thinking beside tools', () => {
  const thinking = {
    thinking: { type: 'adaptive' },
    output_config: { effort: 'high' },
    tools: [{ name: 'f', input_schema: { type: 'object', properties: {} } }],
  };

  test.each(['gpt-5.4', 'gpt-5.5', 'gpt-5.6-sol', 'gpt-6-sol'])('%s does not think', async (model) => {
    const [sent, warning] = await sentFor(MESSAGES, ask(model, 'hello', thinking));
    expect(sent['reasoning_effort']).toBe('none');
    expect(warning).toContain('thinking');
  });

  test.each(['gpt-6-astra', 'gpt-6.1-sol'])('%s takes no tools, and is not asked', async (model) => {
    const before = setting.simulator.stats().received;
    const response = await setting.post(MESSAGES, ask(model, 'hello', thinking));
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: Json };
    expect(error['type']).toBe('invalid_request_error');
    expect(error['message']).toContain('/v1/responses');
    expect(setting.simulator.stats().received).toBe(before);
    const [sent] = await sentFor(MESSAGES, ask(model, 'hello', { ...thinking, tools: [] }));
    expect(sent['reasoning_effort']).toBe('high');
  });
});
