import { describe, expect, test } from 'bun:test';
import { createRandom, DuplicatePicker, Schedule, TICK_MS } from './schedule.ts';

describe('Schedule', () => {
  test('keeps the rate without a ramp', () => {
    const schedule = new Schedule(10_000, 0);
    expect(schedule.dueMs(0)).toBe(0);
    expect(schedule.dueMs(10_000)).toBe(1000);
    expect(schedule.dueMs(25_000)).toBe(2500);
  });

  test('a ramp carries half as many requests as the same time at full rate', () => {
    const schedule = new Schedule(1000, 2000);
    expect(schedule.dueMs(1000)).toBe(2000);
    expect(schedule.dueMs(2000)).toBe(3000);
    // Half-way through the ramp a quarter of its requests have left.
    expect(schedule.dueMs(250)).toBe(1000);
  });

  test('times never fall, lie on ticks, and are never early', () => {
    const ratePerS = 7333;
    const rampMs = 777;
    const schedule = new Schedule(ratePerS, rampMs);
    const rampCount = (ratePerS / 1000) * (rampMs / 2);
    let last = 0;
    for (let n = 0; n < 30_000; n++) {
      const due = schedule.dueMs(n);
      expect(due).toBeGreaterThanOrEqual(last);
      expect(due % TICK_MS).toBe(0);
      if (n > rampCount) {
        const exact = rampMs + (n - rampCount) / (ratePerS / 1000);
        expect(due - exact).toBeGreaterThan(-1e-6);
        expect(due - exact).toBeLessThan(TICK_MS);
      }
      last = due;
    }
  });

  test('a pace that cannot be is refused', () => {
    expect(() => new Schedule(0, 0)).toThrow('no such pace');
    expect(() => new Schedule(100, -1)).toThrow('no such pace');
  });
});

test('createRandom repeats by its seed and stays within [0, 1)', () => {
  const one = createRandom(7);
  const other = createRandom(7);
  const values = Array.from({ length: 1000 }, () => one());
  expect(values).toEqual(Array.from({ length: 1000 }, () => other()));
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
});

describe('DuplicatePicker', () => {
  test('injects exactly the share, each a twin of a request that is young enough', () => {
    const picker = new DuplicatePicker(0.08, 50, createRandom(1));
    const dueOf = new Map<number, number>();
    const total = 100_000;
    let duplicates = 0;
    for (let n = 0; n < total; n++) {
      const dueMs = n / 10;
      const number = picker.next(dueMs);
      if (picker.leaderDueMs >= 0) {
        duplicates++;
        expect(dueOf.get(number)).toBe(picker.leaderDueMs);
        expect(dueMs - picker.leaderDueMs).toBeLessThanOrEqual(50);
      } else {
        expect(dueOf.has(number)).toBe(false);
        dueOf.set(number, dueMs);
      }
    }
    expect(duplicates).toBe(total * 0.08);
    expect(picker.duplicates).toBe(duplicates);
  });

  test('without a share every request is new', () => {
    const picker = new DuplicatePicker(0, 0, createRandom(1));
    expect(Array.from({ length: 100 }, (_, n) => picker.next(n))).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    );
  });

  test('with nobody young enough to repeat a new request goes', () => {
    const picker = new DuplicatePicker(0.5, 10, createRandom(1));
    picker.next(0);
    picker.next(1000);
    expect(picker.leaderDueMs).toBe(-1);
    picker.next(1005);
    expect(picker.leaderDueMs).toBe(1000);
  });
});
