import type { Origin } from '../providers/types.ts';
import type {
  OriginStats,
  UpstreamCall,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamTimeouts,
  UpstreamTransport,
} from './call.ts';
import { Deadlines, PHASE, type DeadlinePhase, type Timed } from './deadlines.ts';
import type { UpstreamFailure } from './failure.ts';
import { HeaderFields } from '../http1/fields.ts';
import type { PoolLimits } from './pool.ts';
import { parseRequestHead } from './request-head.ts';

/** Takes a finite number. */
const LONGEST_IDLE_S = 86_400;

export interface FetchTransportOptions {
  /** Forward proxy for every origin; null: none (tests). */
  readonly proxyUrl: string | null;
  readonly timeouts: UpstreamTimeouts;
  readonly limits: Pick<PoolLimits, 'maxIdle' | 'idleTimeoutMs'>;
  /** Monotonic. */
  readonly now: () => number;
  /** Certificate authority (PEM) to trust instead of the public ones. */
  readonly ca?: string | undefined;
  /** An exception out of a call's handler; the call has been ended for it. */
  readonly onDefect?: ((error: unknown) => void) | undefined;
}

const SWEEP_MS = 100;
/** Fields that speak of the connection or of framing, which are `fetch`'s own. */
const HOP_BY_HOP = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Calls by `fetch`: only for origins that lie behind a forward proxy (CONNECT for https, absolute form for http), because
 * it costs three times the CPU of the socket client and shares a cap of 256 requests in flight per process, which
 * BUN_CONFIG_MAX_HTTP_REQUESTS raises.
 *
 * Where it differs from the socket client:
 * - Connections are neither bounded nor counted, and no call waits for one here.
 * - Connecting has no deadline of its own; it counts as waiting for the first byte.
 * - A call whose kept-alive connection had just been closed fails: `fetch` does not tell a reused connection from a new one,
 *   on which nothing may be sent twice, and does not send a POST again by itself.
 * - Bun 1.4.5 reads on from a CONNECT tunnel when nobody takes the body: a paused https answer gathers in memory.
 */
export class FetchTransport implements UpstreamTransport {
  readonly #options: FetchTransportOptions;
  readonly #session: Bun.FetchSession;
  readonly #deadlines: Deadlines<FetchCall>;
  readonly #active = new Map<string, number>();
  readonly #timer: ReturnType<typeof setInterval>;
  #closed = false;

  constructor(options: FetchTransportOptions) {
    const { proxyUrl, ca, limits, timeouts } = options;
    this.#options = options;
    this.#deadlines = new Deadlines(timeouts);
    this.#session = new Bun.FetchSession({
      // Who has a proxy is decided by the rules of the gateway, not again by the environment.
      proxy: proxyUrl === null ? false : { url: proxyUrl, respectNoProxy: false },
      tls: { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) },
      keepAlive: limits.maxIdle > 0 && {
        idleTimeout: Math.min(LONGEST_IDLE_S, Math.max(1, Math.ceil(limits.idleTimeoutMs / 1_000))),
        maxIdleSockets: limits.maxIdle,
      },
    });
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS);
  }

  call(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const call = new FetchCall(request.origin, handler, this.#options, () => this.#settled(call));
    this.#deadlines.add(call);
    this.#count(request.origin.key, 1);
    if (this.#closed) call.expire('closed', 'the upstream client is closed');
    else void call.run(this.#session, request);
    return call;
  }

  stats(): OriginStats[] {
    return Array.from(this.#active, ([origin, active]) => ({
      origin,
      idle: 0,
      active,
      waiting: 0,
      opened: 0,
      reused: 0,
      retried: 0,
    }));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#deadlines.endAll('closed', 'the upstream client is closed');
    this.#session.close();
  }

  /** Ends what is past its deadline. Called by the interval; tests call it with a clock of their own. */
  sweep(): void {
    this.#deadlines.sweep(this.#options.now());
  }

  #settled(call: FetchCall): void {
    this.#deadlines.remove(call);
    this.#count(call.origin.key, -1);
  }

  #count(key: string, delta: number): void {
    this.#active.set(key, (this.#active.get(key) ?? 0) + delta);
  }
}

class FetchCall implements UpstreamCall, Timed {
  readonly origin: Origin;
  readonly startedAtMs: number;
  readonly #handler: UpstreamHandler;
  readonly #options: FetchTransportOptions;
  readonly #settled: () => void;
  readonly #controller = new AbortController();
  #wake: (() => void) | null = null;
  #over = false;
  phase: DeadlinePhase = PHASE.Sent;
  /** `fetch` does not tell. */
  readonly sent = true;
  sinceMs: number;
  paused = false;
  slot = -1;

  constructor(origin: Origin, handler: UpstreamHandler, options: FetchTransportOptions, settled: () => void) {
    this.origin = origin;
    this.#handler = handler;
    this.#options = options;
    this.#settled = settled;
    this.startedAtMs = options.now();
    this.sinceMs = this.startedAtMs;
  }

  abort(): void {
    if (this.#over) return;
    this.#settle();
    this.#controller.abort();
  }

  /** It is in the hands of `fetch`, which does not tell how far it is: it counts as gone out. */
  recall(): null {
    return null;
  }

  pause(): void {
    if (!this.#over) this.paused = true;
  }

  resume(): void {
    if (!this.paused || this.#over) return;
    this.paused = false;
    this.sinceMs = this.#options.now();
    this.#wakeUp();
  }

  expire(kind: UpstreamFailure['kind'], message: string): void {
    if (this.#over) return;
    this.abort();
    this.#tell({ kind, message });
  }

  async run(session: Bun.FetchSession, request: UpstreamRequest): Promise<void> {
    let response: Response;
    try {
      response = await session.fetch(...this.#fetchArguments(request));
    } catch (error) {
      const { kind, message } = failureOf(error, false);
      this.expire(kind, message);
      return;
    }
    if (this.#over) return;
    this.phase = PHASE.Answering;
    this.sinceMs = this.#options.now();
    try {
      this.#handler.onHead(response.status, HeaderFields.of(response.headers));
    } catch (error) {
      this.#defect(error);
      return;
    }
    if (response.body !== null) await this.#relay(response.body.getReader());
    if (this.#over) return;
    this.#settle();
    try {
      this.#handler.onEnd();
    } catch (error) {
      this.#options.onDefect?.(error);
      this.#tell(UNPROCESSED);
    }
  }

  /** Reads on only when the last piece has been taken: what is not read, `fetch` leaves in the socket. */
  async #relay(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    while (!this.#over) {
      let piece: Awaited<ReturnType<typeof reader.read>>;
      try {
        piece = await reader.read();
      } catch (error) {
        const { kind, message } = failureOf(error, true);
        this.expire(kind, message);
        return;
      }
      while (this.paused && !this.#over) await this.#resumed();
      if (this.#over || piece.done) return;
      this.sinceMs = this.#options.now();
      try {
        if (piece.value.length > 0) this.#handler.onBody(piece.value, 0, piece.value.length);
      } catch (error) {
        this.#defect(error);
        return;
      }
      while (this.paused && !this.#over) await this.#resumed();
    }
  }

  #fetchArguments({ head, body }: UpstreamRequest): [string, BunFetchRequestInit] {
    const { method, target, fields } = parseRequestHead(head);
    const { tls, host, port } = this.origin;
    const name = host.includes(':') ? `[${host}]` : host;
    return [
      `${tls ? 'https' : 'http'}://${name}:${port}${target}`,
      {
        method,
        headers: fields.filter(([field]) => !HOP_BY_HOP.has(field.toLowerCase())),
        ...(method === 'GET' || method === 'HEAD' ? {} : { body: Buffer.concat(body) }),
        signal: this.#controller.signal,
        // The answer's bytes and status are the vendor's own, as by the socket client.
        decompress: false,
        redirect: 'manual',
      },
    ];
  }

  #resumed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  #defect(error: unknown): void {
    this.#options.onDefect?.(error);
    this.expire(UNPROCESSED.kind, UNPROCESSED.message);
  }

  #settle(): void {
    this.#over = true;
    this.#settled();
    this.#wakeUp();
  }

  #tell(failure: UpstreamFailure): void {
    try {
      this.#handler.onError(failure);
    } catch (error) {
      this.#options.onDefect?.(error);
    }
  }
}

const UNPROCESSED: UpstreamFailure = { kind: 'protocol', message: 'the answer could not be processed' };

/** OpenSSL's verification errors, Node's own, and a handshake that broke. */
const TLS_CODE =
  /^(?:ERR_TLS|ERR_SSL|EPROTO|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|ERROR_IN_CERT)/;
/** Bun's own errors of reading a response are names in Pascal case: `InvalidHTTPResponse`, `InvalidContentLength`. */
const PROTOCOL_CODE = /^[A-Z][a-z]/;

/** By its code alone: the message of a failed `fetch` quotes the URL. */
function failureOf(error: unknown, answering: boolean): UpstreamFailure {
  const { code, status } = (error ?? {}) as { code?: unknown; status?: unknown };
  const name = typeof code === 'string' ? code : 'no code';
  if (name === 'ERR_PROXY_TUNNEL')
    return { kind: 'connect', message: `the proxy opened no tunnel (status ${String(status)})` };
  if (TLS_CODE.test(name)) return { kind: 'tls', message: `the TLS handshake failed (${name})` };
  if (PROTOCOL_CODE.test(name))
    return { kind: 'protocol', message: `the answer could not be read (${name})` };
  if (answering || name === 'ECONNRESET' || name === 'EPIPE')
    return { kind: 'closed', message: `the connection closed before the answer was complete (${name})` };
  return { kind: 'connect', message: `the connection could not be opened (${name})` };
}
