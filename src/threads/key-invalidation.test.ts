import { describe, expect, test } from 'bun:test';
import { KeyInvalidation } from './key-invalidation.ts';

const DEADLINE_MS = 2_000;

function setUp(): {
  readonly invalidation: KeyInvalidation;
  readonly told: string[];
  readonly late: number[];
  readonly busy: Set<number>;
} {
  const told: string[] = [];
  const late: number[] = [];
  const busy = new Set<number>();
  const invalidation = new KeyInvalidation({
    deadlineMs: DEADLINE_MS,
    broadcast: (keyId, ack) => void told.push(`${keyId} ${ack}`),
    runnable: (worker) => busy.has(worker),
    onLate: (worker) => void late.push(worker),
  });
  return { invalidation, told, late, busy };
}

/** Whether it is over yet. */
async function over(promise: Promise<void>): Promise<boolean> {
  return Promise.race([promise.then(() => true), Bun.sleep(0).then(() => false)]);
}

describe('a key that has changed', () => {
  test('is known everywhere once all have said so or are gone', async () => {
    const { invalidation, told } = setUp();
    const first = invalidation.run('a', [0, 1, 2]);
    const second = invalidation.run('b', [1]);
    expect(told).toEqual(['a 1', 'b 2']);
    invalidation.acknowledge(1, 0);
    invalidation.acknowledge(1, 0);
    invalidation.acknowledge(1, 1);
    expect(await over(first)).toBe(false);
    invalidation.gone(2);
    await first;
    expect(await over(second)).toBe(false);
    invalidation.acknowledge(2, 1);
    await second;
  });

  test('is told to all, also where nobody is waited for', async () => {
    const { invalidation, told } = setUp();
    await invalidation.run('a', []);
    expect(told).toEqual(['a 1']);
  });

  test('who is late is reported once, and waited for until it is gone', async () => {
    const { invalidation, late } = setUp();
    const done = invalidation.run('a', [0, 1]);
    const nowMs = performance.now();
    invalidation.acknowledge(1, 0);
    invalidation.check(nowMs + DEADLINE_MS - 1_000);
    expect(late).toEqual([]);
    invalidation.check(nowMs + DEADLINE_MS + 1);
    invalidation.check(nowMs + DEADLINE_MS * 2);
    expect(late).toEqual([1]);
    expect(await over(done)).toBe(false);
    invalidation.gone(1);
    await done;
  });

  test('nobody is late while the process stood still', () => {
    const { invalidation, late } = setUp();
    void invalidation.run('a', [0]);
    const nowMs = performance.now() + DEADLINE_MS * 5;
    invalidation.forgive(nowMs);
    invalidation.check(nowMs);
    expect(late).toEqual([]);
    invalidation.check(nowMs + DEADLINE_MS + 1);
    expect(late).toEqual([0]);
  });

  test('is waited for longer where a thread does not get its turn', async () => {
    const { busy, invalidation, late } = setUp();
    const done = invalidation.run('a', [0, 1]);
    const startMs = performance.now();
    busy.add(1);
    invalidation.check(startMs + 2 * DEADLINE_MS);
    invalidation.check(startMs + 3 * DEADLINE_MS);
    expect(late).toEqual([0]);
    busy.delete(1);
    invalidation.check(startMs + 4 * DEADLINE_MS);
    expect(late).toEqual([0, 1]);
    invalidation.gone(0);
    invalidation.gone(1);
    await done;
    const next = invalidation.run('a', [2]);
    busy.add(2);
    // Busy for ever is as good as deaf.
    invalidation.check(performance.now() + 10 * DEADLINE_MS);
    expect(late).toEqual([0, 1, 2]);
    invalidation.gone(2);
    await next;
  });
});
