import { describe, expect, test } from 'bun:test';
import type { KeyRecord } from './key-record.ts';
import { keyRecord as record } from './testing/keys.ts';
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
    expect(await first).toMatchObject(record());
    expect(cache.lookup('a')).toMatchObject(record());
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

  test('are forgotten when they change, and an answer that is on its way is asked for again', async () => {
    const { cache, answers } = setUp();
    const before = cache.lookup('a');
    cache.invalidate('id-1');
    const after = cache.lookup('a');
    // The answer to the first question may show the key as it was: nobody may go by it now, whenever they asked.
    answers[0]?.(record());
    await Bun.sleep(0);
    expect(answers).toHaveLength(2);
    answers[1]?.(record({ revokedAt: 5 }));
    expect(await before).toMatchObject({ revokedAt: 5 });
    expect(await after).toMatchObject({ revokedAt: 5 });
    expect(cache.lookup('a')).toMatchObject({ revokedAt: 5 });
  });

  test('are not asked for again because another one has changed', async () => {
    const { cache, answers } = setUp();
    const asked = cache.lookup('a');
    cache.invalidate('id-2');
    answers[0]?.(record());
    expect(await asked).toMatchObject(record());
    expect(cache.lookup('a')).toMatchObject(record());
    expect(answers).toHaveLength(1);
  });

  test('that were unknown while one changed are not remembered so', async () => {
    const { cache, answers } = setUp();
    const asked = cache.lookup('a');
    cache.invalidate('id-2');
    answers[0]?.(null);
    expect(await asked).toBeNull();
    expect(cache.lookup('a')).toBeInstanceOf(Promise);
  });

  test('are renewed at once where nothing has changed, however old they are, and asked for where it has', async () => {
    const { cache, answers, advance } = setUp();
    const asked = cache.lookup('a');
    answers[0]?.(record());
    const key = (await asked)!;
    const { generation } = cache;
    advance(1_000_000);
    expect(cache.renew(key)).toBe(key);
    cache.invalidate('id-2');
    expect(cache.generation).not.toBe(generation);
    expect(cache.renew(key)).toBe(key);
    cache.invalidate('id-1');
    const renewed = cache.renew(key);
    expect(renewed).toBeInstanceOf(Promise);
    answers[1]?.(record({ revokedAt: 5 }));
    expect(await renewed).toMatchObject({ revokedAt: 5 });
  });

  test('show the text that clients present to nobody', async () => {
    const { cache, answers } = setUp();
    const asked = cache.lookup('sk-tr-secret');
    answers[0]?.(record());
    const key = await asked;
    expect(Bun.inspect(key)).not.toContain('secret');
    expect(Bun.inspect({ ...key })).not.toContain('secret');
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
    expect(await cache.lookup('a')).toMatchObject(record());
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
