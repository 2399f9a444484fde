import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type { Simulator } from '../src/simulator/server.ts';
import { eventually, type Gateway } from './support/gateway.ts';
import { meeting, type Roles } from './support/meeting.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage({ simulator: { record: true } });
  ({ simulator, gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());
afterEach(() => simulator.reset());

const body = (content: string, more: object = {}) => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content }],
  ...more,
});
const role = (response: Response): string | null => response.headers.get('x-tokenrouter-dedup');

/** Every client on a connection of its own, so that the kernel spreads them over the threads. */
function ask(content: string, more: object = {}, signal?: AbortSignal): Promise<Response> {
  return gateway.chat(key, body(content, more), { connection: 'close' }, signal);
}

const ATTEMPTS = 5;
/** Followers that waited a quarter of a second in vain for their leader's thread, and then called the vendor themselves. */
const timeouts = (): Promise<number> => gateway.metric('dedup_unclaimed_total', { reason: 'timeout' });

/** As {@link meeting}; once more where the machine was so slow that a follower waited in vain, which is right of it. */
async function meet(roles: Roles, send: () => readonly Promise<Response>[]): Promise<Response[]> {
  for (let attempt = 1; ; attempt++) {
    const before = await timeouts();
    const responses = await meeting(gateway, simulator, roles, send);
    const inVain = (await timeouts()) - before;
    if (inVain === 0 || attempt === ATTEMPTS) return responses;
    excused += inVain;
    await Promise.all(responses.map((response) => response.text()));
    simulator.reset();
  }
}
/** Of attempts that were made again. */
let excused = 0;

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Clients that the gateway has in flight, by its own count. */
const inFlight = (): Promise<number> => gateway.metric('in_flight');

describe('identical requests in flight', () => {
  test('200 at once make one upstream call, and everyone gets the same bytes', async () => {
    const content = 'the same for all [[sim:hold=0]]';
    const responses = await meet({ calls: 1, followers: 199 }, () => times(200, () => ask(content)));
    const texts = await Promise.all(responses.map((response) => response.text()));
    expect(simulator.stats().received).toBe(1);
    expect(new Set(texts).size).toBe(1);
    expect(responses.filter((response) => role(response) === 'leader')).toHaveLength(1);
    const followers = responses.filter((response) => role(response) === 'follower');
    expect(followers).toHaveLength(199);
    for (const follower of followers) expect(Number(follower.headers.get('x-tokenrouter-cost-usd'))).toBe(0);
  });

  test('200 streams at once make one upstream call', async () => {
    const content = 'a stream for all [[sim:hold=0]]';
    const responses = await meet({ calls: 1, followers: 199 }, () =>
      times(200, () => ask(content, { stream: true })),
    );
    const texts = await Promise.all(responses.map((response) => response.text()));
    expect(simulator.stats().received).toBe(1);
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toEndWith('data: [DONE]\n\n');
  });

  test('a vendor that has not answered yet is called once for each distinct request', async () => {
    const distinct = 5;
    const responses = await meet({ calls: distinct, followers: 200 - distinct }, () =>
      times(200, (index) => ask(`call ${index % distinct} [[sim:hold=0]]`)),
    );
    for (const response of responses) expect(response.status).toBe(200);
    expect(simulator.stats().received).toBe(distinct);
    expect(simulator.stats().maxInFlight).toBe(distinct);
  });

  test('another spelling of the same request is the same call', async () => {
    const text = JSON.stringify(body('spelled [[sim:hold=0]] é'));
    const other = text.replace('{"model":"gpt-4o",', '{ ').replace('é', '\\u00e9').slice(0, -1);
    const spelled = `${other}, "model": "gpt-4o" }`;
    const responses = await meet({ calls: 1, followers: 1 }, () => [
      gateway.chat(key, text),
      gateway.chat(key, spelled),
    ]);
    expect(responses.map((response) => response.status)).toEqual([200, 200]);
    expect(simulator.stats().received).toBe(1);
  });

  test('different keys do not share', async () => {
    const other = await gateway.createKey();
    const content = 'scoped [[sim:hold=0]]';
    const responses = await meet({ calls: 2, followers: 0 }, () => [
      gateway.chat(key, body(content)),
      gateway.chat(other.key, body(content)),
    ]);
    expect(responses.map(role)).toEqual(['leader', 'leader']);
    expect(simulator.stats().received).toBe(2);
  });

  test("a vendor's error reaches every follower", async () => {
    const content = 'fails [[sim:hold=0]] [[sim:status=503]]';
    const responses = await meet({ calls: 1, followers: 49 }, () => times(50, () => ask(content)));
    expect(new Set(responses.map((response) => response.status))).toEqual(new Set([503]));
    expect(simulator.stats().received).toBe(1);
  });

  test('what follows an answer is a call of its own', async () => {
    await (await ask('again')).text();
    await (await ask('again')).text();
    expect(simulator.stats().received).toBe(2);
  });

  test('a late follower of a stream gets all earlier events first', async () => {
    const content = 'late [[sim:chunks=20]] [[sim:hold=4]]';
    const first = await ask(content, { stream: true });
    const reader = first.body!.getReader();
    let firstText = '';
    const decoder = new TextDecoder();
    while (firstText.split('\n\n').length < 5) firstText += decoder.decode((await reader.read()).value);
    const lates = await Promise.all(times(8, () => ask(content, { stream: true })));
    expect(lates.map(role)).toEqual(times(8, () => 'follower'));
    simulator.release();
    const lateTexts = await Promise.all(lates.map((response) => response.text()));
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      firstText += decoder.decode(value);
    }
    for (const text of lateTexts) expect(text).toBe(firstText);
    expect(simulator.stats().received).toBe(1);
  });

  test('the leader may leave: the call lives while anyone follows, and ends when nobody does', async () => {
    const content = 'leaver [[sim:chunks=1000]] [[sim:interval=20]] [[sim:hold=4]]';
    const leaving = new AbortController();
    const leader = await ask(content, { stream: true }, leaving.signal);
    expect(role(leader)).toBe('leader');
    const stays = new AbortController();
    const follower = await ask(content, { stream: true }, stays.signal);
    expect(role(follower)).toBe('follower');
    leaving.abort();
    const reader = follower.body!.getReader();
    let events = 0;
    let text = '';
    const read = async (count: number): Promise<void> => {
      while (events < count) {
        const { done, value } = await reader.read();
        if (done) throw new Error('the stream has ended');
        text += Buffer.from(value).toString();
        events = text.split('\n\n').length - 1;
      }
    };
    await eventually(async () => (await inFlight()) === 1, 'the leader has left');
    await read(5);
    simulator.release();
    await read(10);
    expect(simulator.stats().aborted).toBe(0);
    stays.abort();
    await reader.read().catch(() => null);
    await eventually(() => simulator.stats().aborted === 1, 'the upstream call is aborted');
    expect(simulator.stats().received).toBe(1);
  });

  test('a client that leaves before any byte aborts its call upstream', async () => {
    const leaving = new AbortController();
    const pending = ask('nobody waits [[sim:delay=20000]]', {}, leaving.signal);
    await eventually(() => simulator.stats().inFlight === 1, 'the call is made');
    leaving.abort();
    expect(pending).rejects.toThrow();
    await eventually(() => simulator.stats().aborted === 1, 'the call is aborted');
    await eventually(async () => (await inFlight()) === 0, 'nothing is in flight');
  });

  test('one that may not be shared is not', async () => {
    const content = 'not shared [[sim:hold=0]]';
    const header = { 'x-tokenrouter-dedup': 'off' };
    const two = { calls: 2, followers: 0 };
    const off = await meet(two, () => times(2, () => gateway.chat(key, body(content), header)));
    expect(off.map(role)).toEqual(['off', 'off']);
    const stored = await meet(two, () => times(2, () => gateway.chat(key, body(content, { store: true }))));
    expect(stored.map(role)).toEqual(['off', 'off']);
    expect(simulator.stats().received).toBe(4);
  });

  test('the counters agree', async () => {
    const [leaders, followers] = await Promise.all([
      gateway.metric('dedup_requests_total', { role: 'leader' }),
      gateway.metric('dedup_requests_total', { role: 'follower' }),
    ]);
    expect(followers).toBeGreaterThanOrEqual(199 + 199 + 195 + 49);
    expect(leaders).toBeGreaterThan(0);
    expect(await gateway.metric('dedup_savings_usd_total')).toBeGreaterThan(0);
    expect(await gateway.metric('dedup_unclaimed_total')).toBe(excused);
    expect(await gateway.metric('dedup_replay_bytes')).toBe(0);
  });
});

describe('a slow client', () => {
  test('delays nobody, stops the upstream when alone, and memory stays flat', async () => {
    // 1,000 events of 64 KB are more than the replay limit and the kernel's buffers hold: the busier the machine, the more
    // these grow, up to 32 MiB here and there.
    const content = 'big [[sim:chunks=1000]] [[sim:size=64000000]]';
    const slow = await ask(content, { stream: true });
    const slowReader = slow.body!.getReader();
    let bytes = (await slowReader.read()).value!.byteLength;
    // The relay has come to rest when the bytes it holds no longer change.
    let held = -1;
    let same = 0;
    await eventually(async () => {
      const now = await gateway.metric('dedup_replay_bytes');
      same = now === held ? same + 1 : 0;
      held = now;
      return same >= 20;
    }, 'the relay rests');
    expect(held).toBeLessThan(9 * 1024 * 1024);
    expect(simulator.stats().inFlight).toBe(1);
    for (;;) {
      const { done, value } = await slowReader.read();
      if (done) break;
      bytes += value.byteLength;
    }
    expect(bytes).toBeGreaterThan(64_000_000);
  });
});
