import type { Usage } from '../billing/usage.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { ErrorCode } from '../errors/catalogue.ts';
import type { Prepared } from '../pipeline/prepared.ts';
import type { Target } from '../routing/target.ts';
import type { WorkerMetrics } from '../shared/counters.ts';
import type { DedupRole, RejectedReason, TokenKind } from '../shared/labels.ts';
import { DEDUP_ROLES, REJECTED_REASONS, TOKEN_KINDS } from '../shared/labels.ts';

/** How a call ended, for accounts and metrics. */
export interface VendorOutcome {
  /** As the client that began it sees it. */
  readonly status: number;
  readonly usage: Usage | null;
  readonly costNanoUsd: number | null;
  readonly savingsNanoUsd: number;
}

const kind = (name: TokenKind): number => TOKEN_KINDS.indexOf(name);
const INPUT = kind('input');
const CACHE_READ = kind('cache_read');
const CACHE_WRITE_5M = kind('cache_write_5m');
const CACHE_WRITE_1H = kind('cache_write_1h');
const CACHE_WRITE_30M = kind('cache_write_30m');
const OUTPUT = kind('output');
const REASONING = kind('reasoning');

/** Codes that have a reason of their own; what else a client got wrong is `invalid`. */
const REASONS: Partial<Record<ErrorCode, RejectedReason>> = {
  invalid_api_key: 'auth',
  admin_token_invalid: 'auth',
  model_not_allowed: 'auth',
  passthrough_not_allowed: 'auth',
  insufficient_quota: 'quota',
  rate_limit_exceeded: 'rate',
  too_many_requests_in_flight: 'concurrency',
  follower_too_slow: 'concurrency',
  body_too_large: 'body_too_large',
  body_timeout: 'body_timeout',
  bodies_over_budget: 'body_budget',
  model_not_found: 'not_found',
  not_found: 'not_found',
  shutting_down: 'shutting_down',
  internal_error: 'internal',
  storage_unavailable: 'internal',
};

/** Turns what happened to requests into shared counters; the only place that knows both. */
export class Recorder {
  readonly #metrics: WorkerMetrics;
  readonly #known: (provider: string, model: string) => boolean;

  /** @param known models that configuration or the price table names; others count as `other`, which bounds the labels. */
  constructor(metrics: WorkerMetrics, known: (provider: string, model: string) => boolean) {
    this.#metrics = metrics;
    this.#known = known;
  }

  #row(provider: string, model: string): number {
    return this.#metrics.row(provider, this.#known(provider, model) ? model : 'other');
  }

  /** A request that reached the pipeline's end, answered. `ttftMs` -1: not streamed. */
  request(prepared: Prepared, status: number, durationMs: number, overheadMs: number, ttftMs: number): void {
    const { provider, upstreamModel } = prepared.route;
    const row = this.#row(provider.id, upstreamModel);
    this.#metrics.status(row, status, prepared.stream);
    this.#metrics.times(row, durationMs, overheadMs, ttftMs);
  }

  /** A call that has ended: counted where it went, which need not be where its clients' requests were meant for. */
  vendor({ provider }: Target, model: string, outcome: VendorOutcome): void {
    const { usage } = outcome;
    if (usage === null) return;
    const metrics = this.#metrics;
    const row = this.#row(provider.id, model);
    if (outcome.costNanoUsd !== null) metrics.cost(row, outcome.costNanoUsd);
    metrics.cacheSavings(row, outcome.savingsNanoUsd);
    // Token counts are the vendors' own: an estimate is money to be safe, not a figure to show.
    if (usage.estimated) return;
    metrics.tokens(row, INPUT, usage.uncachedInput);
    metrics.tokens(row, CACHE_READ, usage.cacheRead);
    metrics.tokens(row, CACHE_WRITE_5M, usage.cacheWrite5m);
    metrics.tokens(row, CACHE_WRITE_1H, usage.cacheWrite1h);
    metrics.tokens(row, CACHE_WRITE_30M, usage.cacheWrite30m);
    metrics.tokens(row, OUTPUT, usage.output);
    metrics.tokens(row, REASONING, usage.reasoning);
  }

  dedupRole(role: DedupRole): void {
    this.#metrics.dedup(DEDUP_ROLES.indexOf(role));
  }

  dedupSavings(nanoUsd: number): void {
    this.#metrics.dedupSavings(nanoUsd);
  }

  /** A request that never got to a provider: counted as answered too, under no provider. */
  refused(error: GatewayError): void {
    this.rejected(error);
    this.#metrics.status(this.#metrics.row('none', 'other'), error.spec.status, false);
  }

  /** A request the gateway itself turned away. */
  rejected(error: GatewayError): void {
    if (error.spec.source === 'upstream' || error.code === 'client_closed_request') return;
    this.#metrics.rejected(REJECTED_REASONS.indexOf(REASONS[error.code] ?? 'invalid'));
  }
}
