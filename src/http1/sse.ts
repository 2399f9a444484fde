import { ProtocolError } from './protocol-error.ts';
import { copyBytes } from '../std/bytes.ts';

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;

/**
 * `bytes[dataStart, dataEnd)` is the event's data, its lines joined by LF; `bytes[eventStart, eventEnd)` the event as it
 * came, blank line included. Valid until the `push` or `end` that reports it returns.
 */
export type SseEventHandler = (
  bytes: Uint8Array,
  dataStart: number,
  dataEnd: number,
  eventStart: number,
  eventEnd: number,
) => void;

/** `bytes[start, end)` is a block without data as it came, blank line included: comments, other fields, or nothing. */
export type SseBlockHandler = (bytes: Uint8Array, start: number, end: number) => void;

export interface SseOptions {
  /** Of one event or block, as it came. */
  readonly maxEventBytes: number;
  readonly onEvent: SseEventHandler;
  /** What a browser would not see and a relay has to pass on. */
  readonly onBlock?: SseBlockHandler;
}

export class SseTooLargeError extends ProtocolError {
  override readonly name = 'SseTooLargeError';
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const LINE_END = Buffer.from('\n');
const FIRST_HELD_BYTES = 1_024;

/**
 * Incremental parser of server-sent events on bytes (WHATWG HTML §9.2.6): LF, CR and CRLF line ends, one leading byte
 * order mark skipped, split anywhere. Events and blocks are reported in order and leave no byte out: together they are
 * the stream, up to its last blank line.
 *
 * An event that lies whole in one chunk is reported as a range of it. One that is split is gathered first; no byte is
 * searched twice, however many pieces it comes in. A CR at the end of a chunk waits for what follows: it may be half of
 * a CRLF.
 *
 * ```
 *   pushed:   [ event ][ event ][ eve   nt ][ event ][ …
 *             └──────── chunk ───────┘ └───── chunk ──────┘
 *                               └─ held ─┘
 * ```
 */
export class SseParser {
  readonly #maxEventBytes: number;
  readonly #onEvent: SseEventHandler;
  readonly #onBlock: SseBlockHandler | null;
  /** Bytes of a byte order mark seen at the very start; -1 when that is over. */
  #mark = 0;
  /** The unfinished event or block is `#held[0, #heldBytes)`; the positions below lie in it. */
  #held: Buffer | null = null;
  #heldBytes = 0;
  #lineStart = 0;
  /** What is held ends in a CR that ends a line; whether an LF belongs to it is not known yet. */
  #openCr = false;
  /** Value of the first data line; -1: there was none. */
  #dataStart = -1;
  #dataEnd = -1;
  /** Values of all data lines where there are several: start and end in turn. */
  #values: number[] | null = null;

  constructor(options: SseOptions) {
    this.#maxEventBytes = options.maxEventBytes;
    this.#onEvent = options.onEvent;
    this.#onBlock = options.onBlock ?? null;
  }

  /** Takes `chunk[start, end)`. After an {@link SseTooLargeError} the parser is of no further use. */
  push(chunk: Uint8Array, start = 0, end = chunk.length): void {
    let at = this.#mark < 0 ? start : this.#skipMark(chunk, start, end);
    while (this.#held !== null && at < end) at = this.#gather(this.#held, chunk, at, end);
    if (at < end) this.#read(chunk, at, end);
  }

  /**
   * The stream ended. What has no blank line after it is dropped, as the standard has it. With `flush` it is reported,
   * the missing line ends added, for servers that end with `data: [DONE]` and one line end or none.
   */
  end({ flush = false }: { readonly flush?: boolean } = {}): void {
    if (this.#openCr && this.#held !== null) {
      this.#openCr = false;
      this.#line(this.#held, this.#heldBytes - 1);
      // An LF behind this CR would be taken for its other half; so it gets that first.
      if (flush && this.#held !== null) {
        this.#append(this.#held, LINE_END, 0, LINE_END.length);
        this.#lineStart = this.#heldBytes;
      }
    }
    if (flush) while (this.#held !== null) this.#gather(this.#held, LINE_END, 0, LINE_END.length);
    this.#held = null;
  }

  /** Reads over a byte order mark that may come in pieces; answers where the rest begins. */
  #skipMark(chunk: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      if (chunk[at] !== BYTE_ORDER_MARK[this.#mark]) {
        const seen = this.#mark;
        this.#mark = -1;
        if (seen > 0) this.#hold(BYTE_ORDER_MARK, 0, seen);
        return at;
      }
      if (++this.#mark === BYTE_ORDER_MARK.length) {
        this.#mark = -1;
        return at + 1;
      }
    }
    return end;
  }

  /**
   * Reports every whole event in `bytes[from, to)`, of which the first begins at `from`, and holds what is left.
   *
   * A native search finds the next LF and the next CR eight times faster than a loop over the bytes; each is searched
   * again only when it has been passed, so a stream without any CR is searched for it once per chunk.
   */
  #read(bytes: Uint8Array, from: number, to: number): void {
    let eventStart = from;
    let lineStart = from;
    let dataStart = -1;
    let dataEnd = -1;
    let values: number[] | null = null;
    let nextLf = -1;
    let nextCr = find(bytes, CR, from, to);
    let openCr = false;
    while (lineStart < to) {
      if (nextLf < lineStart) nextLf = bytes[lineStart] === LF ? lineStart : find(bytes, LF, lineStart, to);
      const lineEnd = nextLf < nextCr ? nextLf : nextCr;
      if (lineEnd === to) break;
      let next = lineEnd + 1;
      if (lineEnd === nextCr) {
        if (next === to) {
          openCr = true;
          break;
        }
        if (bytes[next] === LF) next++;
        nextCr = find(bytes, CR, next, to);
      }
      if (lineEnd === lineStart) {
        this.#report(bytes, eventStart, next, dataStart, dataEnd, values);
        eventStart = next;
        dataStart = -1;
        values = null;
      } else if (isData(bytes, lineStart, lineEnd)) {
        const valueStart = valueStartOf(bytes, lineStart, lineEnd);
        if (dataStart < 0) {
          dataStart = valueStart;
          dataEnd = lineEnd;
        } else {
          values ??= [dataStart, dataEnd];
          values.push(valueStart, lineEnd);
        }
      }
      lineStart = next;
    }
    if (eventStart === to) return;
    this.#hold(bytes, eventStart, to);
    this.#openCr = openCr;
    this.#lineStart = lineStart - eventStart;
    this.#dataStart = dataStart < 0 ? -1 : dataStart - eventStart;
    this.#dataEnd = dataEnd - eventStart;
    this.#values = values === null ? null : values.map((position) => position - eventStart);
  }

  /** Adds to what is held up to the end of its line, or all there is; answers how far. */
  #gather(held: Buffer, chunk: Uint8Array, from: number, end: number): number {
    if (this.#openCr) {
      this.#openCr = false;
      const lineEnd = this.#heldBytes - 1;
      const next = chunk[from] === LF ? from + 1 : from;
      this.#line(this.#append(held, chunk, from, next), lineEnd);
      return next;
    }
    const lf = find(chunk, LF, from, end);
    const lineEnd = find(chunk, CR, from, lf);
    let next = Math.min(lineEnd + 1, end);
    if (lineEnd < lf) {
      // A CR comes first.
      if (next === end) this.#openCr = true;
      else if (chunk[next] === LF) next++;
    }
    const heldLineEnd = this.#heldBytes + lineEnd - from;
    const bytes = this.#append(held, chunk, from, next);
    if (lineEnd < end && !this.#openCr) this.#line(bytes, heldLineEnd);
    return next;
  }

  /** A line of what is held is whole; nothing is held behind its end. */
  #line(held: Buffer, lineEnd: number): void {
    const lineStart = this.#lineStart;
    this.#lineStart = this.#heldBytes;
    if (lineEnd === lineStart) {
      this.#held = null;
      this.#report(held, 0, this.#heldBytes, this.#dataStart, this.#dataEnd, this.#values);
    } else if (isData(held, lineStart, lineEnd)) {
      const valueStart = valueStartOf(held, lineStart, lineEnd);
      if (this.#dataStart < 0) {
        this.#dataStart = valueStart;
        this.#dataEnd = lineEnd;
      } else {
        this.#values ??= [this.#dataStart, this.#dataEnd];
        this.#values.push(valueStart, lineEnd);
      }
    }
  }

  /** Begins to hold an event. Its buffer is its own: what was reported from an earlier one may still be in use. */
  #hold(bytes: Uint8Array, start: number, end: number): void {
    this.#checkSize(end - start);
    this.#held = Buffer.allocUnsafe(Math.max(FIRST_HELD_BYTES, 2 * (end - start)));
    copyBytes(bytes, start, end, this.#held, 0);
    this.#heldBytes = end - start;
  }

  #append(held: Buffer, chunk: Uint8Array, from: number, to: number): Buffer {
    const size = this.#heldBytes + to - from;
    this.#checkSize(size);
    let bytes = held;
    if (size > held.length) {
      bytes = Buffer.allocUnsafe(2 * size);
      held.copy(bytes, 0, 0, this.#heldBytes);
      this.#held = bytes;
    }
    copyBytes(chunk, from, to, bytes, this.#heldBytes);
    this.#heldBytes = size;
    return bytes;
  }

  #report(
    bytes: Uint8Array,
    start: number,
    end: number,
    dataStart: number,
    dataEnd: number,
    values: readonly number[] | null,
  ): void {
    this.#checkSize(end - start);
    if (dataStart < 0) this.#onBlock?.(bytes, start, end);
    else if (values === null) this.#onEvent(bytes, dataStart, dataEnd, start, end);
    else this.#reportJoined(bytes, start, end, values);
  }

  #reportJoined(bytes: Uint8Array, start: number, end: number, values: readonly number[]): void {
    const parts: Uint8Array[] = [];
    let dataBytes = -1;
    for (let index = 0; index < values.length; index += 2) {
      if (index > 0) parts.push(LINE_END);
      const line = bytes.subarray(values[index], values[index + 1]);
      parts.push(line);
      dataBytes += line.length + 1;
    }
    parts.push(bytes.subarray(start, end));
    const joined = Buffer.concat(parts);
    this.#onEvent(joined, 0, dataBytes, dataBytes, joined.length);
  }

  #checkSize(bytes: number): void {
    if (bytes > this.#maxEventBytes) throw new SseTooLargeError('an event of the stream is too large');
  }
}

/** Where `byte` first stands in `bytes[from, to)`, or `to`. */
function find(bytes: Uint8Array, byte: number, from: number, to: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 || at > to ? to : at;
}

/** `data:…` or a bare `data`. */
function isData(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    bytes[start] === 0x64 &&
    bytes[start + 1] === 0x61 &&
    bytes[start + 2] === 0x74 &&
    bytes[start + 3] === 0x61 &&
    (end - start === 4 || (end - start > 4 && bytes[start + 4] === COLON))
  );
}

/** Behind the colon and one space. */
function valueStartOf(bytes: Uint8Array, lineStart: number, lineEnd: number): number {
  const start = Math.min(lineEnd, lineStart + 5);
  return start < lineEnd && bytes[start] === SPACE ? start + 1 : start;
}
