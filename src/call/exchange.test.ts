import { describe, expect, test } from 'bun:test';
import type { QuotaHolds } from '../limits/quota.ts';
import { dialectOf } from '../dialects/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Prepared } from '../pipeline/prepared.ts';
import type { Incoming } from '../server/incoming.ts';
import type { Permit } from '../limits/admission.ts';
import type { CallDeps } from './call-deps.ts';
import { Exchange } from './exchange.ts';
import type { KeyCache, KnownKey } from '../keys/key-cache.ts';
import type { Recorder } from './recorder.ts';

/** So much of a thing as is asked for. */
const only = <Whole>(part: Partial<Whole>): Whole => part as Whole;

/** A request whose key is looked up again, and what happens to it. */
function waitingForItsKey() {
  const { promise, reject } = Promise.withResolvers<KnownKey>();
  const defects: (readonly [cause: unknown, requestId: string])[] = [];
  const sent: number[] = [];
  const counted: number[] = [];
  const exchange = new Exchange({
    request: only<Incoming>({
      fields: new Map() as unknown as Incoming['fields'],
      forgetHead: () => {},
      send: (status: number) => void sent.push(status),
    }),
    requestId: 'req_1',
    key: only<KnownKey>({ slot: 0 }),
    generation: 1,
    prepared: only<Prepared>({
      warnings: [],
      shareable: false,
      route: only<Prepared['route']>({ provider: only<Prepared['route']['provider']>({ id: 'openai' }) }),
    }),
    forwardedHeaders: '',
    hops: 0,
    permit: only<Permit>({ leave: () => {} }),
    deps: only<CallDeps>({
      dialect: dialectOf('openai-chat'),
      dedup: null,
      keys: only<KeyCache>({ generation: 2, renew: () => promise }),
      quota: only<QuotaHolds>({ touch: () => {} }),
      recorder: only<Recorder>({ rejected: () => {}, request: (_, status) => void counted.push(status) }),
      now: () => 0,
      wallClockMs: () => 0,
      onDefect: (error, requestId) => void defects.push([error.cause, requestId]),
    }),
    startedAtMs: 0,
    bodyAtMs: 0,
  });
  exchange.run();
  const fail = async (thrown: unknown): Promise<void> => {
    reject(thrown);
    await Bun.sleep(0);
  };
  return { exchange, fail, defects, sent, counted };
}

describe('a defect while the key is looked up', () => {
  const defect = new Error('a defect');

  test('is told and answered', async () => {
    const { fail, defects, sent, counted } = waitingForItsKey();
    await fail(defect);
    expect(defects).toEqual([[defect, 'req_1']]);
    expect([sent, counted]).toEqual([[500], [500]]);
  });

  test('is told where the client has left, too, and answered to nobody', async () => {
    const { exchange, fail, defects, sent, counted } = waitingForItsKey();
    exchange.clientLeft();
    await fail(defect);
    expect(defects).toEqual([[defect, 'req_1']]);
    expect([sent, counted]).toEqual([[], [499]]);
  });

  test('is nothing that is refused', async () => {
    const { exchange, fail, defects, sent } = waitingForItsKey();
    exchange.clientLeft();
    await fail(new GatewayError('invalid_api_key', 'This API key has been revoked.'));
    expect([defects, sent]).toEqual([[], []]);
  });
});
