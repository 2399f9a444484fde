import {
  FIXED,
  histogramWords,
  LABEL_BYTES,
  MAX_ROWS,
  METRIC_WORDS,
  readLabel,
  ROW,
} from './counter-layout.ts';
import { LATENCY_BOUNDS_S, STAGE_BOUNDS_S, STAGE_LABELS, STATUSES, TOKEN_KINDS } from './labels.ts';
import type { SharedMemory } from './memory-map.ts';

export interface HistogramSum {
  /** Not cumulative; one more than the bounds. */
  readonly buckets: number[];
  sum: number;
  count: number;
}

export interface RowSum {
  readonly provider: string;
  readonly model: string;
  /** [status][streamed] */
  readonly requests: number[];
  readonly tokens: number[];
  costNanoUsd: number;
  savingsNanoUsd: number;
  readonly duration: HistogramSum;
  readonly overhead: HistogramSum;
  readonly firstToken: HistogramSum;
}

/** All counters of all proxy threads. */
export interface MetricsSum {
  readonly rows: readonly RowSum[];
  readonly dedup: readonly number[];
  readonly unclaimed: readonly number[];
  readonly rejected: readonly number[];
  readonly stages: readonly HistogramSum[];
  readonly dedupSavingsNanoUsd: number;
  readonly lagSeconds: readonly number[];
  readonly heapBytes: readonly number[];
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0);
const emptyHistogram = (bounds: readonly number[]): HistogramSum => ({
  buckets: zeros(bounds.length + 1),
  sum: 0,
  count: 0,
});

/** Reads every worker's region and sums by label. */
export function sumMetrics(memory: SharedMemory): MetricsSum {
  const rows = new Map<string, RowSum>();
  const fixed = zeros(FIXED.words);
  const lagSeconds: number[] = [];
  const heapBytes: number[] = [];
  for (let worker = 0; worker < memory.workers; worker++) {
    const words = memory.metrics.subarray(worker * METRIC_WORDS, (worker + 1) * METRIC_WORDS);
    const labels = memory.labels.subarray(
      worker * MAX_ROWS * LABEL_BYTES,
      (worker + 1) * MAX_ROWS * LABEL_BYTES,
    );
    for (let index = 0; index < FIXED.words; index++) fixed[index]! += words[index]!;
    lagSeconds.push(words[FIXED.lag]!);
    heapBytes.push(words[FIXED.heap]!);
    for (let row = 0; row < MAX_ROWS; row++) {
      const label = readLabel(labels, row);
      if (label !== null) addRow(rows, label, words, FIXED.words + row * ROW.words);
    }
  }
  return {
    rows: [...rows.values()],
    dedup: fixed.slice(FIXED.dedup, FIXED.unclaimed),
    unclaimed: fixed.slice(FIXED.unclaimed, FIXED.rejected),
    rejected: fixed.slice(FIXED.rejected, FIXED.dedupSavings),
    stages: STAGE_LABELS.map((_, stage) => {
      const sum = emptyHistogram(STAGE_BOUNDS_S);
      addHistogram(sum, fixed, FIXED.stages + stage * histogramWords(STAGE_BOUNDS_S));
      return sum;
    }),
    dedupSavingsNanoUsd: fixed[FIXED.dedupSavings]!,
    lagSeconds,
    heapBytes,
  };
}

function addRow(rows: Map<string, RowSum>, label: string, words: Float64Array, base: number): void {
  let sum = rows.get(label);
  if (sum === undefined) {
    const [provider = '', model = ''] = label.split('\0');
    sum = {
      provider,
      model,
      requests: zeros(STATUSES.length * 2),
      tokens: zeros(TOKEN_KINDS.length),
      costNanoUsd: 0,
      savingsNanoUsd: 0,
      duration: emptyHistogram(LATENCY_BOUNDS_S),
      overhead: emptyHistogram(LATENCY_BOUNDS_S),
      firstToken: emptyHistogram(LATENCY_BOUNDS_S),
    };
    rows.set(label, sum);
  }
  for (let index = 0; index < sum.requests.length; index++)
    sum.requests[index]! += words[base + ROW.requests + index]!;
  for (let index = 0; index < sum.tokens.length; index++)
    sum.tokens[index]! += words[base + ROW.tokens + index]!;
  sum.costNanoUsd += words[base + ROW.cost]!;
  sum.savingsNanoUsd += words[base + ROW.savings]!;
  addHistogram(sum.duration, words, base + ROW.duration);
  addHistogram(sum.overhead, words, base + ROW.overhead);
  addHistogram(sum.firstToken, words, base + ROW.firstToken);
}

function addHistogram(sum: HistogramSum, words: ArrayLike<number>, base: number): void {
  const { buckets } = sum;
  for (let bucket = 0; bucket < buckets.length; bucket++) buckets[bucket]! += words[base + bucket]!;
  sum.sum += words[base + buckets.length]!;
  sum.count += words[base + buckets.length + 1]!;
}
