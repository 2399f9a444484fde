import type { Socket, SocketHandler, TLSOptions } from 'bun';
import { PHASE } from './deadlines.ts';
import type { ExchangeCarrier, HttpExchange } from './http-exchange.ts';
import type { UpstreamFailure } from './failure.ts';
import { ResponseParser } from '../http1/response-parser.ts';
import type { Linked } from './linked-list.ts';

/** What becomes of connections. It is told before any handler hears of it, so that its books are right by then. */
export interface ConnectionOwner {
  now(): number;
  /** The response ended and the connection can carry another call: the owner begins one, keeps it idle or kills it. */
  released(connection: Connection): void;
  /** It holds no place any more. */
  closed(connection: Connection): void;
  /** As `closed`; the call it carried shall be sent again on a new connection. */
  stale(connection: Connection, exchange: HttpExchange): void;
  /** It was killed while the system still tries to connect, which cannot be stopped; `attemptEnded` follows. */
  attemptAbandoned(): void;
  attemptEnded(): void;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: TLSOptions | null;
}

const STATE = { Connecting: 0, Busy: 1, Idle: 2, Closed: 3 } as const;
type State = (typeof STATE)[keyof typeof STATE];

/** Up to here head and body go out in one write; beyond it, copying them together costs more than a second write. */
const ONE_WRITE_BYTES = 64 * 1024;
/** Head and body of a small request, put together just for the write. */
const SCRATCH = Buffer.allocUnsafeSlow(ONE_WRITE_BYTES);
/** A vendor that closes later than this had the request in hand: it must not be sent twice. */
const STALE_WITHIN_MS = 10_000;
/** Probes find peers that vanished and keep the state of middle boxes alive while a model thinks. */
const TCP_KEEP_ALIVE_MS = 30_000;

/**
 * One socket to a vendor and the call it carries, if any.
 *
 * ```
 *   Connecting ──ready──▶ Busy ◀──begin── Idle
 *       │                  │ └──response ended──▲
 *       └───── kill, or the peer closes ────────┴──▶ Closed
 * ```
 */
export class Connection implements ExchangeCarrier, Linked<Connection> {
  readonly #owner: ConnectionOwner;
  readonly #parser: ResponseParser;
  readonly #endpoint: Endpoint;
  #socket: Socket<Connection> | null = null;
  #state: State = STATE.Connecting;
  #exchange: HttpExchange | null = null;
  /** Given up while the system still connects. */
  #abandoned = false;
  #served = false;
  #socketPaused = false;
  /** What the socket has not taken: `#unsent[#unsentAt…]`, then the parts of `#unsentBody` from `#unsentPart` on. */
  #unsent: Uint8Array | null = null;
  #unsentAt = 0;
  #unsentBody: readonly Uint8Array[] = [];
  #unsentPart = 0;
  idleSinceMs = 0;
  previous: Connection | null = null;
  next: Connection | null = null;

  constructor(endpoint: Endpoint, maxHeadBytes: number, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#parser = new ResponseParser(maxHeadBytes);
    this.#endpoint = endpoint;
  }

  /** Opens the connection, and sends the exchange's request when it is open. */
  connect(exchange: HttpExchange): void {
    this.#exchange = exchange;
    exchange.carrier = this;
    exchange.phase = PHASE.Connecting;
    exchange.sinceMs = this.#owner.now();
    const { host, port, tls } = this.#endpoint;
    Promise.try(() =>
      Bun.connect<Connection>({
        hostname: host,
        port,
        socket: HANDLERS,
        data: this,
        ...(tls === null ? {} : { tls }),
      }),
    ).catch((error: unknown) => {
      this.#attemptEnded();
      this.lost('connect', describe(error), false);
    });
  }

  /** Sends a request on an open connection. */
  begin(exchange: HttpExchange): void {
    const { request } = exchange;
    if (request === null) throw new Error('an answered exchange cannot begin');
    this.#exchange = exchange;
    this.#state = STATE.Busy;
    exchange.carrier = this;
    exchange.phase = PHASE.Sent;
    exchange.sinceMs = this.#owner.now();
    this.#parser.reset(exchange, request.head.startsWith('HEAD '));
    if (exchange.paused) this.setPaused(true);
    this.#send(request.head, request.body);
  }

  setPaused(paused: boolean): void {
    // Before it is ready there is nothing to hold back, and a TLS handshake must be read.
    if (this.#state !== STATE.Busy || paused === this.#socketPaused) return;
    this.#socketPaused = paused;
    if (paused) this.#socket?.pause();
    else this.#socket?.resume();
  }

  kill(): void {
    if (this.#state === STATE.Closed) return;
    if (this.#state === STATE.Connecting && this.#socket === null) {
      this.#abandoned = true;
      this.#owner.attemptAbandoned();
    }
    this.#leave();
    this.#owner.closed(this);
  }

  opened(socket: Socket<Connection>): void {
    this.#attemptEnded();
    if (this.#state === STATE.Closed) {
      socket.terminate();
      return;
    }
    this.#socket = socket;
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    // A secret is written only after a good handshake.
    if (this.#endpoint.tls === null) this.#ready();
  }

  /** `error` may come with success, for a certificate that the environment wants let through: it is not. */
  shookHands(success: boolean, error: Error | null): void {
    if (this.#state !== STATE.Connecting) return;
    if (success && error === null) this.#ready();
    else this.lost('tls', describe(error), false);
  }

  received(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === null) {
      // Bytes nobody asked for: what follows them could not be told from an answer.
      this.kill();
      return;
    }
    if (!exchange.answered) {
      exchange.answered = true;
      if (this.#unsent === null) exchange.request = null;
    }
    // Until the head is whole the first-byte deadline goes on.
    if (exchange.phase === PHASE.Answering) exchange.sinceMs = this.#owner.now();
    let used: number;
    try {
      used = this.#parser.push(chunk);
    } catch (error) {
      this.kill();
      exchange.expireBy(error);
      return;
    }
    // Its handler may have aborted the call.
    if (!this.#parser.done || this.#state === STATE.Closed) return;
    this.#exchange = null;
    if (!this.#parser.keepAlive || used < chunk.length || this.#unsent !== null) {
      this.kill();
      return;
    }
    this.setPaused(false);
    this.#served = true;
    this.#state = STATE.Idle;
    this.#owner.released(this);
  }

  /** Writes what the socket has not taken yet. */
  flush(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    while (this.#unsent !== null) {
      const left = this.#unsent.length - this.#unsentAt;
      const written = this.#write(this.#unsent, this.#unsentAt, left);
      if (written > 0) exchange.sinceMs = this.#owner.now();
      this.#unsentAt += written;
      if (written < left) return;
      this.#unsent = this.#unsentBody[this.#unsentPart++] ?? null;
      this.#unsentAt = 0;
    }
    this.#unsentBody = NOTHING;
    if (exchange.answered) exchange.request = null;
  }

  /** The peer closed, in order or not, or the attempt to connect failed. */
  lost(kind: UpstreamFailure['kind'], message: string, inOrder: boolean): void {
    if (this.#state === STATE.Closed) return;
    const exchange = this.#exchange;
    const handshaking = this.#state === STATE.Connecting && kind === 'closed';
    this.#leave();
    if (exchange !== null && kind === 'closed' && this.#isStale(exchange)) {
      this.#owner.stale(this, exchange);
      return;
    }
    this.#owner.closed(this);
    // A body that runs until the close ends here as it should.
    if (exchange === null || (inOrder && this.#parser.close())) return;
    if (handshaking) exchange.expire('tls', `closed during the TLS handshake: ${message}`);
    else exchange.expire(kind, message);
  }

  #ready(): void {
    const exchange = this.#exchange;
    if (exchange !== null) this.begin(exchange);
  }

  #attemptEnded(): void {
    if (!this.#abandoned) return;
    this.#abandoned = false;
    this.#owner.attemptEnded();
  }

  #leave(): void {
    this.#state = STATE.Closed;
    this.#exchange = null;
    this.#unsent = null;
    this.#unsentBody = NOTHING;
    this.#socket?.terminate();
  }

  /**
   * Whether the peer closed as one does that had closed the connection while it was idle (RFC 9112 §9.3.1). A new
   * connection has not served, so that no call is sent more than twice.
   */
  #isStale(exchange: HttpExchange): boolean {
    return this.#served && !exchange.answered && this.#owner.now() - exchange.sinceMs <= STALE_WITHIN_MS;
  }

  #send(head: string, body: readonly Uint8Array[]): void {
    let length = head.length;
    for (const part of body) length += part.length;
    if (length > ONE_WRITE_BYTES) {
      this.#unsent = Buffer.from(head, 'latin1');
      this.#unsentAt = 0;
      this.#unsentBody = body;
      this.#unsentPart = 0;
      this.flush();
      return;
    }
    SCRATCH.write(head, 0, 'latin1');
    let at = head.length;
    for (const part of body) {
      SCRATCH.set(part, at);
      at += part.length;
    }
    const written = this.#write(SCRATCH, 0, length);
    if (written === length) return;
    this.#unsent = Buffer.from(SCRATCH.subarray(written, length));
    this.#unsentAt = 0;
  }

  /** Bytes taken. Without an explicit length Bun counts the buffer's whole length from the offset, and throws. */
  #write(bytes: Uint8Array, at: number, length: number): number {
    // -1: closed already; the socket's `close` is on its way.
    return Math.max(0, this.#socket?.write(bytes, at, length) ?? 0);
  }
}

const NOTHING: readonly Uint8Array[] = [];
const CLOSED = 'the connection closed before the answer was complete';

function closedBy(error: unknown): string {
  return error === undefined || error === null ? CLOSED : `${CLOSED} (${describe(error)})`;
}

/** An error of the system or of TLS, which speaks of hosts and certificates and never of what was sent. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason was given';
  const { code } = error as { code?: unknown };
  return typeof code !== 'string' || error.message.includes(code)
    ? error.message
    : `${code}: ${error.message}`;
}

const HANDLERS: SocketHandler<Connection> = {
  binaryType: 'buffer',
  open(socket) {
    socket.data.opened(socket);
  },
  handshake(socket, success, error) {
    socket.data.shookHands(success, error);
  },
  data(socket, chunk) {
    socket.data.received(chunk);
  },
  drain(socket) {
    socket.data.flush();
  },
  end(socket) {
    socket.data.lost('closed', CLOSED, true);
  },
  close(socket, error) {
    socket.data.lost('closed', closedBy(error), error === undefined || error === null);
  },
  error(socket, error) {
    socket.data.lost('closed', closedBy(error), false);
  },
  // The rejected promise of `connect` says the same; without this handler it would be reported as unhandled too.
  connectError() {},
};
