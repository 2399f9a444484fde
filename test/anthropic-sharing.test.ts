import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import {
  ask,
  CHAT,
  CLAUDE,
  eventsOf,
  GPT,
  lastSent,
  MESSAGES,
  poster,
  startSetting,
  WAYS,
  type Json,
  type Setting,
} from './support/anthropic.ts';
import { configFile } from './support/config-file.ts';
import { meeting } from './support/meeting.ts';
import { settledUsd } from './support/money.ts';

let setting: Setting;
beforeAll(async () => {
  setting = await startSetting({ WORKERS: '1', ...configFile('aliases: { best: claude-opus-4-8 }') });
});
afterAll(() => setting[Symbol.asyncDispose]());
afterEach(() => setting.simulator.reset());

const role = (response: Response): string | null => response.headers.get('x-tokenrouter-dedup');

describe('identical requests in flight', () => {
  for (const stream of [false, true])
    test.each(WAYS)(`$name: one call, the same bytes for all${stream ? ', streamed' : ''}`, async (way) => {
      const body = ask(way.model, 'the same [[sim:hold=0]]', { stream });
      const responses = await meeting(setting.gateway, setting.simulator, { calls: 1, followers: 11 }, () =>
        Array.from({ length: 12 }, () => setting.post(way.path, body, { connection: 'close' })),
      );
      const texts = await Promise.all(responses.map((response) => response.text()));
      expect(setting.simulator.stats().received).toBe(1);
      expect(new Set(texts).size).toBe(1);
      expect(responses.map((response) => response.status)).toEqual(Array.from(responses, () => 200));
      expect(responses.map(role).filter((one) => one === 'leader')).toHaveLength(1);
      expect(responses.map(role).filter((one) => one === 'follower')).toHaveLength(11);
    });

  test.each([CLAUDE, GPT])('%s: clients of different dialects never share', async (model) => {
    // The barrier opens only when both have arrived: shared, they would wait for ever.
    const body = ask(model, 'either dialect [[sim:barrier=2]]');
    const [chat, messages] = await Promise.all([setting.post(CHAT, body), setting.post(MESSAGES, body)]);
    expect([role(chat), role(messages)]).toEqual(['leader', 'leader']);
    expect((await chat.json()) as Json).toMatchObject({ object: 'chat.completion' });
    expect((await messages.json()) as Json).toMatchObject({ type: 'message' });
  });

  test('another spelling does not part calls, content does', async () => {
    const text = (content: string): string =>
      JSON.stringify(ask(CLAUDE, [{ type: 'text', text: content }]), null, content.endsWith('.') ? 0 : 1);
    const same = 'spelled [[sim:hold=0]]';
    const shared = await meeting(setting.gateway, setting.simulator, { calls: 2, followers: 1 }, () => [
      setting.post(MESSAGES, text(same)),
      setting.post(MESSAGES, text(same).replace('spelled', '\\u0073pelled')),
      setting.post(MESSAGES, text(`${same}.`)),
    ]);
    expect(shared.map(role).filter((one) => one === 'leader')).toHaveLength(2);
    expect(shared.slice(0, 2).map(role)).toContain('follower');
    await Promise.all(shared.map((response) => response.text()));
  });

  test('server tools, containers and MCP servers are calls of their own', async () => {
    const kinds: readonly Json[] = [
      { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
      { container: 'container_1' },
      { mcp_servers: [{ type: 'url', url: 'https://mcp.example', name: 'm' }] },
    ];
    for (const more of kinds) {
      const body = ask(CLAUDE, 'with effects', more);
      const responses = await Promise.all([setting.post(MESSAGES, body), setting.post(MESSAGES, body)]);
      expect(responses.map(role)).toEqual(['off', 'off']);
      await Promise.all(responses.map((response) => response.text()));
    }
  });
});

describe('byte-exact mode', () => {
  const ON = { 'x-tokenrouter-passthrough': 'on' };
  /** Everything that the other mode would touch, and a prompt long enough for a mark. */
  const odd = (model: string, stream: boolean): string => `
{\t"tools" : [ {"input_schema":{"properties":{"10":{},"9":{"enum":[1.0,1e2,-0]}},"type":"object"},"name":"z"},
  {"name":"a" , "description":"\\u0061\\/\\ud83d\\ude00é","input_schema":{"type":"object"}}],
 "messages":[{"content":"h\\u00e9llo ${'and so on '.repeat(1_000)}","role":"user"}], "stream" : ${stream},
 "max_tokens":50, "metadata":{"user_id":"u"}, "model":"${model}" }
`;

  for (const stream of [false, true])
    test(`the vendor gets the bytes that came, and the client the vendor's${stream ? ', streamed' : ''}`, async () => {
      const { id, key } = await setting.gateway.createKey({ passthrough: true });
      const post = poster(setting.gateway, key);
      const body = odd(CLAUDE, stream);
      const response = await post(MESSAGES, body, ON);
      const text = await response.text();
      expect(`${response.status} ${text}`).toStartWith('200 ');
      expect(lastSent(setting.simulator)).toBe(body);
      const direct = await fetch(setting.simulator.url + MESSAGES, {
        method: 'POST',
        headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01', 'content-type': 'application/json' },
        body,
      });
      expect(text).toBe(await direct.text());
      expect(await settledUsd(setting.gateway, id)).toBeGreaterThan(0);
      // In the other mode the same prompt is marked.
      await (await post(MESSAGES, body)).text();
      expect(lastSent(setting.simulator)).toContain('cache_control');
    });

  test('cannot cross dialects, nor rename a model', async () => {
    const { key } = await setting.gateway.createKey({ passthrough: true });
    const post = poster(setting.gateway, key);
    const toGpt = await post(MESSAGES, odd(GPT, false), ON);
    expect(toGpt.status).toBe(400);
    expect(((await toGpt.json()) as Json)['error']).toMatchObject({
      type: 'invalid_request_error',
      details: { error_code: 'unsupported_value' },
    });
    const toClaude = await post(CHAT, ask(CLAUDE, 'x'), ON);
    expect(toClaude.status).toBe(400);
    expect(((await toClaude.json()) as Json)['error']).toMatchObject({
      code: 'unsupported_value',
      param: 'model',
    });
    for (const model of ['best', `anthropic/${CLAUDE}`]) {
      const renamed = await post(MESSAGES, ask(model, 'x'), ON);
      expect(renamed.status).toBe(400);
      expect(await renamed.text()).toContain('passthrough_alias');
    }
    expect(setting.simulator.stats().received).toBe(0);
  });
});

test('an alias and a provider/ prefix reach the vendor by its own name', async () => {
  for (const model of ['best', `anthropic/${CLAUDE}`])
    for (const path of [MESSAGES, CHAT]) {
      const response = await setting.post(path, ask(model, `from ${path}`, { stream: true }));
      expect(eventsOf(await response.text()).length).toBeGreaterThan(2);
      expect((JSON.parse(lastSent(setting.simulator)) as Json)['model']).toBe(CLAUDE);
    }
});
