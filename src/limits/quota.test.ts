import { describe, expect, test } from 'bun:test';
import { createMemory, releaseWorker, SLOT } from '../shared/memory-map.ts';
import { textSize } from '../billing/estimate.ts';
import { holdNanoUsd, QuotaHolds } from './quota.ts';
import { RateWindow } from './rate.ts';

const memory = () => createMemory({ workers: 2, metricWords: 1, labelBytes: 1, maxKeys: 4 });
const key = (quotaNanoUsd: number | null) => ({ slot: 1, quotaNanoUsd });

describe('QuotaHolds', () => {
  test('holds and spending of all threads count', () => {
    const shared = memory();
    const [one, two] = [new QuotaHolds(shared, 0), new QuotaHolds(shared, 1)];
    expect(one.tryHold(key(100), 60)).toBe(true);
    expect(two.tryHold(key(100), 60)).toBe(false);
    expect(two.tryHold(key(100), 40)).toBe(true);
    expect(two.held(1)).toBe(100);
    one.settle(1, 60, 30);
    expect([two.spent(1), two.held(1)]).toEqual([30, 40]);
    two.release(1, 40);
    expect(one.tryHold(key(100), 70)).toBe(true);
  });

  test('a key with money left and nothing held always gets one call; one without gets none', () => {
    const ledger = new QuotaHolds(memory(), 0);
    expect(ledger.tryHold(key(1), 1_000)).toBe(true);
    expect(ledger.tryHold(key(1), 1_000)).toBe(false);
    ledger.settle(1, 1_000, 5);
    expect(ledger.exhausted(key(1))).toBe(true);
    expect(ledger.tryHold(key(1), 0)).toBe(false);
    expect(ledger.held(1)).toBe(0);
    expect(new QuotaHolds(memory(), 0).tryHold(key(0), 1)).toBe(false);
  });

  test('what was spent before this process counts', () => {
    const shared = memory();
    shared.slotMoney[1 * SLOT.words + SLOT.baseSpent] = 90;
    const ledger = new QuotaHolds(shared, 0);
    ledger.settle(1, 0, 10);
    expect(ledger.exhausted(key(100))).toBe(true);
    expect(ledger.exhausted(key(null))).toBe(false);
  });

  test("a dead thread's holds are given back, its spending stays", () => {
    const shared = memory();
    Atomics.store(shared.slotCount, 0, 2);
    const [one, two] = [new QuotaHolds(shared, 0), new QuotaHolds(shared, 1)];
    one.tryHold(key(100), 50);
    one.settle(1, 0, 7);
    two.tryHold(key(100), 20);
    releaseWorker(shared, 0);
    expect([two.held(1), two.spent(1)]).toEqual([20, 7]);
  });

  test('the last use is the latest of all threads', () => {
    const shared = memory();
    const [one, two] = [new QuotaHolds(shared, 0), new QuotaHolds(shared, 1)];
    expect(one.lastUsedMs(1)).toBe(0);
    one.touch(1, 500);
    two.touch(1, 400);
    expect(two.lastUsedMs(1)).toBe(500);
  });

  test('a hold covers uncached input and a bounded answer', () => {
    const price = {
      provider: 'p',
      model: 'm',
      input: 3,
      cachedInput: 0.3,
      cacheWrite5m: 3,
      cacheWrite1h: 3,
      cacheWrite30m: 3,
      output: 15,
      maxOutputTokens: 100_000,
      longPrompt: null,
    };
    // 300 bytes are 100 tokens at 3 USD a million: 300,000 nano-USD.
    expect(holdNanoUsd(price, textSize(300), 10)).toBe(300_000 + 150_000);
    expect(holdNanoUsd(price, textSize(300), null)).toBe(300_000 + 4_096 * 15_000);
    expect(holdNanoUsd(price, textSize(300), 10, 3)).toBe(300_000 + 450_000);
  });
});

describe('RateWindow', () => {
  const rpm = (limit: number) => ({ rpm: limit, tpm: null });

  test('requests of all threads count, and the window slides', () => {
    const shared = memory();
    const [one, two] = [new RateWindow(shared, 0), new RateWindow(shared, 1)];
    const start = 1_000 * 60_000;
    for (let index = 0; index < 5; index++) {
      expect(one.admit(0, rpm(10), start)).toBe(0);
      expect(two.admit(0, rpm(10), start)).toBe(0);
    }
    expect(one.admit(0, rpm(10), start + 20_000)).toBe(40);
    // Half of the next minute has gone: half of the last one still counts.
    expect(two.admit(0, rpm(10), start + 90_000)).toBe(0);
    for (let index = 0; index < 4; index++) one.admit(0, rpm(10), start + 90_000);
    expect(one.admit(0, rpm(10), start + 90_000)).toBeGreaterThan(0);
    expect(one.admit(0, rpm(10), start + 600_000)).toBe(0);
  });

  test('a refused request does not count', () => {
    const window = new RateWindow(memory(), 0);
    expect(window.admit(0, rpm(1), 0)).toBe(0);
    for (let index = 0; index < 100; index++) expect(window.admit(0, rpm(1), 1)).toBeGreaterThan(0);
    expect(window.admit(0, rpm(1), 120_000)).toBe(0);
  });

  test('tokens that are used up stop the next request', () => {
    const window = new RateWindow(memory(), 0);
    const limits = { rpm: null, tpm: 1_000 };
    expect(window.admit(0, limits, 0)).toBe(0);
    window.used(0, 1_000, 10);
    expect(window.admit(0, limits, 20)).toBeGreaterThan(0);
    expect(window.admit(1, limits, 20)).toBe(0);
  });
});
