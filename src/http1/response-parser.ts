import { ChunkFraming } from './chunked.ts';
import type { HeaderFields } from './fields.ts';
import { CHUNKED, findHeadEnd } from './message-head.ts';
import { ProtocolError } from './protocol-error.ts';
import { looksLikeHttp, parseHead, UNTIL_CLOSE } from './response-head.ts';

/** What a response is made of: a head, body pieces, its end. A piece is a range of the chunk that was pushed. */
export interface ResponseEvents {
  onHead(status: number, headers: HeaderFields): void;
  onBody(chunk: Uint8Array, start: number, end: number): void;
  onEnd(): void;
}

/**
 * ```
 *   Head ─┬─ sized ────▶ Sized ──────┐
 *    ▲ │  ├─ chunked ──▶ Chunked ────┼─▶ Done
 *    └─┘  └─ neither ──▶ UntilClose ─┘
 *   1xx
 * ```
 */
const STATE = { Head: 0, Sized: 1, UntilClose: 2, Chunked: 3, Done: 4 } as const;

const MAX_INTERIM_RESPONSES = 100;
const FIRST_HELD_BYTES = 1_024;

/** A parser without a response keeps nothing of the last one alive. */
const NOBODY: ResponseEvents = { onHead() {}, onBody() {}, onEnd() {} };

/**
 * One HTTP/1.1 response at a time, fed in pieces of any size (RFC 9112). Where the pieces are split changes nothing but
 * how the body is cut.
 *
 * Interim answers (1xx) are skipped. Body length follows §6.3: 204, 304 and answers to HEAD have none, then chunked,
 * content-length, else until close. Both transfer-encoding and content-length, differing content-lengths and folded
 * fields are refused; a bare LF is taken for a line end; chunk extensions and trailers are read over.
 */
export class ResponseParser {
  readonly #maxHeadBytes: number;
  #events: ResponseEvents = NOBODY;
  #bodiless = false;
  #state: number = STATE.Done;
  #keepAlive = false;
  #interim = 0;
  /** Bytes of a sized body still to come. */
  #left = 0;
  readonly #chunks: ChunkFraming;
  /** A head that came in several pieces. */
  #held: Buffer | null = null;
  #heldBytes = 0;

  constructor(maxHeadBytes: number) {
    this.#maxHeadBytes = maxHeadBytes;
    this.#chunks = new ChunkFraming(maxHeadBytes, 'lenient');
  }

  get done(): boolean {
    return this.#state === STATE.Done;
  }

  /** After `done`: the connection may carry another request. */
  get keepAlive(): boolean {
    return this.#keepAlive;
  }

  /** Expects a response. `bodiless`: to a HEAD request. */
  reset(events: ResponseEvents, bodiless: boolean): void {
    this.#events = events;
    this.#bodiless = bodiless;
    this.#state = STATE.Head;
    this.#keepAlive = false;
    this.#interim = 0;
    this.#held = null;
    this.#heldBytes = 0;
  }

  /** Takes bytes; answers how many were used (fewer when the response ended before them). Throws {@link ProtocolError}. */
  push(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.#state !== STATE.Done) {
      switch (this.#state) {
        case STATE.Head:
          at = this.#head(chunk, at);
          break;
        case STATE.Sized: {
          const start = at;
          at = Math.min(chunk.length, at + this.#left);
          this.#left -= at - start;
          this.#events.onBody(chunk, start, at);
          if (this.#left === 0) this.#finish();
          break;
        }
        case STATE.Chunked:
          at = this.#chunked(chunk, at);
          break;
        case STATE.UntilClose:
          this.#events.onBody(chunk, at, chunk.length);
          at = chunk.length;
          break;
        default:
      }
    }
    return at;
  }

  /** The peer closed in order. True when that ends the response as it should. */
  close(): boolean {
    if (this.#state !== STATE.UntilClose) return false;
    this.#finish();
    return true;
  }

  #finish(): void {
    const events = this.#events;
    this.#state = STATE.Done;
    this.#events = NOBODY;
    events.onEnd();
  }

  #head(chunk: Buffer, at: number): number {
    if (this.#held !== null) return this.#heldHead(this.#held, chunk, at);
    const to = Math.min(chunk.length, at + this.#maxHeadBytes);
    if (!looksLikeHttp(chunk, at, to)) throw new ProtocolError('not an HTTP/1 response');
    const end = findHeadEnd(chunk, at, to);
    if (end >= 0) {
      this.#readHead(chunk, at, end);
      return end;
    }
    if (chunk.length - at > this.#maxHeadBytes) throw new ProtocolError('response head is too large');
    this.#held = Buffer.allocUnsafe(Math.min(this.#maxHeadBytes, Math.max(FIRST_HELD_BYTES, 2 * (to - at))));
    this.#heldBytes = chunk.copy(this.#held, 0, at, to);
    return chunk.length;
  }

  /** Only what is new is looked at, so that a head fed byte by byte costs no more than its length. */
  #heldHead(held: Buffer, chunk: Buffer, at: number): number {
    const before = this.#heldBytes;
    const taken = Math.min(chunk.length - at, this.#maxHeadBytes - before);
    const after = before + taken;
    let bytes = held;
    if (after > held.length) {
      bytes = Buffer.allocUnsafe(Math.min(this.#maxHeadBytes, Math.max(2 * held.length, after)));
      held.copy(bytes, 0, 0, before);
    }
    chunk.copy(bytes, before, at, at + taken);
    if (!looksLikeHttp(bytes, 0, after)) throw new ProtocolError('not an HTTP/1 response');
    // The empty line is at most three bytes: the end of its line before, CR, LF.
    const end = findHeadEnd(bytes.subarray(0, after), Math.max(0, before - 2), after);
    if (end < 0) {
      if (before + chunk.length - at > this.#maxHeadBytes)
        throw new ProtocolError('response head is too large');
      this.#held = bytes;
      this.#heldBytes = after;
      return chunk.length;
    }
    this.#held = null;
    this.#heldBytes = 0;
    this.#readHead(bytes, 0, end);
    return at + end - before;
  }

  #readHead(bytes: Buffer, start: number, end: number): void {
    const { status, headers, bodyLength, persistent } = parseHead(bytes, start, end);
    if (status < 200) {
      // RFC 9110 §15.2: any number may come unasked; no server has a reason to send many.
      if (status === 101) throw new ProtocolError('unexpected protocol switch');
      if (++this.#interim > MAX_INTERIM_RESPONSES) throw new ProtocolError('too many interim responses');
      return;
    }
    const none = this.#bodiless || status === 204 || status === 304;
    this.#keepAlive = persistent && (none || bodyLength !== UNTIL_CLOSE);
    if (none || bodyLength === 0) this.#state = STATE.Done;
    else if (bodyLength === CHUNKED) this.#expectChunks();
    else if (bodyLength === UNTIL_CLOSE) this.#state = STATE.UntilClose;
    else {
      this.#state = STATE.Sized;
      this.#left = bodyLength;
    }
    this.#events.onHead(status, headers);
    if (this.#state === STATE.Done) this.#finish();
  }

  #expectChunks(): void {
    this.#state = STATE.Chunked;
    this.#chunks.reset();
  }

  #chunked(chunk: Buffer, from: number): number {
    const chunks = this.#chunks;
    let at = chunks.frame(chunk, from);
    if (chunks.left > 0 && at < chunk.length) {
      const start = at;
      at = Math.min(chunk.length, at + chunks.left);
      // Taken first, so that an event's handler finds the parser consistent.
      chunks.take(at - start);
      this.#events.onBody(chunk, start, at);
    }
    if (chunks.done) this.#finish();
    return at;
  }
}
