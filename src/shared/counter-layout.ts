import {
  DEDUP_ROLES,
  LATENCY_BOUNDS_S,
  REJECTED_REASONS,
  STAGE_BOUNDS_S,
  STAGE_LABELS,
  STATUSES,
  TOKEN_KINDS,
  UNCLAIMED_REASONS,
} from './labels.ts';

/** Rows of (provider, model); the last one takes what finds no room. */
export const MAX_ROWS = 256;
export const LABEL_BYTES = 160;

/** A histogram's words: a bucket more than it has bounds, then sum and count. */
export const histogramWords = (bounds: readonly number[]): number => bounds.length + 3;

/** Gives each part of a region its offset, in the order they are named. */
function layOut<Name extends string>(
  parts: readonly (readonly [Name, number])[],
): Record<Name | 'words', number> {
  const offsets: Partial<Record<Name | 'words', number>> = {};
  let at = 0;
  for (const [name, words] of parts) {
    offsets[name] = at;
    at += words;
  }
  offsets.words = at;
  return offsets as Record<Name | 'words', number>;
}

/** Counters that have no (provider, model). */
export const FIXED = layOut([
  ['dedup', DEDUP_ROLES.length],
  ['unclaimed', UNCLAIMED_REASONS.length],
  ['rejected', REJECTED_REASONS.length],
  ['dedupSavings', 1],
  ['lag', 1],
  ['heap', 1],
  ['stages', STAGE_LABELS.length * histogramWords(STAGE_BOUNDS_S)],
]);

/** Counters of one (provider, model). */
export const ROW = layOut([
  ['requests', STATUSES.length * 2],
  ['tokens', TOKEN_KINDS.length],
  ['cost', 1],
  ['savings', 1],
  ['duration', histogramWords(LATENCY_BOUNDS_S)],
  ['overhead', histogramWords(LATENCY_BOUNDS_S)],
  ['firstToken', histogramWords(LATENCY_BOUNDS_S)],
]);

/** Float64 words of one worker's region. */
export const METRIC_WORDS = FIXED.words + MAX_ROWS * ROW.words;

const decoder = new TextDecoder();

/** The label text of a row (`provider\0model`), null when the row is not in use. */
export function readLabel(labels: Uint8Array, row: number): string | null {
  const at = row * LABEL_BYTES;
  const length = Atomics.load(labels, at);
  return length === 0 ? null : decoder.decode(labels.slice(at + 1, at + 1 + length));
}
