import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type { Simulator } from '../src/simulator/server.ts';
import {
  ask,
  CHAT,
  eventsOf,
  lastSent,
  MESSAGES,
  poster,
  saidIn,
  startSetting,
  type Json,
  type Setting,
} from './support/anthropic.ts';
import { eventually, startGateway } from './support/gateway.ts';
import { settledUsd } from './support/money.ts';

let setting: Setting;
beforeAll(async () => {
  setting = await startSetting();
});
afterAll(() => setting[Symbol.asyncDispose]());
afterEach(() => setting.simulator.reset());

/** USD 3 a million tokens of input, 3.75 and 6 written for five minutes and an hour, 0.3 read, 15 of output. */
const SONNET = 'claude-sonnet-4-5';
const LONG = 'You know everything about the weather. '.repeat(300);
const MARK = { type: 'ephemeral' };
const HOUR = { type: 'ephemeral', ttl: '1h' };

const billedUsd = (simulator: Simulator): number =>
  Object.values(simulator.stats().bill).reduce((sum, line) => sum + (line.usd ?? 0), 0);
const marksIn = (body: string): number => body.split('"cache_control":{').length - 1;

/** A request in the words of the path's clients, `LONG` as its system prompt. */
function withSystem(path: string, messages: readonly Json[], more: Json = {}): Json {
  const body = { model: SONNET, max_tokens: 300, ...more };
  return path === MESSAGES
    ? { ...body, system: LONG, messages }
    : { ...body, messages: [{ role: 'system', content: LONG }, ...messages] };
}

interface Told {
  readonly read: number;
  readonly written: number;
  readonly text: string;
}

/** What an answer tells of the cache: under each dialect's names. */
function told(path: string, body: string): Told {
  const usage = (JSON.parse(body) as { readonly usage: Json }).usage;
  const { text } = saidIn(path, body);
  if (path === MESSAGES)
    return {
      read: usage['cache_read_input_tokens'] as number,
      written: usage['cache_creation_input_tokens'] as number,
      text,
    };
  const details = usage['prompt_tokens_details'] as Json;
  return {
    read: details['cached_tokens'] as number,
    written: (details['cache_write_tokens'] ?? 0) as number,
    text,
  };
}

describe.each([
  ['an OpenAI client', CHAT],
  ['an Anthropic client', MESSAGES],
])('%s on Claude', (_, path) => {
  test('reads in every later turn what it wrote before, without a mark of its own', async () => {
    const { id, key } = await setting.gateway.createKey();
    const messages: Json[] = [];
    let before = 0;
    for (let turn = 0; turn < 5; turn++) {
      messages.push({ role: 'user', content: `What about day ${turn}? ${'Tell more. '.repeat(40)}` });
      const response = await setting.post(path, withSystem(path, messages), {}, key);
      const { read, text, written } = told(path, await response.text());
      expect(response.headers.get('x-tokenrouter-cached-tokens')).toBe(String(read));
      expect(marksIn(lastSent(setting.simulator))).toBeWithin(1, 5);
      if (turn === 0) expect([read, written > 2_000]).toEqual([0, true]);
      // All of the earlier turn, but for what its cache did not hold: the answer.
      else expect(read).toBe(before);
      before = read + written;
      messages.push({ role: 'assistant', content: text });
    }
    const line = setting.simulator.stats().bill[SONNET]!;
    expect(line.cachedTokens).toBeGreaterThan(4 * 2_000);
    expect(line.writtenLongTokens).toBe(0);
    expect(await settledUsd(setting.gateway, id)).toBeCloseTo(line.usd!, 9);
  });

  test('is told the cost, writes and reads included, to the nano-dollar', async () => {
    const { id, key } = await setting.gateway.createKey();
    let toldUsd = 0;
    for (const content of ['one', 'two', 'three']) {
      const response = await setting.post(path, withSystem(path, [{ role: 'user', content }]), {}, key);
      await response.text();
      toldUsd += Number(response.headers.get('x-tokenrouter-cost-usd'));
      expect(toldUsd).toBeCloseTo(billedUsd(setting.simulator), 9);
    }
    const { cachedTokens, outputTokens, uncachedTokens, writtenTokens } =
      setting.simulator.stats().bill[SONNET]!;
    expect(writtenTokens).toBeGreaterThan(0);
    expect(cachedTokens).toBeGreaterThan(0);
    const usd = uncachedTokens * 3 + writtenTokens * 3.75 + cachedTokens * 0.3 + outputTokens * 15;
    expect(toldUsd).toBeCloseTo(usd / 1e6, 9);
    expect(await settledUsd(setting.gateway, id)).toBeCloseTo(toldUsd, 9);
  });

  test('streams are billed alike, and the metrics count every kind of token', async () => {
    const { id, key } = await setting.gateway.createKey();
    const kinds = ['input', 'cache_read', 'cache_write_5m', 'output'];
    const counts = (): Promise<number[]> =>
      Promise.all(
        kinds.map((kind) => setting.gateway.metric('tokens_total', { provider: 'anthropic', kind })),
      );
    const before = await counts();
    for (const content of ['one', 'two']) {
      const body = withSystem(path, [{ role: 'user', content }], { stream: true });
      const response = await setting.post(path, body, {}, key);
      expect(eventsOf(await response.text()).length).toBeGreaterThan(3);
    }
    expect(await settledUsd(setting.gateway, id)).toBeCloseTo(billedUsd(setting.simulator), 9);
    const line = setting.simulator.stats().bill[SONNET]!;
    const added = (await counts()).map((count, at) => count - before[at]!);
    expect(added).toEqual([line.uncachedTokens, line.cachedTokens, line.writtenTokens, line.outputTokens]);
  });

  for (const directive of ['break', 'reset', 'error', 'leave'])
    test(`a stream that is cut off (${directive}) is billed for its input as the vendor told it`, async () => {
      const { id, key } = await setting.gateway.createKey();
      const stream = (content: string): Promise<Response> =>
        setting.post(path, withSystem(path, [{ role: 'user', content }], { stream: true }), {}, key);
      await (await stream('whole')).text();
      const spentUsd = await settledUsd(setting.gateway, id);
      const whole = setting.simulator.stats().bill[SONNET]!;
      if (directive === 'leave') {
        const response = await stream('cut [[sim:chunks=200]] [[sim:interval=50]]');
        const reader = response.body!.getReader();
        let text = '';
        while (text.split('\n\n').length < 6) text += Buffer.from((await reader.read()).value!).toString();
        await reader.cancel();
        await eventually(() => setting.simulator.stats().aborted === 1, 'the vendor is told');
      } else await (await stream(`cut [[sim:chunks=8]] [[sim:${directive}=3]]`)).text();
      const addedUsd = (await settledUsd(setting.gateway, id)) - spentUsd;
      const cut = setting.simulator.stats().bill[SONNET]!;
      const uncached = cut.uncachedTokens - whole.uncachedTokens;
      const written = cut.writtenTokens - whole.writtenTokens;
      const read = cut.cachedTokens - whole.cachedTokens;
      expect(read).toBeGreaterThan(2_000);
      const inputUsd = (uncached * 3 + written * 3.75 + read * 0.3) / 1e6;
      // Some output has come, a few words of it; all of the rest is exact.
      const output = (addedUsd - inputUsd) * (1e6 / 15);
      expect(output).toBeCloseTo(Math.round(output), 3);
      expect(Math.round(output)).toBeWithin(1, 60);
    });
});

test('dated names are billed as the model they are, a long prompt of Haiku 5.5 at its own price', async () => {
  for (const [model, content] of [
    ['claude-haiku-4-5-20251001', 'dated'],
    ['claude-haiku-5-5', 'short'],
    ['claude-haiku-5-5', 'A very long prompt. '.repeat(30_000)],
  ] as const) {
    setting.simulator.reset();
    const response = await setting.post(MESSAGES, ask(model, content));
    await response.text();
    expect(response.headers.get('x-tokenrouter-warning')).toBeNull();
    const costUsd = Number(response.headers.get('x-tokenrouter-cost-usd'));
    expect(costUsd).toBeGreaterThan(0);
    expect(costUsd).toBeCloseTo(billedUsd(setting.simulator), 9);
  }
});

describe("a client's own marks", () => {
  const marked = (text: string, mark: Json = MARK): Json => ({ type: 'text', text, cache_control: mark });
  const tool = (mark?: Json): Json => ({
    name: 'get',
    input_schema: { type: 'object' },
    ...(mark === undefined ? {} : { cache_control: mark }),
  });
  const bodies: Readonly<Record<string, Json>> = {
    'on the system prompt': { system: [marked(LONG)] },
    'on a tool, for an hour': { tools: [tool(HOUR)], system: LONG },
    'two of them': { tools: [tool(MARK)], system: [marked(LONG)] },
    'four of them': {
      tools: [tool(HOUR)],
      system: [marked(LONG, HOUR), marked('And more.')],
      messages: [{ role: 'user', content: [marked('Hello.')] }],
    },
    automatic: { system: LONG, cache_control: MARK },
    'automatic, and three': {
      tools: [tool(MARK)],
      system: [marked(LONG), marked('And more.')],
      cache_control: MARK,
    },
    'automatic for an hour': { system: LONG, cache_control: HOUR },
  };

  test.each(Object.entries(bodies))('%s: kept, and never more than four', async (_, more) => {
    const body = { model: SONNET, max_tokens: 50, messages: [{ role: 'user', content: 'Hello.' }], ...more };
    for (const content of ['', ' Go on.']) {
      const text = JSON.stringify(body).replace('Hello.', `Hello.${content}`);
      const response = await setting.post(MESSAGES, text);
      // The vendor refuses a fifth mark, and a long one behind a short one.
      expect(`${response.status} ${await response.text()}`).toStartWith('200 ');
      const sent = lastSent(setting.simulator);
      expect(marksIn(sent)).toBeWithin(Math.max(1, marksIn(text)), 5);
      const hours = (json: string): number => json.split('"ttl":"1h"').length - 1;
      if (hours(text) > 0) expect(hours(sent)).toBeGreaterThanOrEqual(hours(text));
      else expect(hours(sent)).toBe(0);
    }
  });

  test('CACHE_INJECT_ENABLED=false adds none, and theirs still go out', async () => {
    await using gateway = await startGateway({
      env: {
        ANTHROPIC_API_KEY: 'sk-ant',
        ANTHROPIC_BASE_URL: setting.simulator.url,
        CACHE_INJECT_ENABLED: 'false',
      },
    });
    const post = poster(gateway, (await gateway.createKey()).key);
    for (const path of [CHAT, MESSAGES])
      for (let turn = 0; turn < 2; turn++) {
        const response = await post(path, withSystem(path, [{ role: 'user', content: `turn ${turn}` }]));
        const { read, written } = told(path, await response.text());
        expect([response.status, read, written]).toEqual([200, 0, 0]);
        expect(lastSent(setting.simulator)).not.toContain('cache_control');
      }
    await post(MESSAGES, { ...ask(SONNET, 'hello'), system: [marked(LONG)] });
    expect(marksIn(lastSent(setting.simulator))).toBe(1);
  });

  test('CACHE_TTL=1h: what is marked is kept for an hour, and billed so', async () => {
    await using gateway = await startGateway({
      env: { ANTHROPIC_API_KEY: 'sk-ant', ANTHROPIC_BASE_URL: setting.simulator.url, CACHE_TTL: '1h' },
    });
    const { id, key } = await gateway.createKey();
    const post = poster(gateway, key);
    const asked = async (path: string, content: string): Promise<Told> => {
      const response = await post(path, withSystem(path, [{ role: 'user', content }]));
      return told(path, await response.text());
    };
    expect((await asked(CHAT, 'one')).written).toBeGreaterThan(2_000);
    setting.simulator.advance(30 * 60_000);
    expect((await asked(MESSAGES, 'two')).read).toBeGreaterThan(2_000);
    const line = setting.simulator.stats().bill[SONNET]!;
    expect(line.writtenLongTokens).toBeGreaterThan(2_000);
    expect(await settledUsd(gateway, id)).toBeCloseTo(line.usd!, 9);
    expect(await gateway.metric('tokens_total', { kind: 'cache_write_1h' })).toBe(line.writtenLongTokens);
  });
});
