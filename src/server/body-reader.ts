import { ChunkFraming } from '../http1/chunked.ts';
import { CHUNKED } from '../http1/message-head.ts';
import { Gathered } from '../std/bytes.ts';
import { BodyTooLargeError, ClientGoneError, type BodyMeter } from './incoming.ts';

const MAX_TRAILER_BYTES = 8 * 1024;

interface Waiter {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The body of the request whose turn it is on a connection (RFC 9112 §6, §7.1), from its first byte on.
 *
 * Bytes that come before anybody asks for them are held; once nobody will, they are dropped.
 */
export class BodyReader {
  #chunks: ChunkFraming | null = null;
  #chunked = false;
  /** Bytes of a sized body still to come. */
  #left = 0;
  readonly #held = new Gathered();
  #heldBytes = 0;
  #maxBytes = Infinity;
  #dropping = false;
  #waiter: Waiter | null = null;
  #meter: BodyMeter | null = null;
  done = true;
  /** Its meter has no room for more of it. */
  full = false;

  /** Expects the body of a request; `length` in bytes, or `CHUNKED`. */
  expect(length: number): void {
    this.#chunked = length === CHUNKED;
    this.#left = this.#chunked ? 0 : length;
    this.#maxBytes = Infinity;
    this.#dropping = false;
    this.done = length === 0;
    this.full = false;
    if (this.#chunked) {
      this.#chunks ??= new ChunkFraming(MAX_TRAILER_BYTES, 'strict');
      this.#chunks.reset();
    }
  }

  /** Bytes that lie here and wait to be asked for. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Somebody waits for the rest. */
  get wanted(): boolean {
    return this.#waiter !== null;
  }

  /** Bytes still to come; Infinity where nobody knows. */
  get left(): number {
    return this.done ? 0 : this.#chunked ? Infinity : this.#left;
  }

  /** Takes what of `bytes` from `at` on belongs to the body; answers where it ends. Throws ProtocolError. */
  push(bytes: Buffer, from: number): number {
    let at = from;
    if (!this.#chunked) {
      const taken = Math.min(this.#left, bytes.length - at);
      this.#left -= taken;
      this.#keep(bytes, at, at + taken);
      if (this.#left === 0) this.#complete();
      return at + taken;
    }
    const chunks = this.#chunks!;
    while (at < bytes.length && !chunks.done) {
      at = chunks.frame(bytes, at);
      const taken = Math.min(chunks.left, bytes.length - at);
      if (taken === 0) continue;
      chunks.take(taken);
      this.#keep(bytes, at, at + taken);
      at += taken;
    }
    if (chunks.done) this.#complete();
    return at;
  }

  /** The whole body, at once where it is here. Throws or rejects with {@link BodyTooLargeError}. */
  read(maxBytes: number): Uint8Array | Promise<Uint8Array> {
    if (this.#heldBytes + (this.#chunked ? 0 : this.#left) > maxBytes) throw this.#tooLarge();
    if (this.done) return this.#join();
    this.#maxBytes = maxBytes;
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** Has the rest counted that somebody waits for; where nobody does any more, there is nothing to count. */
  meter(meter: BodyMeter): void {
    if (this.#waiter === null) {
      meter.done();
      return;
    }
    this.#meter = meter;
    this.#ask();
  }

  /** Nobody will ask for the body any more: what still comes is dropped. */
  drop(): void {
    this.#endMeter();
    this.#dropping = true;
    this.#held.free();
    this.#heldBytes = 0;
  }

  /** The rest will not come, or is not wanted any more. */
  fail(error?: Error): void {
    this.#settle()?.reject(error ?? new ClientGoneError('the connection ended before the request was whole'));
    this.drop();
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (start === end || this.#dropping) return;
    this.#heldBytes += end - start;
    if (this.#heldBytes > this.#maxBytes) {
      this.#settle()?.reject(this.#tooLarge());
      return;
    }
    // Before they are kept: where there is no room the body may have to go, and its memory with it.
    this.#ask();
    if (!this.#dropping) this.#held.add(bytes, start, end);
  }

  /** Asks whether there is room for what has come. The answer may be that the body ends, and its meter with it. */
  #ask(): void {
    const meter = this.#meter;
    if (meter === null) return;
    const full = !meter.holds(this.#heldBytes);
    this.full = full && this.#meter === meter;
  }

  #complete(): void {
    this.done = true;
    this.#endMeter();
    const waiter = this.#settle();
    if (waiter !== null) waiter.resolve(this.#join());
  }

  #tooLarge(): BodyTooLargeError {
    this.drop();
    return new BodyTooLargeError('the body is too large');
  }

  #join(): Uint8Array {
    const held = this.#held;
    held.join();
    const { bytes, start, end } = held;
    held.clear();
    this.#heldBytes = 0;
    return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
  }

  #endMeter(): void {
    const meter = this.#meter;
    this.#meter = null;
    this.full = false;
    meter?.done();
  }

  #settle(): Waiter | null {
    const waiter = this.#waiter;
    this.#waiter = null;
    return waiter;
  }
}
