/**
 * Closed label sets and histogram bounds: they shape the counters' region of shared memory.
 *
 * What is not listed counts as the last entry of its set, so that no label grows without bound.
 */
export const STATUSES = [
  200, 400, 401, 402, 403, 404, 405, 408, 413, 415, 422, 429, 499, 500, 502, 503, 504, 508, 0,
] as const;

export const TOKEN_KINDS = [
  'input',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'cache_write_30m',
  'output',
  'reasoning',
] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

export const DEDUP_ROLES = ['leader', 'follower', 'off'] as const;
export type DedupRole = (typeof DEDUP_ROLES)[number];

/** Why a call that could have been shared was not claimed (src/dedup/). */
export const UNCLAIMED_REASONS = [
  'collision',
  'bucket_full',
  'contended',
  'no_peer',
  'attempts',
  'timeout',
] as const;
export type UnclaimedReason = (typeof UNCLAIMED_REASONS)[number];

export const REJECTED_REASONS = [
  'auth',
  'quota',
  'rate',
  'concurrency',
  'body_too_large',
  'body_timeout',
  'body_budget',
  'not_found',
  'shutting_down',
  'internal',
  'invalid',
] as const;
export type RejectedReason = (typeof REJECTED_REASONS)[number];

/** `in_flight{kind}`; the index is the word in {@link SharedMemory.inFlight}. */
export const REQUEST_KINDS = ['non_stream', 'stream'] as const;

export const CONNECTION_STATES = ['idle', 'active', 'waiting'] as const;

/** Stages in the order of the pipeline (src/pipeline/order.ts). */
export const STAGE_LABELS = [
  'inbound_adapter',
  'chunker',
  'arranger',
  'canonicalizer',
  'cache_injector',
  'hasher',
  'outbound_adapter',
] as const;

/** Upper bounds of the latency histograms, in seconds. */
export const LATENCY_BOUNDS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/** Upper bounds of the stage histograms, in seconds: a stage takes microseconds. */
export const STAGE_BOUNDS_S = [
  0.000001, 0.0000025, 0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
  0.01, 0.025,
] as const;
