import type { Socket } from 'bun';
import { findHeadEnd } from '../http1/message-head.ts';
import { ProtocolError } from '../http1/protocol-error.ts';
import { parseRequestHead, type RequestHead } from '../http1/request-head.ts';
import { freeBytes } from '../std/bytes.ts';
import { BodyReader } from './body-reader.ts';
import type { ConnectionHost } from './connection-host.ts';
import { HeldBytes } from './held-bytes.ts';
import { BodyTimeoutError, Incoming, type BodyMeter, type Carrier } from './incoming.ts';
import { Patience, Verdict } from './patience.ts';
import { PHASE, type Phase } from './phase.ts';
import { replyHead, type Framing } from './reply-head.ts';
import { SendQueue } from './send-queue.ts';

const CR = 0x0d;
const LF = 0x0a;
/** Bytes of a body that nobody has asked for, or of requests behind the one that is answered; more stay in the system. */
const MAX_AHEAD_BYTES = 64 * 1024;
/** The rest of an unread body of this size is read over, so that the connection can go on; a larger one ends it. */
const MAX_DROPPED_BYTES = 64 * 1024;
/** So many requests of one connection are taken in a row, then it is the others' turn. */
const MAX_IN_A_ROW = 64;
/** After so long without room a body is read on by one piece, to see whether its client is still there. */
const PEEK_MS = 500;
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

/**
 * One client connection: requests are answered one after the other, in their order (RFC 9112 §9.3.2).
 *
 * ```
 *   socket ─▶ head ─▶ Incoming ─▶ handler ─▶ SendQueue ─▶ socket
 *               └───▶ BodyReader ──▲
 * ```
 */
export class ClientConnection implements Carrier {
  readonly #socket: Socket<ClientConnection>;
  readonly #host: ConnectionHost;
  readonly #queue: SendQueue;
  readonly #body = new BodyReader();
  #phase: Phase = PHASE.Waiting;
  #request: Incoming | null = null;
  readonly #held = new HeldBytes();
  /** Requests taken since the connection last had nothing more to read, or let others go first. */
  #inARow = 0;
  /** It is the others' turn. */
  #yielding = false;
  #paused = false;
  #pumping = false;
  #expectsContinue = false;
  /** Head of an answer in pieces that has not gone out, '' when it has. */
  #head = '';
  /** Its body ends with the connection: the client knows no chunks. */
  #raw = false;
  readonly #patience: Patience;
  /** Index in the listener's list. */
  place = -1;

  constructor(socket: Socket<ClientConnection>, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#queue = new SendQueue(socket);
    this.#patience = new Patience(host);
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress;
  }

  /** A request is under way or waits its turn, or part of an answer has not left. */
  get busy(): boolean {
    const { size } = this.#held;
    return this.#phase === PHASE.Busy || this.#phase === PHASE.Head || size > 0 || !this.#queue.empty;
  }

  received(chunk: Buffer): void {
    if (this.#phase >= PHASE.Closing) {
      // Who was refused may have megabytes to send yet.
      freeBytes(chunk);
      return;
    }
    // A head has its time as a whole, or it could come byte by byte for ever.
    if (this.#body.wanted || (this.#phase !== PHASE.Busy && this.#phase !== PHASE.Head))
      this.#patience.clientsTurn();
    // Behind a request that is being answered, and behind an unfinished head, bytes are kept together.
    if (this.#held.size > 0) this.#hold(chunk, 0);
    else this.#pump(chunk);
    if (this.#held.size > 0 && this.#phase !== PHASE.Busy) this.#pumpHeld();
  }

  drained(): void {
    if (this.#queue.empty) return;
    this.#patience.clientsTurn();
    if (!this.#queue.flush()) return;
    if (this.#phase === PHASE.Closing) this.#linger();
    else if (this.#request !== null) this.#request.drained();
    else this.#goOn();
  }

  /** The socket has closed, or the client will send no more. */
  gone(reset = false): void {
    if (this.#phase === PHASE.Closed) return;
    this.#phase = PHASE.Closed;
    const request = this.#request;
    this.#request = null;
    this.#held.clear();
    this.#queue.clear();
    this.#body.fail();
    request?.abort();
    if (reset) this.#socket.terminate();
    else this.#socket.end();
  }

  /** Ends a connection whose client does not do its part. */
  sweep(nowMs: number): void {
    const verdict = this.#patience.verdict(this.#phase, nowMs, this.#body, this.#queue.empty);
    if (verdict === Verdict.LateBody) this.endBody(new BodyTimeoutError('the body took too long'));
    else if (verdict !== Verdict.Wait) this.gone(verdict === Verdict.Reset);
    // Of a paused socket a reset is told, an end is not: who waits long for room has a piece more read, and behind it the end.
    else if (this.#body.full && this.#patience.silentMs(nowMs) >= PEEK_MS) this.#resume();
  }

  /** Lets the client go where it has no request under way. */
  closeIfIdle(): void {
    if (this.#phase === PHASE.Waiting && this.#queue.empty && this.#held.size === 0) this.#close();
  }

  readBody(maxBytes: number): Uint8Array | Promise<Uint8Array> {
    const body = this.#body.read(maxBytes);
    if (body instanceof Promise) {
      this.#patience.clientsTurn();
      if (this.#expectsContinue) this.#queue.text(CONTINUE);
      this.#resume();
    }
    this.#expectsContinue = false;
    return body;
  }

  meterBody(meter: BodyMeter): void {
    this.#body.meter(meter);
    if (this.#body.full) this.#pause();
  }

  resumeBody(): void {
    this.#body.full = false;
    this.#resume();
  }

  endBody(error: Error): void {
    if (this.#request === null || !this.#body.wanted) return;
    this.#request.keepAlive = false;
    this.#body.fail(error);
    this.#resume();
  }

  send(
    request: Incoming,
    status: number,
    fields: string,
    body: Uint8Array | string,
    start: number,
    end: number,
  ): void {
    if (request !== this.#request) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : end - start;
    const head = this.#replyHead(request, status, fields, length);
    this.#noteWrite(this.#queue.whole(head, request.method === 'HEAD' ? '' : body, start, end));
    this.#answered(request);
  }

  begin(request: Incoming, status: number, fields: string): void {
    if (request !== this.#request) return;
    this.#raw = request.http10;
    if (request.http10) request.keepAlive = false;
    this.#head = this.#replyHead(request, status, fields, request.http10 ? 'close' : 'chunked');
    // As a rule the first piece follows at once, and both go out together.
    queueMicrotask(() => {
      if (this.#head !== '' && this.#request === request) this.#noteWrite(this.#queue.text(this.#takeHead()));
    });
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#noteWrite(this.#queue.chunk(this.#takeHead(), bytes, start, end, this.#raw));
  }

  end(request: Incoming): void {
    if (request !== this.#request) return;
    const head = this.#takeHead();
    if (!this.#raw) this.#noteWrite(this.#queue.lastChunk(head));
    else if (head !== '') this.#noteWrite(this.#queue.text(head));
    this.#answered(request);
  }

  #replyHead(request: Incoming, status: number, fields: string, framing: Framing): string {
    // A client that was not told to go on may send its body or not: what comes next could be either.
    const unsaid = this.#expectsContinue && !this.#body.done;
    if (this.#host.closing || unsaid || this.#body.left > MAX_DROPPED_BYTES) request.keepAlive = false;
    return replyHead(status, fields, framing, request.keepAlive, request.http10);
  }

  #takeHead(): string {
    const head = this.#head;
    if (head !== '') this.#head = '';
    return head;
  }

  #noteWrite(all: boolean): boolean {
    // From here on it is the client's turn.
    if (!all) this.#patience.clientsTurn();
    return all;
  }

  #answered(request: Incoming): void {
    this.#request = null;
    this.#body.drop();
    this.#patience.clientsTurn();
    if (!request.keepAlive) this.#close();
    else if (this.#body.done) this.#phase = PHASE.Waiting;
    else {
      this.#phase = PHASE.Dropping;
      this.#resume();
    }
    if (!this.#pumping) this.#goOn();
  }

  /** The next request may have come already. While the last answer has not left, it waits: the client is slow. */
  #goOn(): void {
    if (this.#phase >= PHASE.Closing || !this.#queue.empty || this.#yielding) return;
    this.#resume();
    if (this.#held.size > 0) this.#pumpHeld();
  }

  #pumpHeld(): void {
    if (this.#pumping || this.#yielding || this.#phase === PHASE.Busy || !this.#queue.empty) return;
    const bytes = this.#held.take();
    if (bytes !== null) this.#pump(bytes);
  }

  /** Thousands of small requests can come in one read; the thread's other clients must not wait for all of them. */
  #yield(): void {
    this.#yielding = true;
    this.#pause();
    setImmediate(() => {
      this.#yielding = false;
      this.#inARow = 0;
      this.#goOn();
    });
  }

  #pump(bytes: Buffer): void {
    this.#pumping = true;
    let at = 0;
    while (at < bytes.length && this.#phase < PHASE.Closing) {
      if (!this.#body.done) {
        at = this.#pushBody(bytes, at);
        continue;
      }
      if (this.#phase === PHASE.Busy || this.#yielding || !this.#queue.empty) break;
      if (this.#inARow === MAX_IN_A_ROW) {
        this.#yield();
        break;
      }
      const next = this.#readHead(bytes, at);
      if (next < 0) break;
      at = next;
    }
    this.#pumping = false;
    if (this.#phase >= PHASE.Closing) return;
    if (at < bytes.length) {
      this.#hold(bytes, at);
      return;
    }
    this.#inARow = 0;
    if (this.#phase !== PHASE.Busy) this.#resume();
  }

  #pushBody(bytes: Buffer, from: number): number {
    try {
      const at = this.#body.push(bytes, from);
      if (this.#body.done && this.#phase === PHASE.Dropping) this.#phase = PHASE.Waiting;
      const ahead = this.#body.heldBytes > MAX_AHEAD_BYTES && !this.#body.wanted && !this.#body.done;
      if (ahead || this.#body.full) this.#pause();
      return at;
    } catch (error) {
      this.#broken(error);
      return bytes.length;
    }
  }

  /** Reads a head at `from` and hands its request over; answers where it ends, -1 when more bytes are needed. */
  #readHead(bytes: Buffer, from: number): number {
    let start = from;
    // §2.2: empty lines before a request are to be ignored.
    while (bytes[start] === CR && bytes[start + 1] === LF) start += 2;
    if (start >= bytes.length) {
      this.#phase = PHASE.Waiting;
      return bytes.length;
    }
    this.#phase = PHASE.Head;
    const { maxHeadBytes } = this.#host;
    const end = findHeadEnd(bytes, start, Math.min(bytes.length, start + maxHeadBytes));
    if (end < 0) {
      if (bytes.length - start < maxHeadBytes) return -1;
      this.#refuse('head_too_large');
      return bytes.length;
    }
    let head: RequestHead;
    try {
      head = parseRequestHead(bytes, start, end);
    } catch (error) {
      this.#broken(error);
      return bytes.length;
    }
    return this.#open(head, bytes, end);
  }

  #open(head: RequestHead, bytes: Buffer, bodyAt: number): number {
    const request = new Incoming(head, this);
    this.#request = request;
    this.#inARow++;
    this.#phase = PHASE.Busy;
    this.#body.expect(head.bodyLength);
    let at = bodyAt;
    if (!this.#body.done) {
      this.#patience.bodyBegins();
      if (at < bytes.length) at = this.#pushBody(bytes, at);
      if (this.#phase !== PHASE.Busy) return at;
      this.#expectsContinue =
        !this.#body.done && !head.http10 && head.fields.get('expect')?.toLowerCase() === '100-continue';
    }
    try {
      this.#host.onRequest(request);
    } catch (error) {
      this.#host.onDefect(error, request);
    }
    return at;
  }

  #hold(bytes: Buffer, from: number): void {
    this.#held.add(bytes, from);
    // Nothing of it is read before the answer has left, and how long that takes is the client's choice.
    if (this.#held.size > MAX_AHEAD_BYTES && (this.#phase === PHASE.Busy || !this.#queue.empty))
      this.#pause();
  }

  /** A request that cannot be read: who asks for its body hears so; without one the client does. */
  #broken(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    const request = this.#request;
    if (request === null || !request.over) this.#refuse(error);
    else this.gone();
  }

  #refuse(error: ProtocolError | 'head_too_large'): void {
    const request = this.#request;
    this.#request = null;
    const { status, fields, body } = this.#host.refusal(error);
    // Nothing of an answer has gone out before its request was whole, but for an early refusal, which closes too.
    if (this.#head === '')
      this.#queue.whole(replyHead(status, fields, Buffer.byteLength(body), false, false), body, 0, 0);
    this.#body.fail();
    request?.abort();
    this.#close();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** Closes once everything is sent. */
  #close(): void {
    this.#phase = PHASE.Closing;
    this.#patience.clientsTurn();
    this.#held.clear();
    this.#resume();
    if (this.#queue.empty) this.#linger();
  }

  /**
   * To close while the client still sends would be a reset, which may overtake the answer (RFC 9112 §9.6): only the sending
   * half is closed, and what comes is dropped until the client closes too.
   */
  #linger(): void {
    this.#phase = PHASE.Lingering;
    this.#socket.shutdown();
  }
}
