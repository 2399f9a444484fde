import type { TLSOptions } from 'bun';
import { isIP } from 'node:net';
import type { Origin } from '../providers/types.ts';
import { Connection, type ConnectionOwner, type Endpoint } from './connection.ts';
import { PHASE, type Deadlines } from './deadlines.ts';
import type { HttpExchange, ExchangeOwner } from './http-exchange.ts';
import { LinkedList } from './linked-list.ts';
import type { OriginStats } from './call.ts';

export interface PoolLimits {
  /** Idle connections of all origins together. */
  readonly maxIdle: number;
  readonly maxIdlePerHost: number;
  /** 0: unbounded. */
  readonly maxPerHost: number;
  readonly idleTimeoutMs: number;
}

/** What the pools of a client have in common. */
export interface PoolContext {
  readonly limits: PoolLimits;
  readonly maxHeadBytes: number;
  readonly ca: string | undefined;
  readonly deadlines: Deadlines<HttpExchange>;
  now(): number;
  onDefect(error: unknown): void;
  /** Idle connections of all pools. */
  idle: number;
  /** Closes the connection that has been idle longest. */
  closeOldestIdle(): void;
  closed: boolean;
}

const MAX_WAITING = 20_000;
/** Attempts to connect that were given up and still hang in the system, each a descriptor; a host with more is down. */
const MAX_ABANDONED_ATTEMPTS = 256;

/**
 * The connections of one origin, and the calls that wait for one.
 *
 * Idle connections are reused last in, first out, so that those a burst has left over grow old and go. A call waits
 * only while nothing is idle and no connection may be opened; it leaves the queue when it ends, so whoever stands
 * there is alive.
 */
export class Pool implements ConnectionOwner, ExchangeOwner {
  readonly #origin: Origin;
  readonly #context: PoolContext;
  readonly #endpoint: Endpoint;
  readonly #idle = new LinkedList<Connection>();
  readonly #waiting = new LinkedList<HttpExchange>();
  /** Connections of all states, those being opened included. */
  #open = 0;
  #abandoned = 0;
  #opened = 0;
  #reused = 0;
  #retried = 0;

  constructor(origin: Origin, context: PoolContext) {
    this.#origin = origin;
    this.#context = context;
    this.#endpoint = {
      host: origin.host,
      port: origin.port,
      tls: origin.tls ? tlsOptions(origin.host, context.ca) : null,
    };
  }

  /** Idle since when the oldest has been; infinity when none is. */
  get oldestIdleSinceMs(): number {
    return this.#idle.first?.idleSinceMs ?? Number.POSITIVE_INFINITY;
  }

  get stats(): OriginStats {
    return {
      origin: this.#origin.key,
      idle: this.#idle.size,
      active: this.#open - this.#idle.size,
      waiting: this.#waiting.size,
      opened: this.#opened,
      reused: this.#reused,
      retried: this.#retried,
    };
  }

  now(): number {
    return this.#context.now();
  }

  onDefect(error: unknown): void {
    this.#context.onDefect(error);
  }

  /** Takes a new call. */
  start(exchange: HttpExchange): void {
    this.#context.deadlines.add(exchange);
    if (this.#context.closed) {
      exchange.expire('closed', 'the upstream client is closed');
      return;
    }
    const idle = this.#idle.last;
    if (idle !== null) {
      this.#takeIdle(idle);
      this.#reuse(idle, exchange);
    } else if (this.#hasPlace()) {
      this.#connect(exchange);
    } else if (this.#waiting.size < MAX_WAITING) {
      exchange.phase = PHASE.Queued;
      this.#waiting.push(exchange);
    } else {
      exchange.expire('pool_full', 'too many calls wait for a connection');
    }
  }

  settled(exchange: HttpExchange): void {
    this.#context.deadlines.remove(exchange);
    if (this.#waiting.has(exchange)) this.#waiting.remove(exchange);
  }

  released(connection: Connection): void {
    const { limits, closed } = this.#context;
    const waiting = this.#waiting.first;
    if (waiting !== null) {
      this.#waiting.remove(waiting);
      this.#reuse(connection, waiting);
      return;
    }
    if (closed || this.#idle.size >= limits.maxIdlePerHost || limits.maxIdle === 0) {
      connection.kill();
      return;
    }
    if (this.#context.idle >= limits.maxIdle) this.#context.closeOldestIdle();
    connection.idleSinceMs = this.now();
    this.#idle.push(connection);
    this.#context.idle++;
  }

  closed(connection: Connection): void {
    this.#remove(connection);
    let waiting = this.#waiting.first;
    while (waiting !== null && this.#hasPlace() && !this.#context.closed) {
      this.#waiting.remove(waiting);
      this.#connect(waiting);
      waiting = this.#waiting.first;
    }
  }

  stale(connection: Connection, exchange: HttpExchange): void {
    this.#remove(connection);
    this.#retried++;
    this.#connect(exchange);
  }

  attemptAbandoned(): void {
    this.#abandoned++;
  }

  attemptEnded(): void {
    this.#abandoned--;
  }

  closeOldestIdle(): void {
    this.#idle.first?.kill();
  }

  /** Closes what has been idle too long: the oldest come first, so no others are looked at. */
  sweep(nowMs: number): void {
    const { idleTimeoutMs } = this.#context.limits;
    while (nowMs - this.oldestIdleSinceMs > idleTimeoutMs) this.closeOldestIdle();
  }

  closeIdle(): void {
    while (this.#idle.first !== null) this.closeOldestIdle();
  }

  #hasPlace(): boolean {
    const { maxPerHost } = this.#context.limits;
    return maxPerHost === 0 || this.#open < maxPerHost;
  }

  #takeIdle(connection: Connection): void {
    this.#idle.remove(connection);
    this.#context.idle--;
  }

  #remove(connection: Connection): void {
    this.#open--;
    if (this.#idle.has(connection)) this.#takeIdle(connection);
  }

  #reuse(connection: Connection, exchange: HttpExchange): void {
    this.#reused++;
    connection.begin(exchange);
  }

  #connect(exchange: HttpExchange): void {
    if (this.#abandoned >= MAX_ABANDONED_ATTEMPTS) {
      exchange.expire('connect', 'too many earlier attempts to connect are still unanswered');
      return;
    }
    this.#open++;
    this.#opened++;
    new Connection(this.#endpoint, this.#context.maxHeadBytes, this).connect(exchange);
  }
}

/**
 * Bun checks the chain and that the certificate is for the host: a name against `serverName`, an address, which has no
 * name to send, against the certificate's addresses. The environment (NODE_TLS_REJECT_UNAUTHORIZED) must not switch it
 * off. Without any option the object would be empty, which Bun 1.4.5 takes for a connection without TLS.
 */
function tlsOptions(host: string, ca: string | undefined): TLSOptions {
  return {
    rejectUnauthorized: true,
    ...(isIP(host) === 0 ? { serverName: host } : {}),
    ...(ca === undefined ? {} : { ca }),
  };
}
