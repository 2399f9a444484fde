import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../errors/gateway-error.ts';
import type { KeyRecord } from '../storage/key-record.ts';
import { keyHash } from '../storage/key-hash.ts';
import { KeyCache } from './key-cache.ts';

const record = (id: string): KeyRecord => ({ id, revokedAt: null, slot: 0 }) as KeyRecord;

/** A cache over a store that can be made slow or broken, with a clock of its own. */
function setUp() {
  const store = new Map<string, KeyRecord>();
  const state = { ms: 0, asked: 0, broken: false, gate: Promise.resolve() };
  const cache = new KeyCache({
    ttlMs: 1_000,
    now: () => state.ms,
    find: async (hash) => {
      state.asked++;
      const found = store.get(hash) ?? null;
      await state.gate;
      if (state.broken) throw new Error('no storage');
      return found;
    },
  });
  return { store, state, cache };
}

describe('KeyCache', () => {
  test('a key is asked for once, however many requests wait, and then answered at once', async () => {
    const { store, state, cache } = setUp();
    store.set(keyHash('k'), record('1'));
    const found = await Promise.all([cache.lookup('k'), cache.lookup('k'), cache.lookup('k')]);
    expect(found.map((one) => one?.id)).toEqual(['1', '1', '1']);
    expect(state.asked).toBe(1);
    expect(cache.lookup('k')).not.toBeInstanceOf(Promise);
  });

  test('past its time an entry is asked for again; an unknown key is remembered for less', async () => {
    const { store, state, cache } = setUp();
    store.set(keyHash('k'), record('1'));
    await cache.lookup('k');
    expect(await cache.lookup('wrong')).toBeNull();
    state.ms = 101;
    await cache.lookup('wrong');
    expect(state.asked).toBe(3);
    await cache.lookup('k');
    expect(state.asked).toBe(3);
    state.ms = 1_001;
    await cache.lookup('k');
    expect(state.asked).toBe(4);
  });

  test('a change empties the entry, and an answer that was on its way is not remembered', async () => {
    const { store, state, cache } = setUp();
    store.set(keyHash('k'), record('1'));
    const open = Promise.withResolvers<void>();
    state.gate = open.promise;
    const early = cache.lookup('k');
    cache.invalidate('1');
    store.set(keyHash('k'), { ...record('1'), revokedAt: 5 });
    open.resolve();
    await early;
    expect((await cache.lookup('k'))?.revokedAt).toBe(5);
  });

  test('a key that is made after it was presented is found at once', async () => {
    const { store, cache } = setUp();
    expect(await cache.lookup('k')).toBeNull();
    store.set(keyHash('k'), record('1'));
    cache.invalidate('1');
    expect((await cache.lookup('k'))?.id).toBe('1');
  });

  test('storage that fails is a 503, not an unknown key, and is not remembered', async () => {
    const { store, state, cache } = setUp();
    store.set(keyHash('k'), record('1'));
    state.broken = true;
    const failed = await Promise.resolve(cache.lookup('k')).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(GatewayError);
    expect((failed as GatewayError).code).toBe('storage_unavailable');
    state.broken = false;
    expect((await cache.lookup('k'))?.id).toBe('1');
  });
});
