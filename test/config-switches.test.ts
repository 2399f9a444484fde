import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startSimulator, type Simulator } from '../src/simulator/server.ts';
import { configFile } from './support/config-file.ts';
import { expectError } from './support/errors.ts';
import { eventually, startGateway, type Gateway } from './support/gateway.ts';
import { meeting } from './support/meeting.ts';
import { completion, startVendor, type Vendor } from './support/vendor.ts';

let simulator: Simulator;

beforeAll(() => {
  simulator = startSimulator({ port: 0, record: true });
});
afterAll(() => simulator.stop());

const start = (env: Record<string, string> = {}): Promise<Gateway> =>
  startGateway({ env: { OPENAI_API_KEY: 'sk-up', OPENAI_BASE_URL: simulator.url, ...env } });
let count = 0;
const body = (content = '', more: object = {}): object => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: `${content} ${count++}` }],
  ...more,
});
const lastSent = (): Record<string, unknown> =>
  JSON.parse(Buffer.from(simulator.bodies().at(-1) ?? []).toString()) as Record<string, unknown>;
const tool = (name: string): object => ({
  type: 'function',
  function: { name, parameters: { type: 'object' } },
});

describe('CACHE_INJECT_ENABLED', () => {
  const injecting = (): Record<string, string> =>
    configFile(`providers: [{ id: openai, base_url: "${simulator.url}", prompt_cache_key: true }]`);

  test('prompt_cache_key: constant over a conversation, another one for other tools', async () => {
    await using gateway = await start({ OPENAI_BASE_URL: '', ...injecting() });
    const { key } = await gateway.createKey();
    const keyFor = async (request: object): Promise<unknown> => {
      const response = await gateway.chat(key, request);
      expect(response.status).toBe(200);
      await response.text();
      return lastSent()['prompt_cache_key'];
    };
    const conversation = async (system: string, tools: readonly object[]): Promise<string> => {
      const messages: object[] = [{ role: 'system', content: system }];
      const keys = new Set<unknown>();
      for (let turn = 0; turn < 4; turn++) {
        messages.push({ role: 'user', content: `turn ${turn}` });
        keys.add(
          await keyFor({ model: 'gpt-4o', messages, tools, stream: turn === 2, temperature: turn / 10 }),
        );
        messages.push({ role: 'assistant', content: `answer ${turn}` });
      }
      expect(keys.size).toBe(1);
      const [only] = keys;
      expect(only).toBeString();
      expect((only as string).length).toBeWithin(8, 65);
      return only as string;
    };
    const first = await conversation('You are A.', [tool('a'), tool('b')]);
    expect(await conversation('You are A.', [tool('b'), tool('a')])).toBe(first);
    expect(await conversation('You are B.', [tool('a'), tool('b')])).toBe(first);
    const others = [
      await conversation('You are A.', [tool('a')]),
      await conversation('You are A.', []),
      await conversation('You are B.', []),
    ];
    expect(new Set([first, ...others]).size).toBe(4);
    expect(await keyFor(body())).toBeUndefined();

    expect(await keyFor(body('', { prompt_cache_key: 'mine' }))).toBe('mine');
    expect(await keyFor(body('', { prompt_cache_key: '' }))).toBe('');
  });

  test('a prompt_cache_key of null is none: the body never has the name twice', async () => {
    await using gateway = await start({ OPENAI_BASE_URL: '', ...injecting() });
    const { key } = await gateway.createKey();
    expect((await gateway.chat(key, body('', { prompt_cache_key: null, stream_options: null }))).status).toBe(
      200,
    );
    const text = Buffer.from(simulator.bodies().at(-1) ?? []).toString();
    expect(text.match(/"prompt_cache_key"/g)).toHaveLength(1);
    expect(text.match(/"stream_options"/g)).toHaveLength(1);
  });

  test('off: no key', async () => {
    await using gateway = await start({ OPENAI_BASE_URL: '', CACHE_INJECT_ENABLED: 'false', ...injecting() });
    const { key } = await gateway.createKey();
    expect((await gateway.chat(key, body('', { tools: [tool('a')] }))).status).toBe(200);
    expect(lastSent()).not.toHaveProperty('prompt_cache_key');
    expect((await gateway.chat(key, body('', { prompt_cache_key: 'mine' }))).status).toBe(200);
    expect(lastSent()['prompt_cache_key']).toBe('mine');
  });

  describe('by host', () => {
    let proxy: Vendor;
    beforeAll(async () => {
      proxy = await startVendor(() => completion());
    });
    afterAll(() => proxy[Symbol.asyncDispose]());

    test.each([
      ['OPENAI', 'gpt-4o', 'http://api.openai.com/v1', true],
      ['OPENAI', 'gpt-4o', 'http://api.openai.com', true],
      ['OPENAI', 'gpt-4o', 'http://eu.api.openai.example/v1', false],
      ['OPENAI', 'gpt-4o', 'http://api.openai.com.evil.example/v1', false],
      ['DEEPSEEK', 'deepseek-flash', 'http://api.deepseek.com', false],
    ])('%s %s at %s: %p', async (vendor, model, url, expected) => {
      // Through a proxy every host can be reached in a test.
      await using gateway = await startGateway({
        env: { [`${vendor}_API_KEY`]: 'sk-up', [`${vendor}_BASE_URL`]: url, HTTP_PROXY: proxy.url },
      });
      const { key } = await gateway.createKey();
      expect((await gateway.chat(key, body('', { model, tools: [tool('a')] }))).status).toBe(200);
      const sent = proxy.requests.at(-1);
      expect(sent?.target).toBe(`${url.replace(/\/v1$/, '')}/v1/chat/completions`);
      expect(sent?.headers.get('authorization')).toBe('Bearer sk-up');
      expect(Object.hasOwn(JSON.parse(sent?.body.toString() ?? '{}') as object, 'prompt_cache_key')).toBe(
        expected,
      );
    });
  });
});

describe('DEDUP_ENABLED and its exceptions', () => {
  /** Two equal requests that the vendor answers only once both have come: shared, they would wait for ever. */
  const rolesOfTwo = async (
    gateway: Gateway,
    key: string,
    more: object,
    headers = {},
  ): Promise<(string | null)[]> => {
    const same = body('[[sim:barrier=2]]', more);
    const answers = await Promise.all([gateway.chat(key, same, headers), gateway.chat(key, same, headers)]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
    return answers.map((answer) => answer.headers.get('x-tokenrouter-dedup'));
  };
  const OFF = ['off', 'off'];

  test('off: every request is a call of its own', async () => {
    await using gateway = await start({ DEDUP_ENABLED: 'false' });
    const { key } = await gateway.createKey();
    expect(await rolesOfTwo(gateway, key, {})).toEqual(OFF);
    expect(await rolesOfTwo(gateway, key, { stream: true })).toEqual(OFF);
    expect(await gateway.metric('dedup_requests_total', { role: 'off' })).toBe(4);
  });

  test('on: not for who says so, and not for calls with effects', async () => {
    await using gateway = await start();
    const { key } = await gateway.createKey();
    expect(await rolesOfTwo(gateway, key, {}, { 'x-tokenrouter-dedup': 'off' })).toEqual(OFF);
    const own = await gateway.createKey({ dedup: false });
    expect(await rolesOfTwo(gateway, own.key, {})).toEqual(OFF);
    for (const more of [
      { store: true },
      { background: true },
      { audio: { voice: 'alloy', format: 'wav' } },
      { web_search_options: {} },
      { tools: [{ type: 'web_search' }] },
      { tools: [tool('a'), { type: 'code_interpreter' }] },
    ]) {
      expect(await rolesOfTwo(gateway, key, more)).toEqual(OFF);
    }
  });

  test('on: shared with one who asks the same in other words, and for what has no effects', async () => {
    await using gateway = await start({ WORKERS: '1' });
    const { key } = await gateway.createKey();
    for (const [one, other] of [
      [
        { store: false, stream_options: null },
        { stream_options: null, store: false },
      ],
      [{ tools: [tool('a'), tool('b')] }, { tools: [tool('b'), tool('a')] }],
    ]) {
      const content = `[[sim:hold=0]] ${count++}`;
      const request = (more: object): object => ({
        ...more,
        model: 'gpt-4o',
        messages: [{ role: 'user', content }],
      });
      const received = simulator.stats().received;
      await meeting(gateway, simulator, { calls: 1, followers: 1 }, () =>
        [one, other].map((more) => gateway.chat(key, request(more!))),
      );
      expect(simulator.stats().received).toBe(received + 1);
    }
  });

  test('DEDUP_SCOPE=global: keys share', async () => {
    await using gateway = await start({ DEDUP_SCOPE: 'global', WORKERS: '1' });
    const one = await gateway.createKey();
    const other = await gateway.createKey();
    const same = body('[[sim:hold=0]]');
    const received = simulator.stats().received;
    await meeting(gateway, simulator, { calls: 1, followers: 1 }, () =>
      [one, other].map(({ key }) => gateway.chat(key, same)),
    );
    expect(simulator.stats().received).toBe(received + 1);
  });
});

describe('TOOL_SORT_ENABLED', () => {
  test.each([
    ['true', ['a', 'b', 'c']],
    ['false', ['b', 'c', 'a']],
  ])('%s', async (enabled, expected) => {
    await using gateway = await start({ TOOL_SORT_ENABLED: enabled });
    const { key } = await gateway.createKey();
    expect((await gateway.chat(key, body('', { tools: [tool('b'), tool('c'), tool('a')] }))).status).toBe(
      200,
    );
    const tools = lastSent()['tools'] as { function: { name: string } }[];
    expect(tools.map((one) => one.function.name)).toEqual(expected);
  });
});

describe('threads', () => {
  test.each(['1', '3'])('WORKERS=%s', async (workers) => {
    await using gateway = await start({ WORKERS: workers });
    const { key } = await gateway.createKey();
    expect((await gateway.chat(key, body())).status).toBe(200);
    await eventually(async () => (await gateway.metric('worker_up')) === Number(workers), 'all up');
    expect(gateway.output).toContain(`(${workers} proxy threads)`);
  });
});

describe('no provider', () => {
  test('starts, lives, is not ready, and says which variable to set wherever it is asked', async () => {
    await using gateway = await startGateway();
    const VARIABLES = /DEEPSEEK_API_KEY, OPENAI_API_KEY or ANTHROPIC_API_KEY.*TOKENROUTER_CONFIG/;
    expect(gateway.output).toMatch(VARIABLES);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    // The threads hear of it a moment after they listen.
    let ready = new Response();
    await eventually(async () => {
      ready = await fetch(`${gateway.url}/health/ready`);
      return !(await ready.clone().text()).includes('starting');
    }, 'it knows why');
    expect(ready.status).toBe(503);
    const { status, reason } = (await ready.json()) as { status: string; reason: string };
    expect(status).toBe('not_ready');
    expect(reason).toMatch(VARIABLES);
    const { key } = await gateway.createKey();
    for (const model of ['gpt-4o', 'whatever']) {
      const { message } = await expectError(await gateway.chat(key, body('', { model })), 503, 'no_provider');
      expect(message).toMatch(VARIABLES);
    }
    const models = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect(await models.json()).toEqual({ object: 'list', data: [] });
    expect(await gateway.stop()).toBe(0);
  });

  test('with one, it is ready', async () => {
    await using gateway = await start();
    await eventually(async () => (await fetch(`${gateway.url}/health/ready`)).status === 200, 'ready');
    expect(await (await fetch(`${gateway.url}/health/ready`)).json()).toEqual({ status: 'ready' });
  });
});
