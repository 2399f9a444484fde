import type { Origin } from '../providers/types.ts';
import { Deadlines } from './deadlines.ts';
import { HttpExchange } from './http-exchange.ts';
import { Pool, type PoolContext, type PoolLimits } from './pool.ts';
import type {
  OriginStats,
  UpstreamCall,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamTimeouts,
  UpstreamTransport,
} from './call.ts';

export interface UpstreamOptions {
  readonly limits: PoolLimits;
  readonly timeouts: UpstreamTimeouts;
  readonly maxHeadBytes: number;
  /** Monotonic. */
  readonly now: () => number;
  /** Certificate authority (PEM) to trust instead of the public ones: tests, private vendors. */
  readonly ca?: string | undefined;
  /** An exception out of a call's handler; the call has been ended for it. */
  readonly onDefect?: ((error: unknown) => void) | undefined;
}

const SWEEP_MS = 100;

/**
 * Pooled keep-alive HTTP/1.1 over raw sockets; one per proxy thread.
 *
 * ```
 *   UpstreamClient ──▶ Pool (per origin) ──▶ Connection ──▶ ResponseParser
 *         │              │ idle, waiting         │ socket        │ events
 *         └─ Deadlines   └───────▶ HttpExchange ◀────┴───────────────┘──▶ UpstreamHandler
 * ```
 * A call on a reused connection that closes before a byte came back is sent once more on a new one: the vendor had
 * closed it while it was idle. Nothing else is ever sent twice.
 */
export class UpstreamClient implements UpstreamTransport {
  readonly #context: PoolContext;
  readonly #pools = new Map<string, Pool>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: UpstreamOptions) {
    this.#context = {
      limits: options.limits,
      maxHeadBytes: options.maxHeadBytes,
      ca: options.ca,
      deadlines: new Deadlines(options.timeouts),
      now: options.now,
      onDefect: options.onDefect ?? (() => {}),
      idle: 0,
      closeOldestIdle: () => this.#closeOldestIdle(),
      closed: false,
    };
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS);
  }

  call(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const pool = this.#pools.get(request.origin.key) ?? this.#newPool(request.origin);
    const exchange = new HttpExchange(request, handler, pool);
    pool.start(exchange);
    return exchange;
  }

  stats(): OriginStats[] {
    return Array.from(this.#pools.values(), (pool) => pool.stats);
  }

  close(): void {
    this.#context.closed = true;
    clearInterval(this.#timer);
    this.#context.deadlines.endAll('closed', 'the upstream client is closed');
    for (const pool of this.#pools.values()) pool.closeIdle();
  }

  /** Ends what is past its deadline. Called by the interval; tests call it with a clock of their own. */
  sweep(): void {
    const nowMs = this.#context.now();
    this.#context.deadlines.sweep(nowMs);
    for (const pool of this.#pools.values()) pool.sweep(nowMs);
  }

  #newPool(origin: Origin): Pool {
    const pool = new Pool(origin, this.#context);
    this.#pools.set(origin.key, pool);
    return pool;
  }

  #closeOldestIdle(): void {
    let oldest: Pool | null = null;
    for (const pool of this.#pools.values()) {
      if (oldest === null || pool.oldestIdleSinceMs < oldest.oldestIdleSinceMs) oldest = pool;
    }
    oldest?.closeOldestIdle();
  }
}
