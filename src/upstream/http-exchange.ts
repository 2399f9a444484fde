import { PHASE, type DeadlinePhase, type Timed } from './deadlines.ts';
import { ProtocolError } from '../http1/protocol-error.ts';
import type { UpstreamFailure } from './failure.ts';
import type { HeaderFields } from '../http1/fields.ts';
import type { ResponseEvents } from '../http1/response-parser.ts';
import type { Linked } from './linked-list.ts';
import type { UpstreamCall, UpstreamHandler, UpstreamRequest } from './call.ts';

/** What carries an exchange's bytes; none while it waits. */
export interface ExchangeCarrier {
  /** Closes the connection and gives its place to others; tells the exchange nothing. */
  kill(): void;
  setPaused(paused: boolean): void;
}

/** Who keeps the books of exchanges. */
export interface ExchangeOwner {
  now(): number;
  /** The exchange ended or was aborted. It must be forgotten before its handler hears of it. */
  settled(exchange: HttpExchange): void;
  /** A handler threw. */
  onDefect(error: unknown): void;
}

/** A request that has not been answered and may have to be written (again). */
export interface Outgoing {
  readonly head: string;
  readonly body: readonly Uint8Array[];
}

/** One call: from the request until its response has ended. Tells its handler, and nothing after the end. */
export class HttpExchange implements UpstreamCall, ResponseEvents, Timed, Linked<HttpExchange> {
  readonly startedAtMs: number;
  readonly #handler: UpstreamHandler;
  readonly #owner: ExchangeOwner;
  /** Dropped as soon as it cannot be needed any more: an answer may stream for minutes after a large prompt. */
  request: Outgoing | null;
  carrier: ExchangeCarrier | null = null;
  phase: DeadlinePhase = PHASE.Queued;
  sinceMs: number;
  paused = false;
  over = false;
  /** A byte of the response has come: the request must not be sent again. */
  answered = false;
  slot = -1;
  previous: HttpExchange | null = null;
  next: HttpExchange | null = null;

  constructor(request: UpstreamRequest, handler: UpstreamHandler, owner: ExchangeOwner) {
    this.request = request;
    this.#handler = handler;
    this.#owner = owner;
    this.startedAtMs = owner.now();
    this.sinceMs = this.startedAtMs;
  }

  get sent(): boolean {
    return this.phase >= PHASE.Sent;
  }

  abort(): void {
    if (this.over) return;
    const { carrier } = this;
    this.#settle();
    carrier?.kill();
  }

  recall(): readonly Uint8Array[] | null {
    if (this.over || this.sent || this.request === null) return null;
    const { body } = this.request;
    this.abort();
    return body;
  }

  pause(): void {
    if (this.paused || this.over) return;
    this.paused = true;
    this.carrier?.setPaused(true);
  }

  resume(): void {
    if (!this.paused || this.over) return;
    this.paused = false;
    // The vendor could make no progress meanwhile.
    if (this.phase === PHASE.Sent || this.phase === PHASE.Answering) this.sinceMs = this.#owner.now();
    this.carrier?.setPaused(false);
  }

  onHead(status: number, headers: HeaderFields): void {
    if (this.over) return;
    this.phase = PHASE.Answering;
    this.#handler.onHead(status, headers);
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    if (!this.over) this.#handler.onBody(chunk, start, end);
  }

  onEnd(): void {
    if (this.over) return;
    this.#settle();
    try {
      this.#handler.onEnd();
    } catch (error) {
      this.#tell(this.#failureOf(error));
    }
  }

  /** Ends the call; its connection, if any, is closed. */
  expire(kind: UpstreamFailure['kind'], message: string): void {
    const { carrier } = this;
    if (this.over) return;
    this.#settle();
    carrier?.kill();
    this.#tell({ kind, message });
  }

  /** Reading the response failed: the vendor's fault ({@link ProtocolError}) or the handler's. */
  expireBy(error: unknown): void {
    if (this.over) {
      // After an abort nobody wants to hear of it.
      if (!(error instanceof ProtocolError)) this.#owner.onDefect(error);
      return;
    }
    const { kind, message } = this.#failureOf(error);
    this.expire(kind, message);
  }

  #failureOf(error: unknown): UpstreamFailure {
    if (error instanceof ProtocolError) return { kind: 'protocol', message: error.message };
    this.#owner.onDefect(error);
    // Its text could quote what was sent.
    return { kind: 'protocol', message: 'the answer could not be processed' };
  }

  #settle(): void {
    this.over = true;
    this.#owner.settled(this);
    this.carrier = null;
    this.request = null;
  }

  #tell(failure: UpstreamFailure): void {
    try {
      this.#handler.onError(failure);
    } catch (error) {
      this.#owner.onDefect(error);
    }
  }
}
