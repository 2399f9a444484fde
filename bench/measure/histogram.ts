import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram as HdrHistogram,
} from 'hdr-histogram-js';

const LONGEST_US = 120_000_000;

/** Microseconds, three significant digits, up to two minutes. */
export function createHistogram(): HdrHistogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_US,
    numberOfSignificantValueDigits: 3,
    autoResize: false,
    useWebAssembly: false,
  });
}

/** Records a duration; what is below zero counts as zero and what is beyond the range as its end. */
export function recordUs(histogram: HdrHistogram, us: number): void {
  histogram.recordValue(us <= 0 ? 0 : us >= LONGEST_US ? LONGEST_US : Math.round(us));
}

/** A histogram as it crosses a process boundary. */
export function encodeHistogram(histogram: HdrHistogram): string {
  return encodeIntoCompressedBase64(histogram);
}

/** Adds histograms up: percentiles are taken from merged counts, never averaged. */
export function mergeEncoded(encoded: readonly string[]): HdrHistogram {
  const merged = createHistogram();
  for (const one of encoded) merged.add(decodeFromCompressedBase64(one));
  return merged;
}

/** The figures a report needs, in milliseconds; `NaN` where `count` is 0. */
export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Percentiles of one histogram. */
export function summarize(histogram: HdrHistogram): LatencySummary {
  const ms = (us: number): number => Math.round(us) / 1000;
  const at = (percentile: number): number =>
    histogram.totalCount === 0 ? Number.NaN : ms(histogram.getValueAtPercentile(percentile));
  return {
    count: histogram.totalCount,
    meanMs: histogram.totalCount === 0 ? Number.NaN : ms(histogram.mean),
    p50Ms: at(50),
    p90Ms: at(90),
    p99Ms: at(99),
    p999Ms: at(99.9),
    maxMs: histogram.totalCount === 0 ? Number.NaN : ms(histogram.maxValue),
  };
}
