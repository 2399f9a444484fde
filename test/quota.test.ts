import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import type { Simulator } from '../src/simulator/server.ts';
import { expectError } from './support/errors.ts';
import { eventually, startGateway, type Gateway } from './support/gateway.ts';
import { meeting } from './support/meeting.ts';
import { keyView, settledUsd } from './support/money.ts';
import { startStage, type Stage } from './support/stage.ts';

let stage: Stage;
let simulator: Simulator;
let gateway: Gateway;

beforeAll(async () => {
  stage = await startStage({
    // Nobody listens there.
    env: { DEEPSEEK_API_KEY: 'sk-up', DEEPSEEK_BASE_URL: 'http://127.0.0.1:1' },
    key: null,
  });
  ({ simulator, gateway } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());
beforeEach(() => simulator.reset());

let count = 0;
const body = (content = '', more: object = {}): object => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: `${content} ${count++}` }],
  ...more,
});
const costOf = (response: Response): number => Number(response.headers.get('x-tokenrouter-cost-usd'));
/** What the vendor itself would charge. */
const billedUsd = (): number =>
  Object.values(simulator.stats().bill).reduce((sum, line) => sum + (line.usd ?? 0), 0);

describe('a quota', () => {
  test('used up: a 402 in the error shape, and the vendor hears nothing', async () => {
    const { id, key } = await gateway.createKey({ quota_usd: 0.0001 });
    // Something is left, so one call goes through, whatever it costs.
    const response = await gateway.chat(key, body());
    expect(response.status).toBe(200);
    expect(costOf(response)).toBeGreaterThan(0.0001);
    expect(await settledUsd(gateway, id)).toBeCloseTo(costOf(response), 9);
    const received = simulator.stats().received;
    for (const more of [{}, { stream: true }, { model: 'gpt-4o-mini' }]) {
      const { type, message } = await expectError(
        await gateway.chat(key, body('', more)),
        402,
        'insufficient_quota',
      );
      expect(type).toBe('insufficient_quota');
      expect(message).toContain('quota');
    }
    expect(simulator.stats().received).toBe(received);
    expect(await gateway.metric('rejected_total', { reason: 'quota' })).toBeGreaterThanOrEqual(3);

    await gateway.admin('PATCH', `/admin/api-keys/${id}`, { quota_usd: 1 });
    expect((await gateway.chat(key, body())).status).toBe(200);
  });

  test('of nothing lets nothing through; none at all lets everything', async () => {
    const nothing = await gateway.createKey({ quota_usd: 0 });
    await expectError(await gateway.chat(nothing.key, body()), 402, 'insufficient_quota');
    const free = await gateway.createKey({ quota_usd: null });
    expect((await gateway.chat(free.key, body())).status).toBe(200);
    expect(await settledUsd(gateway, free.id)).toBeGreaterThan(0);
  });

  test('is not passed by many calls at once, on any thread', async () => {
    const quotaUsd = 0.01;
    // 60 tokens of output and some of input.
    const oneCallUsd = 0.0008;
    const { id, key } = await gateway.createKey({ quota_usd: quotaUsd });
    let answered = 0;
    let refused = 0;
    for (let round = 0; round < 30; round++) {
      const responses = await Promise.all(
        Array.from({ length: 40 }, () =>
          gateway.chat(key, body('[[sim:delay=5]]', { max_tokens: 60, stream: round % 2 === 1 })),
        ),
      );
      for (const response of responses) {
        await response.text();
        if (response.status === 200) answered++;
        else if (response.status === 402) refused++;
        else throw new Error(`${response.status}`);
      }
      // A hold covers the whole answer here (`max_tokens`), so that only the last call goes beyond: with money left and
      // nothing else running, a key always gets one.
      expect((await keyView(gateway, id)).spent_usd).toBeLessThan(quotaUsd + oneCallUsd);
    }
    expect(refused).toBeGreaterThan(0);
    expect(answered).toBeGreaterThan(10);
    expect(simulator.stats().received).toBe(answered);
    const spentUsd = await settledUsd(gateway, id);
    expect(spentUsd).toBeCloseTo(billedUsd(), 9);
    // Not much is left over: what is left does not cover another hold.
    expect(spentUsd).toBeGreaterThan(quotaUsd * 0.9);
  });

  test('says that calls that run hold the rest', async () => {
    const { id, key } = await gateway.createKey({ quota_usd: 0.05 });
    const leaving = new AbortController();
    const running = gateway.chat(key, body('[[sim:delay=60000]]'), {}, leaving.signal).catch(() => null);
    await eventually(async () => (await keyView(gateway, id)).held_usd > 0.03, 'held');
    const { message } = await expectError(await gateway.chat(key, body()), 402, 'insufficient_quota');
    expect(message).toContain('beside those that run');
    leaving.abort();
    await running;
    await settledUsd(gateway, id);
    expect((await gateway.chat(key, body())).status).toBe(200);
  });
});

describe('what a call costs', () => {
  test('is what the vendor bills, streamed or not, with its cache', async () => {
    const { id, key } = await gateway.createKey();
    const system = { role: 'system', content: 'You are thorough. '.repeat(600) };
    const messages: object[] = [system];
    for (let turn = 0; turn < 4; turn++) {
      messages.push({ role: 'user', content: `turn ${turn}` });
      const response = await gateway.chat(key, { model: 'gpt-4o', messages, stream: turn % 2 === 1 });
      expect(response.status).toBe(200);
      await response.text();
      messages.push({ role: 'assistant', content: `answer ${turn}` });
    }
    expect(simulator.stats().bill['gpt-4o']?.cachedTokens).toBeGreaterThan(0);
    expect(await settledUsd(gateway, id)).toBeCloseTo(billedUsd(), 9);
  });

  test('a stream whose client leaves is billed for what went through', async () => {
    const { id, key } = await gateway.createKey({ quota_usd: 1 });
    const leaving = new AbortController();
    const response = await gateway.chat(
      key,
      body('[[sim:interval=20]] [[sim:chunks=2000]]', { stream: true }),
      {},
      leaving.signal,
    );
    const reader = response.body!.getReader();
    for (let read = 0; read < 5; read++) await reader.read();
    leaving.abort();
    await eventually(() => simulator.stats().aborted === 1, 'the call is given up');
    const spentUsd = await settledUsd(gateway, id);
    // Some tokens, far from all of the 2,000 (USD 0.02).
    expect(spentUsd).toBeGreaterThan(0.00005);
    expect(spentUsd).toBeLessThan(0.01);
  });

  test('a client that leaves before the first byte is billed for what it has sent', async () => {
    const { id, key } = await gateway.createKey({ quota_usd: 1 });
    const leaving = new AbortController();
    const pending = gateway
      .chat(key, body('[[sim:delay=60000]]', { user: 'x'.repeat(4_000) }), {}, leaving.signal)
      .catch(() => null);
    await eventually(() => simulator.stats().inFlight === 1, 'the vendor works');
    leaving.abort();
    await pending;
    await eventually(() => simulator.stats().aborted === 1, 'the call is given up');
    // About 1,000 tokens at USD 2.5 a million.
    const spentUsd = await settledUsd(gateway, id);
    expect(spentUsd).toBeGreaterThan(0.002);
    expect(spentUsd).toBeLessThan(0.004);
  });

  test('an answer that breaks off is billed by estimate', async () => {
    const { id, key } = await gateway.createKey({ quota_usd: 1 });
    const text = await (await gateway.chat(key, body('[[sim:break=5]]', { stream: true }))).text();
    expect(text).toContain('upstream_closed');
    expect(await settledUsd(gateway, id)).toBeGreaterThan(0);
  });

  test('what the vendor refuses, or never gets, costs nothing', async () => {
    const { id, key } = await gateway.createKey({ quota_usd: 1 });
    for (const status of [400, 404, 429, 500, 503]) {
      expect((await gateway.chat(key, body(`[[sim:status=${status}]]`))).status).toBe(status);
    }
    expect((await gateway.chat(key, body('', { model: 'deepseek-flash' }))).status).toBe(502);
    await gateway.chat(key, { model: 'gpt-4o' });
    expect(await settledUsd(gateway, id)).toBe(0);
  });

  test('a call that its client left before it was sent costs nothing', async () => {
    await using narrow = await startGateway({
      env: { ...stage.upstream, WORKERS: '1', PROXY_MAX_CONNS_PER_HOST: '1' },
    });
    const { id, key } = await narrow.createKey({ quota_usd: 1 });
    const stays = new AbortController();
    const first = narrow.chat(key, body('[[sim:delay=60000]]'), {}, stays.signal).catch(() => null);
    await eventually(() => simulator.stats().inFlight === 1, 'the only connection is taken');
    const leaving = new AbortController();
    const { key: other, id: otherId } = await narrow.createKey({ quota_usd: 1 });
    const second = narrow.chat(other, body('x'.repeat(40_000)), {}, leaving.signal).catch(() => null);
    await eventually(async () => (await keyView(narrow, otherId)).held_usd > 0, 'the second call waits');
    leaving.abort();
    await second;
    await eventually(
      async () => (await keyView(narrow, otherId)).held_usd === 0,
      'the second call has ended',
    );
    expect(await keyView(narrow, otherId)).toMatchObject({ spent_usd: 0 });
    expect(simulator.stats().received).toBe(1);
    stays.abort();
    await first;
    // This one was sent.
    expect(await settledUsd(narrow, id)).toBeGreaterThan(0);
  });

  test('a model without a price is answered and marked: no cost is told', async () => {
    const { id, key } = await gateway.createKey({ quota_usd: 1 });
    const response = await gateway.chat(key, body('', { model: 'gpt-of-tomorrow' }));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-tokenrouter-cost-usd')).toBeNull();
    expect(await settledUsd(gateway, id)).toBe(0);
  });
});

describe('followers', () => {
  test.each([false, true])('cost nothing and are counted as saved (stream: %p)', async (stream) => {
    await using single = await startGateway({
      env: { ...stage.upstream, WORKERS: '1' },
    });
    const { id, key } = await single.createKey({ quota_usd: 1 });
    const same = body('[[sim:hold=0]]', { stream });
    const answers = await meeting(single, simulator, { calls: 1, followers: 4 }, () =>
      Array.from({ length: 5 }, () => single.chat(key, same)),
    );
    expect(new Set(await Promise.all(answers.map((one) => one.text()))).size).toBe(1);
    const spentUsd = await settledUsd(single, id);
    expect(spentUsd).toBeGreaterThan(0);
    expect(simulator.stats().received).toBe(1);
    if (!stream) {
      const costs = answers.map((one) => one.headers.get('x-tokenrouter-cost-usd'));
      expect(costs.filter((cost) => cost === '0.000000000')).toHaveLength(4);
      expect(Math.max(...costs.map(Number))).toBeCloseTo(spentUsd, 9);
    }
    expect(await single.metric('dedup_savings_usd_total')).toBeCloseTo(4 * spentUsd, 9);
  });

  test('of another key lead their own call', async () => {
    const one = await gateway.createKey();
    const other = await gateway.createKey();
    const same = body('[[sim:barrier=2]]');
    // Shared, they would wait for each other for ever.
    const answers = await Promise.all([gateway.chat(one.key, same), gateway.chat(other.key, same)]);
    expect(answers.map((answer) => answer.headers.get('x-tokenrouter-dedup'))).toEqual(['leader', 'leader']);
    expect(await settledUsd(gateway, one.id)).toBeGreaterThan(0);
    expect(await settledUsd(gateway, other.id)).toBeGreaterThan(0);
  });
});
