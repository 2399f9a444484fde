/** What an answer is made of as it comes. Buffers are only valid during the call. */
export interface AnswerSink {
  /** `head`: status line and fields, in lower case. */
  head(status: number, head: string): void;
  payload(bytes: Buffer, from: number, to: number): void;
}

const STATE = {
  head: 0,
  counted: 1,
  chunkSize: 2,
  chunkExtension: 3,
  chunkData: 4,
  chunkEnd: 5,
  trailer: 6,
  untilClose: 7,
  done: 8,
} as const;
type State = (typeof STATE)[keyof typeof STATE];

const LF = 0x0a;
const CR = 0x0d;
const SEMICOLON = 0x3b;
const MAX_HEAD_BYTES = 65_536;
const HEAD_END = Buffer.from('\r\n\r\n');

/** Value of a field in a lower-case head, or '' where it is absent. */
export function fieldOf(head: string, name: string): string {
  const at = head.indexOf(`\r\n${name}:`);
  if (at < 0) return '';
  const from = at + name.length + 3;
  const end = head.indexOf('\r\n', from);
  return head.slice(from, end < 0 ? undefined : end).trim();
}

/**
 * HTTP/1.1 answers of one connection, incrementally (RFC 9112 §6, §7.1): counted, chunked and delimited by close. It is the
 * measuring instrument's own and shares nothing with the gateway's parser, so that a common mistake shows.
 */
export class AnswerParser {
  readonly #sink: AnswerSink;
  #state: State = STATE.head;
  #partialHead: Buffer | null = null;
  #remaining = 0;
  #trailerLineBytes = 0;
  /** The server will close after this answer. */
  closes = false;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  get done(): boolean {
    return this.#state === STATE.done;
  }

  /** Nothing of an answer has been read. */
  get untouched(): boolean {
    return this.#state === STATE.head && this.#partialHead === null;
  }

  reset(): void {
    this.#state = STATE.head;
    this.#partialHead = null;
    this.#remaining = 0;
    this.closes = false;
  }

  /** The connection has ended. True when that was the answer's own end. */
  end(): boolean {
    if (this.#state === STATE.untilClose) this.#state = STATE.done;
    return this.#state === STATE.done;
  }

  /** Takes bytes off the wire. Returns '' or what is wrong with them. */
  push(chunk: Buffer): string {
    let bytes = chunk;
    let at = 0;
    if (this.#state === STATE.head) {
      if (this.#partialHead !== null) {
        bytes = Buffer.concat([this.#partialHead, chunk]);
        this.#partialHead = null;
      }
      for (;;) {
        const end = bytes.indexOf(HEAD_END, at);
        if (end < 0) {
          if (bytes.length - at > MAX_HEAD_BYTES) return 'head too large';
          this.#partialHead = Buffer.from(bytes.subarray(at));
          return '';
        }
        const wrong = this.#readHead(bytes.toString('latin1', at, end).toLowerCase());
        at = end + 4;
        if (wrong !== '') return wrong;
        if (this.#state !== STATE.head) break; // Else an interim 1xx answer went by.
      }
    }
    return this.#readBody(bytes, at);
  }

  #readHead(head: string): string {
    if (!head.startsWith('http/1.')) return 'not HTTP/1';
    const status = Number(head.slice(9, 12));
    if (!(status >= 100 && status < 600)) return 'no status';
    if (status < 200) return '';
    this.closes = fieldOf(head, 'connection') === 'close' || head.startsWith('http/1.0');
    const encoding = fieldOf(head, 'transfer-encoding');
    const length = fieldOf(head, 'content-length');
    if (status === 204 || status === 304) {
      this.#state = STATE.done;
    } else if (encoding !== '') {
      if (encoding !== 'chunked') return 'unknown transfer encoding';
      this.#remaining = 0;
      this.#state = STATE.chunkSize;
    } else if (length === '') {
      this.closes = true;
      this.#state = STATE.untilClose;
    } else {
      this.#remaining = Number(length);
      if (!Number.isSafeInteger(this.#remaining)) return 'bad content-length';
      this.#state = this.#remaining === 0 ? STATE.done : STATE.counted;
    }
    this.#sink.head(status, head);
    return '';
  }

  #readBody(bytes: Buffer, start: number): string {
    let at = start;
    const end = bytes.length;
    while (at < end) {
      switch (this.#state) {
        case STATE.counted: {
          const to = Math.min(end, at + this.#remaining);
          this.#sink.payload(bytes, at, to);
          this.#remaining -= to - at;
          at = to;
          if (this.#remaining === 0) this.#state = STATE.done;
          break;
        }
        case STATE.chunkSize: {
          const byte = bytes[at++] ?? 0;
          const digit = hexDigit(byte);
          if (digit >= 0) {
            this.#remaining = this.#remaining * 16 + digit;
            if (this.#remaining > 2 ** 40) return 'chunk too large';
          } else if (byte === LF) this.#endChunkSize();
          else if (byte === SEMICOLON) this.#state = STATE.chunkExtension;
          else if (byte !== CR) return 'bad chunk size';
          break;
        }
        case STATE.chunkExtension:
          if (bytes[at++] === LF) this.#endChunkSize();
          break;
        case STATE.chunkData: {
          const to = Math.min(end, at + this.#remaining);
          this.#sink.payload(bytes, at, to);
          this.#remaining -= to - at;
          at = to;
          if (this.#remaining === 0) this.#state = STATE.chunkEnd;
          break;
        }
        case STATE.chunkEnd: {
          const byte = bytes[at++];
          if (byte === LF) this.#state = STATE.chunkSize;
          else if (byte !== CR) return 'chunk longer than it said';
          break;
        }
        case STATE.trailer: {
          const byte = bytes[at++];
          if (byte === LF) {
            if (this.#trailerLineBytes === 0) this.#state = STATE.done;
            this.#trailerLineBytes = 0;
          } else if (byte !== CR) this.#trailerLineBytes++;
          break;
        }
        case STATE.untilClose:
          this.#sink.payload(bytes, at, end);
          at = end;
          break;
        case STATE.head:
        case STATE.done:
          return 'bytes after the answer';
      }
    }
    return '';
  }

  #endChunkSize(): void {
    if (this.#remaining > 0) {
      this.#state = STATE.chunkData;
      return;
    }
    this.#trailerLineBytes = 0;
    this.#state = STATE.trailer;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
