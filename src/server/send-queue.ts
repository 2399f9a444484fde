import type { Socket } from 'bun';
import { copyBytes } from '../std/bytes.ts';

/** Up to here an answer goes out in one write; beyond it, copying its parts together costs more than a second write. */
const ONE_WRITE_BYTES = 64 * 1024;
/** Parts of one write, put together just for it. One per thread: nothing is kept here between two writes. */
const SCRATCH = Buffer.allocUnsafeSlow(ONE_WRITE_BYTES);
const CRLF = '\r\n';
const CR = 0x0d;
const LF = 0x0a;
const HEX = Buffer.from('0123456789abcdef');
/** A size in hexadecimal, and two line ends. */
const FRAME_BYTES = 12;
const LAST_CHUNK = '0\r\n\r\n';

/** Writes to a client's socket, and keeps what it has not taken. */
export class SendQueue {
  readonly #socket: Socket<unknown>;
  #waiting: Uint8Array[] = [];
  /** Bytes of the first one that have gone out. */
  #sent = 0;

  constructor(socket: Socket<unknown>) {
    this.#socket = socket;
  }

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  /** A head, latin1, and a whole body: text, or `body[start, end)`. False: not all of it has left. */
  whole(head: string, body: Uint8Array | string, start: number, end: number): boolean {
    const size = typeof body === 'string' ? 3 * body.length : end - start;
    if (head.length + size > ONE_WRITE_BYTES) {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body.subarray(start, end);
      if (bytes.length === 0) return this.#send(Buffer.from(head, 'latin1'));
      this.#waiting.push(Buffer.from(head, 'latin1'), bytes);
      return this.flush();
    }
    let at = SCRATCH.write(head, 0, 'latin1');
    if (typeof body === 'string') at += SCRATCH.write(body, at, 'utf8');
    else {
      copyBytes(body, start, end, SCRATCH, at);
      at += size;
    }
    return this.#sendScratch(at);
  }

  /**
   * `bytes[start, end)` as a chunk of a chunked body (RFC 9112 §7.1), behind `head` where that has not gone out; `raw`: the
   * body is not chunked.
   */
  chunk(head: string, bytes: Uint8Array, start: number, end: number, raw: boolean): boolean {
    const length = end - start;
    if (head.length + length + FRAME_BYTES > ONE_WRITE_BYTES) {
      const size = raw ? head : `${head}${length.toString(16)}${CRLF}`;
      if (size !== '') this.#waiting.push(Buffer.from(size, 'latin1'));
      this.#waiting.push(bytes.subarray(start, end));
      if (!raw) this.#waiting.push(Buffer.from(CRLF));
      return this.flush();
    }
    // Events are small and many: what a loop can do is not called for.
    let at = head === '' ? 0 : SCRATCH.write(head, 0, 'latin1');
    if (!raw) at = writeSize(length, at);
    copyBytes(bytes, start, end, SCRATCH, at);
    at += length;
    if (!raw) {
      SCRATCH[at++] = CR;
      SCRATCH[at++] = LF;
    }
    return this.#sendScratch(at);
  }

  /** What ends a chunked body. */
  lastChunk(head: string): boolean {
    return this.text(head + LAST_CHUNK);
  }

  text(latin1: string): boolean {
    return this.whole(latin1, '', 0, 0);
  }

  /** Writes what has waited; true when nothing waits any more. */
  flush(): boolean {
    const waiting = this.#waiting;
    let next = 0;
    while (next < waiting.length) {
      const bytes = waiting[next]!;
      const left = bytes.length - this.#sent;
      const written = this.#write(bytes, this.#sent, left);
      if (written < left) {
        this.#sent += written;
        break;
      }
      this.#sent = 0;
      next++;
    }
    if (next > 0) this.#waiting = waiting.slice(next);
    return this.#waiting.length === 0;
  }

  /** Nothing of it will be read. */
  clear(): void {
    this.#waiting = [];
    this.#sent = 0;
  }

  #send(bytes: Uint8Array): boolean {
    this.#waiting.push(bytes);
    return this.#waiting.length === 1 ? this.flush() : false;
  }

  #sendScratch(length: number): boolean {
    if (this.#waiting.length > 0) {
      this.#waiting.push(Buffer.from(SCRATCH.subarray(0, length)));
      return false;
    }
    const written = this.#write(SCRATCH, 0, length);
    if (written === length) return true;
    this.#waiting.push(Buffer.from(SCRATCH.subarray(written, length)));
    return false;
  }

  /** Bytes taken; -1 of a socket that has closed counts as none: its `close` is on its way. */
  #write(bytes: Uint8Array, at: number, length: number): number {
    return Math.max(0, this.#socket.write(bytes, at, length));
  }
}

/** Writes a chunk's size line at `at` of the scratch buffer; answers where it ends. */
function writeSize(size: number, at: number): number {
  let digits = 1;
  while (size >>> (4 * digits) !== 0) digits++;
  let to = at;
  for (let digit = digits - 1; digit >= 0; digit--) SCRATCH[to++] = HEX[(size >>> (4 * digit)) & 15]!;
  SCRATCH[to++] = CR;
  SCRATCH[to++] = LF;
  return to;
}
