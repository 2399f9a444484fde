import { describe, expect, test } from 'bun:test';
import { mergeEncoded, summarize } from '../measure/histogram.ts';
import { Generator } from './generator.ts';
import type { LoadPlan, LoadResult } from './plan.ts';

const ANSWER = {
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'x' } }],
};

type Handler = (body: string, request: Request) => Response | Promise<Response>;

/** Runs a plan against a server of this test and returns what was found. */
async function drive(
  handler: Handler,
  changes: Partial<LoadPlan>,
): Promise<{ result: LoadResult; marks: string[] }> {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => handler(await request.text(), request),
  });
  const marks: string[] = [];
  try {
    const generator = new Generator(
      {
        port: server.port ?? 0,
        path: '/v1/chat/completions',
        headers: [['authorization', 'Bearer k']],
        body: { model: 'm', bytes: 1700, stream: false, differsIn: 'query', directives: '' },
        connections: 8,
        pace: { kind: 'closed', rampMs: 0 },
        duplicates: null,
        keysFile: null,
        misbehaviour: null,
        warmupMs: 50,
        windowMs: 150,
        parts: 3,
        timeoutMs: 5000,
        seed: 1,
        ...changes,
      },
      (mark) => marks.push(mark),
    );
    return { result: await generator.run(), marks };
  } finally {
    await server.stop(true);
  }
}

const ok = (headers: Record<string, string> = {}): Response => Response.json(ANSWER, { headers });

describe('closed loop', () => {
  test('keeps all connections busy with bodies that differ, and marks its window', async () => {
    const bodies: string[] = [];
    const { result, marks } = await drive((body) => {
      bodies.push(body);
      return ok();
    }, {});
    expect(marks).toEqual(['window-start', 'window-end']);
    expect(new Set(bodies).size).toBe(bodies.length);
    expect(result.answered).toBeGreaterThan(0);
    expect(result.answeredBetweenMarks).toBe(result.answered);
    expect(result.errors).toEqual({});
    expect(result.maxInFlight).toBe(8);
    expect(result.parts.length).toBe(3);
    expect(summarize(mergeEncoded([result.histograms.latency])).count).toBe(result.answered);
  });

  test('errors are counted by kind and connections are made anew', async () => {
    let calls = 0;
    const { result } = await drive(() => {
      calls++;
      if (calls % 5 === 0) return new Response('{}', { status: 503 });
      if (calls % 5 === 1) return Response.json({ hello: 1 });
      return ok(calls % 5 === 2 ? { connection: 'close' } : {});
    }, {});
    expect(result.errors['status_503']).toBeGreaterThan(0);
    expect(result.errors['bad_shape']).toBeGreaterThan(0);
    expect(Object.keys(result.errors).sort()).toEqual(['bad_shape', 'status_503']);
    expect(result.answered).toBeGreaterThan(0);
  });

  test('reads streams', async () => {
    const { result } = await drive(
      () => {
        const stamp = Math.round((performance.timeOrigin + performance.now()) * 1000);
        const event = `data: {"choices":[{"delta":{"content":"@${stamp} "}}]}\n\n`;
        return new Response(`${event}${event}data: [DONE]\n\n`, {
          headers: { 'content-type': 'text/event-stream' },
        });
      },
      { body: { model: 'm', bytes: 1700, stream: true, differsIn: 'query', directives: '' } },
    );
    expect(result.errors).toEqual({});
    expect(result.eventsBetweenMarks).toBeGreaterThan(result.answered);
    expect(summarize(mergeEncoded([result.histograms.event])).count).toBe(result.eventsBetweenMarks);
    expect(summarize(mergeEncoded([result.histograms.firstToken])).count).toBeGreaterThan(0);
  });

  test('a stream that ends without saying so is an error', async () => {
    const { result } = await drive(() => new Response('data: {"choices":[]}\n\n'), {
      body: { model: 'm', bytes: 1700, stream: true, differsIn: 'query', directives: '' },
    });
    expect(result.answered).toBe(0);
    expect(Object.keys(result.errors)).toEqual(['stream_without_done']);
  });
});

describe('open loop', () => {
  const pace = { kind: 'open', ratePerS: 400, rampMs: 0, cooldownMs: 20 } as const;

  test('sends what the schedule says, no more and no less', async () => {
    const { result } = await drive(() => ok({ 'x-sim-upstream-ms': '0' }), { pace, connections: 16 });
    expect(result.sent).toBe(60);
    expect(result.answered).toBe(60);
    expect(result.errors).toEqual({});
  });

  test('a server that stalls is charged for the requests that could not leave', async () => {
    // One connection, each answer 40 ms: the 400/s that are due wait longer and longer.
    const { result } = await drive(
      async () => {
        await Bun.sleep(40);
        return ok({ 'x-sim-upstream-ms': '40' });
      },
      { pace, connections: 1, timeoutMs: 400 },
    );
    const latency = summarize(mergeEncoded([result.histograms.latency]));
    expect(latency.p99Ms).toBeGreaterThan(100);
    expect(result.errors['unsent']).toBeGreaterThan(0);
    expect(result.sent + (result.errors['unsent'] ?? 0)).toBe(60);
  });

  test('an answer that never comes is a timeout', async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    const { result } = await drive(() => promise, { pace, connections: 100, timeoutMs: 300 });
    resolve(ok());
    expect(result.answered).toBe(0);
    expect(result.errors).toEqual({ timeout: 60 });
  });

  test('followers are told from leaders, and their overhead counts from the end of the call they follow', async () => {
    const leaders = new Map<string, Promise<unknown>>();
    const { result } = await drive(
      async (body) => {
        const leader = leaders.get(body);
        const call = leader ?? Bun.sleep(30);
        leaders.set(body, call);
        await call;
        return ok({
          'x-sim-upstream-ms': '30',
          'x-tokenrouter-dedup': leader === undefined ? 'leader' : 'follower',
        });
      },
      { pace, connections: 64, duplicates: { share: 0.25, ageMs: 10 } },
    );
    expect(result.errors).toEqual({});
    expect(result.duplicatesSent).toBe(15);
    expect(result.dedup.follower).toBe(15);
    expect(result.dedup.leader).toBe(45);
    const follower = summarize(mergeEncoded([result.histograms.follower]));
    expect(follower.count).toBe(15);
  });
});
