import { expect, test } from 'bun:test';
import { Recorder } from './recorder.ts';

const answer = { upstreamMs: 10, leaderDueMs: -1 };

test('counts in all are of the whole load, the others of its window', () => {
  const recorder = new Recorder(1000, 1, true);
  recorder.openWindow(1000);
  for (const dueMs of [500, 1500, 2500]) {
    recorder.sent(dueMs, dueMs, false);
    recorder.sent(dueMs, dueMs, true);
    recorder.answered({ ...answer, dueMs, role: 'leader' }, dueMs + 10);
    recorder.answered({ ...answer, dueMs, role: 'follower', leaderDueMs: dueMs }, dueMs + 10);
  }
  recorder.sent(2600, 2600, false);
  recorder.failed('timeout', 2600, 2700);
  const result = recorder.result(0);
  expect(result.inAll).toEqual({ sent: 7, duplicates: 3, answered: 6, followers: 3 });
  expect([result.sent, result.duplicatesSent, result.answered]).toEqual([2, 1, 2]);
  expect(result.dedup).toEqual({ leader: 1, follower: 1, off: 0, none: 0 });
  expect(result.errors).toEqual({});
});

test('the most under way is that of the window', () => {
  const recorder = new Recorder(1000, 1, false);
  recorder.openWindow(1000);
  for (const [count, nowMs] of [
    [500, 900],
    [64, 1000],
    [70, 1999],
    [900, 2000],
  ] as const)
    recorder.inFlight(count, nowMs);
  expect(recorder.result(0).maxInFlight).toBe(70);
});
