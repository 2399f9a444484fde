import { ChunkedDecoder } from './chunked.ts';
import { type HeadError, isHeadError, parseHead, type RequestHead } from './head.ts';

export interface HttpRequest {
  readonly head: RequestHead;
  readonly body: Buffer;
}

export const isRequest = (value: HttpRequest | HeadError): value is HttpRequest => 'head' in value;

const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_HEAD_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);
const CR = 13;

/**
 * Cuts a byte stream into requests. A request that arrives in one piece is not copied; one that comes in many is joined
 * once, when it is whole.
 */
export class RequestReader {
  readonly #maxBodyBytes: number;
  /** Called when a client waits for leave to send its body. */
  readonly #sendContinue: () => void;
  #parts: Buffer[] = [];
  #have = 0;
  /** No use in looking before this many bytes are here. */
  #need = 1;
  #head: RequestHead | null = null;
  /** Clients repeat themselves: the same head need not be parsed twice. */
  #lastText = '';
  #lastHead: RequestHead | null = null;
  #decoder: ChunkedDecoder | null = null;

  constructor(maxBodyBytes: number, sendContinue: () => void) {
    this.#maxBodyBytes = maxBodyBytes;
    this.#sendContinue = sendContinue;
  }

  /** Bytes of an unfinished or not yet asked for request. */
  get buffered(): number {
    return this.#have;
  }

  push(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#have += bytes.length;
  }

  /** The next whole request; null: more bytes are needed. After an error the reader is of no more use. */
  next(): HttpRequest | HeadError | null {
    if (this.#have < this.#need) return null;
    let bytes =
      this.#parts.length === 1 ? (this.#parts[0] ?? NOTHING) : Buffer.concat(this.#parts, this.#have);
    if (this.#head === null) {
      // Empty lines before a request line are to be ignored (RFC 9112 §2.2).
      let start = 0;
      while (bytes[start] === CR && bytes[start + 1] === 10) start += 2;
      if (start > 0) bytes = bytes.subarray(start);
      const end = bytes.indexOf(HEAD_END);
      if (end === -1 || end > MAX_HEAD_BYTES) {
        if (bytes.length > MAX_HEAD_BYTES) return { status: 431, reason: 'request head too large' };
        this.#keep(bytes, bytes.length + 1);
        return null;
      }
      const head = this.#parse(bytes.toString('latin1', 0, end));
      if (isHeadError(head)) return head;
      if (head.contentLength > this.#maxBodyBytes) return { status: 413, reason: 'request body too large' };
      bytes = bytes.subarray(end + HEAD_END.length);
      this.#head = head;
      if (head.chunked) this.#decoder = new ChunkedDecoder();
      if (head.expectsContinue && (head.chunked || bytes.length < head.contentLength)) this.#sendContinue();
    }
    return this.#decoder === null
      ? this.#sized(this.#head, bytes)
      : this.#chunked(this.#head, this.#decoder, bytes);
  }

  #parse(text: string): RequestHead | HeadError {
    if (this.#lastHead !== null && this.#lastText === text) return this.#lastHead;
    const head = parseHead(text);
    if (isHeadError(head)) return head;
    this.#lastText = text;
    this.#lastHead = head;
    return head;
  }

  #sized(head: RequestHead, bytes: Buffer): HttpRequest | null {
    if (bytes.length < head.contentLength) {
      this.#keep(bytes, head.contentLength);
      return null;
    }
    return this.#finish(head, bytes.subarray(0, head.contentLength), bytes.subarray(head.contentLength));
  }

  #chunked(head: RequestHead, decoder: ChunkedDecoder, bytes: Buffer): HttpRequest | HeadError | null {
    const rest = decoder.feed(bytes);
    if (rest === null) return { status: 400, reason: 'malformed chunked body' };
    if (decoder.length > this.#maxBodyBytes) return { status: 413, reason: 'request body too large' };
    if (decoder.done) return this.#finish(head, Buffer.concat(decoder.parts, decoder.length), rest);
    this.#keep(rest, rest.length + 1);
    return null;
  }

  #finish(head: RequestHead, body: Buffer, rest: Buffer): HttpRequest {
    this.#head = null;
    this.#decoder = null;
    this.#keep(rest, 1);
    return { head, body };
  }

  #keep(rest: Buffer, need: number): void {
    if (rest.length === 0) this.#parts.length = 0;
    else this.#parts = [rest];
    this.#have = rest.length;
    this.#need = need;
  }
}
