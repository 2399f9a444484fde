import { describe, expect, test } from 'bun:test';
import { descriptorLimit, fitCapacity } from './capacity.ts';

describe('descriptors', () => {
  test('the soft limit is read, where the system tells it', () => {
    const text =
      'Limit                     Soft Limit           Hard Limit           Units\nMax open files            20000                30000                files\n';
    expect(descriptorLimit(() => text)).toBe(20_000);
    expect(descriptorLimit(() => text.replace('20000', 'unlimited'))).toBeNull();
    expect(
      descriptorLimit(() => {
        throw new Error('no such file');
      }),
    ).toBeNull();
  });

  test('what fits is left alone', () => {
    for (const limit of [null, 100_000]) {
      expect(fitCapacity(10_000, limit)).toEqual({
        capacity: { concurrentRequests: 10_000, upstreamConnections: 10_000 },
        warning: null,
      });
    }
  });

  test('duplicates need no upstream socket: 10,000 requests fit 20,000 descriptors', () => {
    const { capacity, warning } = fitCapacity(10_000, 20_000);
    expect(warning).toBeNull();
    expect(capacity.concurrentRequests).toBe(10_000);
    expect(capacity.upstreamConnections).toBeGreaterThanOrEqual(9_300);
    expect(capacity.concurrentRequests + capacity.upstreamConnections).toBeLessThan(20_000);
  });

  test('what cannot be carried is clamped with a warning that names the variable', () => {
    for (const limit of [64, 256, 1_024, 4_096]) {
      const { capacity, warning } = fitCapacity(10_000, limit);
      expect(capacity.concurrentRequests).toBeGreaterThan(0);
      expect(capacity.concurrentRequests + capacity.upstreamConnections).toBeLessThan(limit);
      expect(warning).toContain('GLOBAL_CONCURRENT_LIMIT');
    }
  });
});
