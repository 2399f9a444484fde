import { ProtocolError } from '../failure.ts';
import { CHUNKED, findHeadEnd, looksLikeHttp, parseHead, UNTIL_CLOSE } from './head.ts';
import type { UpstreamHeaders } from './headers.ts';

/** What a response is made of: a head, body pieces, its end. The bytes of a piece are valid only during the call. */
export interface ResponseEvents {
  onHead(status: number, headers: UpstreamHeaders): void;
  onBody(chunk: Uint8Array, start: number, end: number): void;
  onEnd(): void;
}

/**
 * ```
 *   Head ─┬─ sized ──────▶ Sized ──────────────────────────────────────────────────┐
 *    ▲ │  ├─ chunked ────▶ ChunkSize ─▶ (ChunkSpace, ChunkExtension,) ChunkSizeLf  │
 *    └─┘  │                  ▲  ChunkEnd, ChunkEndLf ◀─ ChunkData ◀─┤ size > 0     ├─▶ Done
 *   1xx   │                  └─────┘                  Trailers… ◀───┘ size 0 ──────┤
 *         └─ neither ────▶ UntilClose ─────────────────────────────────────────────┘
 * ```
 */
const STATE = {
  Head: 0,
  Sized: 1,
  UntilClose: 2,
  ChunkSize: 3,
  ChunkSpace: 4,
  ChunkExtension: 5,
  ChunkSizeLf: 6,
  ChunkData: 7,
  ChunkEnd: 8,
  ChunkEndLf: 9,
  TrailerStart: 10,
  Trailer: 11,
  TrailersLf: 12,
  Done: 13,
} as const;

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
/** Chunk-size line: digits, blanks and extensions. Real ones have at most 16 bytes. */
const MAX_CHUNK_LINE_BYTES = 4_096;
const MAX_INTERIM_RESPONSES = 100;
const FIRST_HELD_BYTES = 1_024;

const HEX = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  HEX[digit.charCodeAt(0)] = value;
  HEX[digit.toUpperCase().charCodeAt(0)] = value;
}

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
  /** Bytes of the body or the chunk still to come; while a chunk's size is read, that size so far. */
  #left = 0;
  /** Bytes of the chunk-size line or of the trailers so far. */
  #lineBytes = 0;
  #digits = false;
  /** A head that came in several pieces. */
  #held: Buffer | null = null;
  #heldBytes = 0;

  constructor(maxHeadBytes: number) {
    this.#maxHeadBytes = maxHeadBytes;
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
        case STATE.Sized:
        case STATE.ChunkData: {
          const end = Math.min(chunk.length, at + this.#left);
          this.#left -= end - at;
          const start = at;
          at = end;
          // The last piece leaves the state behind it, so that an event's handler finds the parser consistent.
          const last = this.#left === 0;
          const sized = this.#state === STATE.Sized;
          if (last && !sized) this.#state = STATE.ChunkEnd;
          this.#events.onBody(chunk, start, end);
          if (last && sized) this.#finish();
          break;
        }
        case STATE.UntilClose:
          this.#events.onBody(chunk, at, chunk.length);
          at = chunk.length;
          break;
        default:
          at = this.#framing(chunk, at);
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
    else if (bodyLength === CHUNKED) this.#expectChunk();
    else if (bodyLength === UNTIL_CLOSE) this.#state = STATE.UntilClose;
    else {
      this.#state = STATE.Sized;
      this.#left = bodyLength;
    }
    this.#events.onHead(status, headers);
    if (this.#state === STATE.Done) this.#finish();
  }

  #expectChunk(): void {
    this.#state = STATE.ChunkSize;
    this.#left = 0;
    this.#lineBytes = 0;
    this.#digits = false;
  }

  /** Chunk-size lines, ends of chunks and trailers (§7.1): a few bytes each, so byte by byte. */
  #framing(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      const byte = chunk[at++]!;
      switch (this.#state) {
        case STATE.ChunkSize:
          if (HEX[byte]! >= 0) {
            this.#countLine(MAX_CHUNK_LINE_BYTES);
            this.#digits = true;
            this.#left = this.#left * 16 + HEX[byte]!;
            if (this.#left > Number.MAX_SAFE_INTEGER) throw new ProtocolError('chunk size is too large');
            break;
          }
          if (!this.#digits) throw new ProtocolError('malformed chunk size');
          this.#afterSize(byte);
          break;
        case STATE.ChunkSpace:
          this.#afterSize(byte);
          break;
        case STATE.ChunkExtension:
          this.#countLine(MAX_CHUNK_LINE_BYTES);
          if (byte === CR) this.#state = STATE.ChunkSizeLf;
          else if (byte === LF) this.#sizeRead();
          break;
        case STATE.ChunkSizeLf:
          if (byte !== LF) throw new ProtocolError('malformed chunk size');
          this.#sizeRead();
          break;
        case STATE.ChunkEnd:
          if (byte === LF) this.#expectChunk();
          else if (byte === CR) this.#state = STATE.ChunkEndLf;
          else throw new ProtocolError('chunk is longer than its size');
          break;
        case STATE.ChunkEndLf:
          if (byte !== LF) throw new ProtocolError('chunk is longer than its size');
          this.#expectChunk();
          break;
        case STATE.TrailerStart:
          if (byte === LF) this.#finish();
          else if (byte === CR) this.#state = STATE.TrailersLf;
          else {
            this.#countLine(this.#maxHeadBytes);
            this.#state = STATE.Trailer;
          }
          break;
        case STATE.Trailer:
          this.#countLine(this.#maxHeadBytes);
          if (byte === LF) this.#state = STATE.TrailerStart;
          break;
        case STATE.TrailersLf:
          if (byte !== LF) throw new ProtocolError('malformed trailer');
          this.#finish();
          break;
        default:
          // A body, or the end: not framing.
          return at - 1;
      }
    }
    return at;
  }

  #afterSize(byte: number): void {
    this.#countLine(MAX_CHUNK_LINE_BYTES);
    if (byte === CR) this.#state = STATE.ChunkSizeLf;
    else if (byte === LF) this.#sizeRead();
    else if (byte === SEMICOLON) this.#state = STATE.ChunkExtension;
    else if (byte === SPACE || byte === TAB) this.#state = STATE.ChunkSpace;
    else throw new ProtocolError('malformed chunk size');
  }

  #sizeRead(): void {
    if (this.#left > 0) {
      this.#state = STATE.ChunkData;
      return;
    }
    this.#state = STATE.TrailerStart;
    this.#lineBytes = 0;
  }

  #countLine(maxBytes: number): void {
    if (++this.#lineBytes > maxBytes) throw new ProtocolError('chunk size line or trailers are too long');
  }
}
