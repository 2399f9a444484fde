import { CR, LF, SPACE, type Reading } from './message-head.ts';
import { ProtocolError } from './protocol-error.ts';

/**
 * ```
 *   Size ─▶ (Space, Extension,) SizeLf ─┬─ size > 0 ─▶ Data ─▶ End, EndLf ─▶ Size
 *                                       └─ size 0 ───▶ TrailerStart, (Trailer, TrailerLf)…, TrailersLf ─▶ Done
 * ```
 */
const STATE = {
  Size: 0,
  Space: 1,
  Extension: 2,
  SizeLf: 3,
  Data: 4,
  End: 5,
  EndLf: 6,
  TrailerStart: 7,
  Trailer: 8,
  TrailerLf: 9,
  TrailersLf: 10,
  Done: 11,
} as const;

const TAB = 0x09;
const SEMICOLON = 0x3b;
/** Chunk-size line: digits, blanks and extensions. Real ones have at most 16 bytes. */
const MAX_CHUNK_LINE_BYTES = 4_096;

const HEX = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  HEX[digit.charCodeAt(0)] = value;
  HEX[digit.toUpperCase().charCodeAt(0)] = value;
}

/**
 * Framing of one chunked body (RFC 9112 §7.1), fed in pieces of any size: extensions and trailers are read over.
 *
 * The caller takes the data: {@link frame} stops where data begins and tells by {@link left} how much of it follows.
 */
export class ChunkFraming {
  readonly #maxTrailerBytes: number;
  readonly #bareLf: boolean;
  #state: number = STATE.Done;
  /** Bytes of the chunk still to come; while its size is read, that size so far. */
  #left = 0;
  /** Bytes of the size line or of the trailers so far. */
  #lineBytes = 0;
  #digits = false;

  constructor(maxTrailerBytes: number, reading: Reading) {
    this.#maxTrailerBytes = maxTrailerBytes;
    this.#bareLf = reading === 'lenient';
  }

  get done(): boolean {
    return this.#state === STATE.Done;
  }

  /** Bytes of data that come next; 0 while framing does. */
  get left(): number {
    return this.#state === STATE.Data ? this.#left : 0;
  }

  /** Expects a body. */
  reset(): void {
    this.#state = STATE.Size;
    this.#left = 0;
    this.#lineBytes = 0;
    this.#digits = false;
  }

  /** So much of the data was taken. */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left === 0) this.#state = STATE.End;
  }

  /** Reads framing, byte by byte since it is a few; answers where it stopped: data, the body's end, or the bytes' end. */
  frame(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      const byte = bytes[at++]!;
      switch (this.#state) {
        case STATE.Size:
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
        case STATE.Space:
          this.#afterSize(byte);
          break;
        case STATE.Extension:
          this.#countLine(MAX_CHUNK_LINE_BYTES);
          if (byte === CR) this.#state = STATE.SizeLf;
          else if (byte === LF) this.#sizeReadBare();
          break;
        case STATE.SizeLf:
          if (byte !== LF) throw new ProtocolError('malformed chunk size');
          this.#sizeRead();
          break;
        case STATE.End:
          if (byte === CR) this.#state = STATE.EndLf;
          else if (byte === LF && this.#bareLf) this.reset();
          else throw new ProtocolError('chunk is longer than its size');
          break;
        case STATE.EndLf:
          if (byte !== LF) throw new ProtocolError('chunk is longer than its size');
          this.reset();
          break;
        case STATE.TrailerStart:
          if (byte === CR) this.#state = STATE.TrailersLf;
          else if (byte === LF) {
            this.#allowBareLf();
            this.#state = STATE.Done;
          } else {
            this.#countLine(this.#maxTrailerBytes);
            this.#state = STATE.Trailer;
          }
          break;
        case STATE.Trailer:
          this.#countLine(this.#maxTrailerBytes);
          if (byte === CR) this.#state = STATE.TrailerLf;
          else if (byte === LF) {
            this.#allowBareLf();
            this.#state = STATE.TrailerStart;
          }
          break;
        case STATE.TrailerLf:
          this.#countLine(this.#maxTrailerBytes);
          if (byte === LF) this.#state = STATE.TrailerStart;
          else if (!this.#bareLf) throw new ProtocolError('a bare CR in the trailers');
          else if (byte !== CR) this.#state = STATE.Trailer;
          break;
        case STATE.TrailersLf:
          if (byte !== LF) throw new ProtocolError('malformed trailer');
          this.#state = STATE.Done;
          break;
        default:
          // Data, or the end: not framing.
          return at - 1;
      }
    }
    return at;
  }

  #afterSize(byte: number): void {
    this.#countLine(MAX_CHUNK_LINE_BYTES);
    if (byte === CR) this.#state = STATE.SizeLf;
    else if (byte === LF) this.#sizeReadBare();
    else if (byte === SEMICOLON) this.#state = STATE.Extension;
    else if (byte === SPACE || byte === TAB) this.#state = STATE.Space;
    else throw new ProtocolError('malformed chunk size');
  }

  #sizeReadBare(): void {
    this.#allowBareLf();
    this.#sizeRead();
  }

  #sizeRead(): void {
    this.#state = this.#left > 0 ? STATE.Data : STATE.TrailerStart;
    this.#lineBytes = 0;
  }

  #allowBareLf(): void {
    if (!this.#bareLf) throw new ProtocolError('a line that does not end in CR LF');
  }

  #countLine(maxBytes: number): void {
    if (++this.#lineBytes > maxBytes) throw new ProtocolError('chunk size line or trailers are too long');
  }
}
