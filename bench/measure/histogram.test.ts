import { expect, test } from 'bun:test';
import { createHistogram, encodeHistogram, mergeEncoded, recordUs, summarize } from './histogram.ts';

function histogramOf(values: readonly number[]): string {
  const histogram = createHistogram();
  for (const value of values) recordUs(histogram, value);
  return encodeHistogram(histogram);
}

test('merging adds counts up instead of averaging percentiles', () => {
  // 99 fast in one, 1 slow in the other: the mean of the two P50s would be near 50,000.
  const fast = histogramOf(Array.from({ length: 99 }, () => 100));
  const slow = histogramOf([100_000]);
  const merged = mergeEncoded([fast, slow]);
  expect(merged.totalCount).toBe(100);
  const summary = summarize(merged);
  expect(summary.p50Ms).toBeCloseTo(0.1, 3);
  expect(summary.p99Ms).toBeCloseTo(0.1, 3);
  expect(summary.p999Ms).toBeGreaterThan(99);
  expect(summary.p999Ms).toBeLessThan(101);
});

test('merging equals recording all in one', () => {
  const values = Array.from({ length: 5000 }, (_, index) => (index * 7919) % 1_000_003);
  const whole = summarize(mergeEncoded([histogramOf(values)]));
  const parts = summarize(
    mergeEncoded([0, 1, 2].map((part) => histogramOf(values.filter((_, index) => index % 3 === part)))),
  );
  expect(parts).toEqual(whole);
});

test('values outside the range are kept at its ends', () => {
  const summary = summarize(mergeEncoded([histogramOf([-50, 1e12])]));
  expect(summary.count).toBe(2);
  expect(summary.p50Ms).toBe(0);
  expect(summary.maxMs).toBeGreaterThan(119_000);
});

test('where nothing was recorded there are no figures, which is not the same as fast', () => {
  expect(summarize(createHistogram())).toEqual({
    count: 0,
    meanMs: Number.NaN,
    p50Ms: Number.NaN,
    p90Ms: Number.NaN,
    p99Ms: Number.NaN,
    p999Ms: Number.NaN,
    maxMs: Number.NaN,
  });
});
