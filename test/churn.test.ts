import { expect, test } from 'bun:test';
import { numbersFrom } from './chaos/numbers.ts';
import { expectHealthy } from './support/errors.ts';
import { eventually } from './support/gateway.ts';
import { keyView } from './support/money.ts';
import { openRaw, rawChat } from './support/raw-http.ts';
import { startStage } from './support/stage.ts';

const REQUESTS = 1_200;
const LANES = 30;
/** Everything a vendor does, quickly. */
const DIRECTIVES = [
  '',
  '[[sim:delay=10]]',
  '[[sim:interval=1]] [[sim:chunks=40]]',
  '[[sim:size=200000]]',
  '[[sim:keepalive=3]] [[sim:delay=20]]',
  '[[sim:break=0]]',
  '[[sim:break=2]]',
  '[[sim:reset=3]]',
  '[[sim:error=2]]',
  '[[sim:status=401]]',
  '[[sim:status=429]]',
  '[[sim:status=500]]',
];

/**
 * Leaders, followers and loners, streamed and not, whose vendor fails in every way and whose clients leave at any moment:
 * afterwards nothing is held, in flight, claimed or kept.
 */
test('whatever happens to requests, everything they took is given back', async () => {
  const seed = Number(process.env['CHURN_SEED'] ?? Date.now() % 1_000_000);
  const number = numbersFrom(seed);
  await using stage = await startStage({
    env: { STREAM_CONCURRENT_LIMIT: '20', PROVIDER_CONCURRENT_LIMIT: '15' },
    key: { quota_usd: 1 },
  });
  const { simulator, gateway, key, keyId: id } = stage;
  const statuses = new Map<number, number>();

  const one = async (): Promise<void> => {
    const body = JSON.stringify({
      model: 'gpt-4o',
      stream: number(2) === 0,
      // Few contents: many meet in one call.
      messages: [{ role: 'user', content: `${DIRECTIVES[number(DIRECTIVES.length)]} ${number(6)}` }],
      max_tokens: 200,
    });
    const how = number(5);
    if (how === 0) {
      await using connection = await openRaw(gateway.url);
      await connection.send(rawChat(key, `Content-Length: ${body.length}\r\n`, body));
      await Bun.sleep(number(30));
      connection.reset();
      return;
    }
    const signal = how === 1 ? AbortSignal.timeout(1 + number(30)) : AbortSignal.timeout(30_000);
    const headers: Record<string, string> = number(4) === 0 ? { 'x-tokenrouter-dedup': 'off' } : {};
    try {
      const response = await gateway.chat(key, body, headers, signal);
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      await response.text();
    } catch (error) {
      if (how !== 1) throw error;
    }
  };
  let left = REQUESTS;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await one();
  };
  try {
    await Promise.all(Array.from({ length: LANES }, lane));
    // 402: what is left of the quota is held by others for a moment.
    expect([...statuses.keys()].filter((status) => ![200, 402, 429, 500, 502].includes(status))).toEqual([]);
    await eventually(async () => (await gateway.metric('in_flight')) === 0, 'nothing in flight');
    await eventually(() => simulator.stats().inFlight === 0, 'no call runs');
    expect(await gateway.metric('dedup_replay_bytes')).toBe(0);
    expect((await keyView(gateway, id)).held_usd).toBe(0);
    for (const state of ['active', 'waiting'])
      await eventually(
        async () => (await gateway.metric('upstream_connections', { state })) === 0,
        `none ${state}`,
      );
    expect(await gateway.metric('rejected_total', { reason: 'internal' })).toBe(0);
    expect(gateway.output).not.toContain('"level":50');
    await gateway.admin('PATCH', `/admin/api-keys/${id}`, { quota_usd: null });
    await expectHealthy(gateway, key);
  } catch (error) {
    console.log(`CHURN_SEED=${seed}`);
    throw error;
  }
});
