import { expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { ownThreadId, threadCpuMs } from './thread-clock.ts';

const told = existsSync('/proc/thread-self/schedstat');

test('a thread that works has had processor time, and one that is not there none that is known', () => {
  const id = ownThreadId();
  const before = threadCpuMs(id);
  if (!told) {
    expect(before).toBeNull();
    return;
  }
  const untilMs = performance.now() + 10_000;
  while (threadCpuMs(id)! - before! < 20 && performance.now() < untilMs);
  expect(threadCpuMs(id)! - before!).toBeGreaterThanOrEqual(20);
  expect(threadCpuMs(0)).toBeNull();
  expect(threadCpuMs(2 ** 30)).toBeNull();
});
