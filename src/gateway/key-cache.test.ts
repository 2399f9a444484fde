import { describe, expect, test } from 'bun:test';
import type { KeyRecord } from '../storage/key-record.ts';
import { keyRecord as record } from '../storage/testing/keys.ts';
import { KeyCache } from './key-cache.ts';

/** A cache whose storage answers when told to, in the order in which it was asked. */
function setUp(): {
  readonly cache: KeyCache;
  readonly answers: ((record: KeyRecord | null) => void)[];
  readonly advance: (ms: number) => void;
} {
  let nowMs = 0;
  const answers: ((record: KeyRecord | null) => void)[] = [];
  const cache = new KeyCache({
    ttlMs: 1_000,
    now: () => nowMs,
    find: () => new Promise((resolve) => answers.push(resolve)),
  });
  return {
    cache,
    answers,
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

describe('keys at hand', () => {
  test('are asked for once, however many wait, and again when they are old', async () => {
    const { cache, answers, advance } = setUp();
    const first = cache.lookup('a');
    expect(cache.lookup('a')).toBe(first);
    answers[0]?.(record());
    expect(await first).toEqual(record());
    expect(cache.lookup('a')).toEqual(record());
    advance(1_000);
    expect(cache.lookup('a')).toBeInstanceOf(Promise);
    expect(answers).toHaveLength(2);
  });

  test('that do not exist are remembered for a tenth of the time', async () => {
    const { cache, answers, advance } = setUp();
    const asked = cache.lookup('a');
    answers[0]?.(null);
    await asked;
    expect(cache.lookup('a')).toBeNull();
    advance(100);
    expect(cache.lookup('a')).toBeInstanceOf(Promise);
  });

  test('are forgotten when they change, and so is an answer that is on its way', async () => {
    const { cache, answers } = setUp();
    const before = cache.lookup('a');
    cache.invalidate('id-1');
    // The answer to the first question may show the key as it was. It is for those alone who asked before.
    const after = cache.lookup('a');
    expect(after).not.toBe(before);
    answers[0]?.(record());
    answers[1]?.(record({ revokedAt: 5 }));
    expect(await before).toMatchObject({ revokedAt: null });
    expect(await after).toMatchObject({ revokedAt: 5 });
    expect(cache.lookup('a')).toMatchObject({ revokedAt: 5 });
  });

  test('longer than any key are unknown without being kept or asked for', () => {
    const { cache, answers } = setUp();
    expect(cache.lookup('x'.repeat(10_000))).toBeNull();
    expect(answers).toHaveLength(0);
  });

  test('that storage cannot tell are a failure, which is not remembered', async () => {
    let fails = true;
    const cache = new KeyCache({
      ttlMs: 1_000,
      now: () => 0,
      find: () => (fails ? Promise.reject(new Error('gone')) : Promise.resolve(record())),
    });
    expect(cache.lookup('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
    await Bun.sleep(0);
    fails = false;
    expect(await cache.lookup('a')).toEqual(record());
  });
});

test('a key that is remembered does not keep the head that it came in', async () => {
  const cache = new KeyCache({ ttlMs: 60_000, now: () => 0, find: () => Promise.resolve(null) });
  Bun.gc(true);
  const beforeBytes = process.memoryUsage.rss();
  for (let count = 0; count < 3_000; count++) {
    const head = Buffer.alloc(32 * 1024, `x-api-key: sk-tr-${count} `).toString('latin1');
    await cache.lookup(head.slice(11, 61));
  }
  Bun.gc(true);
  // 96 MB of heads went by.
  expect(process.memoryUsage.rss() - beforeBytes).toBeLessThan(40 * 1024 * 1024);
});
