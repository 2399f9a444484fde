import type { PriceTable } from '../billing/prices.ts';
import type { QuotaHolds } from '../limits/quota.ts';
import type { DedupTable } from '../dedup/dedup-table.ts';
import type { ReplayBudget } from '../dedup/replay-budget.ts';
import type { Dialect } from '../dialects/types.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { TransportChooser } from '../upstream/transport.ts';
import type { KeyCache } from '../keys/key-cache.ts';
import type { ProviderLimit, RateLimiter } from '../limits/limits.ts';
import type { Recorder } from './recorder.ts';
import type { RequestHeads } from './request-heads.ts';
import type { RunningCalls } from './running-calls.ts';

/** What a call and its clients need, wired once per thread. */
export interface CallDeps {
  /** What clients of this route speak. */
  readonly dialect: Dialect;
  readonly keys: KeyCache;
  /** null when DEDUP_ENABLED is off. */
  readonly dedup: DedupTable | null;
  readonly budget: ReplayBudget;
  readonly quota: QuotaHolds;
  /** null when RATE_LIMIT_ENABLED is off. */
  readonly rates: RateLimiter | null;
  /** null when PROVIDER_CONCURRENT_LIMIT is unset. */
  readonly providerLimit: ProviderLimit | null;
  readonly prices: PriceTable;
  readonly transports: TransportChooser;
  readonly heads: RequestHeads;
  readonly recorder: Recorder;
  readonly calls: RunningCalls;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly wallClockMs: () => number;
  /** A defect of the gateway itself: the client learns nothing of it, the operator all. */
  readonly onDefect: (error: GatewayError, requestId: string) => void;
}
