import { HeaderFields } from '../http1/fields.ts';
import type { RequestHead } from '../http1/request-head.ts';

/** The client left, fell silent or broke the framing before its request was whole. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
}

/** The request's body is larger than its reader takes. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError';
}

/** The client has taken longer over the body than it may. */
export class BodyTimeoutError extends Error {
  override readonly name = 'BodyTimeoutError';
}

/** Counts what a body holds while it is still coming; one per such body. Whatever becomes of that, it is told so by one `done`. */
export interface BodyMeter {
  /** So many bytes are here. False: for now there is no room for more, and the connection is not read until it may go on. */
  holds(bytes: number): boolean;
  /** The body is whole, or never will be. */
  done(): void;
}

/** Is told that a client has left before its answer was complete; once. */
export interface ClientWatch {
  clientLeft(): void;
}

const NO_FIELDS = new HeaderFields('', []);

/** The connection that carries a request; only the one that is its turn may speak. */
export interface Carrier {
  readonly remoteAddress: string;
  readBody(maxBytes: number): Uint8Array | Promise<Uint8Array>;
  meterBody(meter: BodyMeter): void;
  resumeBody(): void;
  endBody(error: Error): void;
  send(
    request: Incoming,
    status: number,
    fields: string,
    body: Uint8Array | string,
    start: number,
    end: number,
  ): void;
  begin(request: Incoming, status: number, fields: string): void;
  write(bytes: Uint8Array, start: number, end: number): boolean;
  end(request: Incoming): void;
}

/**
 * One request and its answer: either {@link send}, or {@link begin}, {@link write}… and {@link end}.
 *
 * Once it is answered, or the client has left, every method is without effect: a late producer harms nobody.
 */
export class Incoming {
  readonly method: string;
  /** As it came, without the query. */
  path: string;
  fields: HeaderFields;
  /** Its target had a host in it, as for a proxy. */
  readonly absolute: boolean;
  readonly http10: boolean;
  /** The connection carries further requests after this one. */
  keepAlive: boolean;
  /** An object and no closure: there is one for every request in flight. */
  watch: ClientWatch | null = null;
  /** The client takes bytes again after a {@link write} that answered false. */
  onDrain: (() => void) | null = null;
  /** Field lines that its answer gets beside those of whoever answers it, whatever the answer is. */
  extraFields = '';
  #carrier: Carrier | null;
  #begun = false;

  constructor(head: RequestHead, carrier: Carrier) {
    this.method = head.method;
    this.path = head.path;
    this.fields = head.fields;
    this.absolute = head.absolute;
    this.http10 = head.http10;
    this.keepAlive = head.keepAlive;
    this.#carrier = carrier;
  }

  /** Answered in full, or the client is gone. */
  get over(): boolean {
    return this.#carrier === null;
  }

  get remoteAddress(): string {
    return this.#carrier?.remoteAddress ?? '';
  }

  /**
   * The body, whole; at once where it has come already. Once per request. Throws or rejects with {@link BodyTooLargeError},
   * {@link BodyTimeoutError} or {@link ClientGoneError}, or with what {@link endBody} was given.
   */
  readBody(maxBytes: number): Uint8Array | Promise<Uint8Array> {
    if (this.#carrier === null) throw new ClientGoneError('the client has left');
    return this.#carrier.readBody(maxBytes);
  }

  /** Has the rest of a body that is being read counted; the meter is done at once where none will come. */
  meterBody(meter: BodyMeter): void {
    if (this.#carrier === null) meter.done();
    else this.#carrier.meterBody(meter);
  }

  /** There is room again for a body whose meter has answered false. */
  resumeBody(): void {
    this.#carrier?.resumeBody();
  }

  /** Gives a body up that is being read: its reader gets the error, and the connection ends with the answer. */
  endBody(error: Error): void {
    this.#carrier?.endBody(error);
  }

  /** Path and fields have been read: a request that waits for its answer does not keep them alive. */
  forgetHead(): void {
    this.path = '';
    this.fields = NO_FIELDS;
  }

  /** A whole answer. `fields`: lines with their ends; of a body in bytes, `body[start, end)` goes out. */
  send(status: number, fields: string, body: Uint8Array | string, start = 0, end = body.length): void {
    const carrier = this.#carrier;
    if (carrier === null || this.#begun) return;
    this.#release();
    carrier.send(this, status, fields + this.extraFields, body, start, end);
  }

  /** Head of an answer in pieces; it goes out with the first of them, or at the end of this turn of the event loop. */
  begin(status: number, fields: string): void {
    if (this.#carrier === null || this.#begun) return;
    this.#begun = true;
    this.#carrier.begin(this, status, fields + this.extraFields);
  }

  /** `bytes[start, end)` as a piece of the body. False: the client is slow, write on after {@link onDrain}. The bytes are kept either way. */
  write(bytes: Uint8Array, start = 0, end = bytes.byteLength): boolean {
    if (this.#carrier === null || !this.#begun || start === end) return true;
    return this.#carrier.write(bytes, start, end);
  }

  end(): void {
    const carrier = this.#carrier;
    if (carrier === null || !this.#begun) return;
    this.#release();
    carrier.end(this);
  }

  /** For the connection: what was written has left. */
  drained(): void {
    this.onDrain?.();
  }

  /** For the connection: the client has left. */
  abort(): void {
    if (this.#carrier === null) return;
    const { watch } = this;
    this.#release();
    watch?.clientLeft();
  }

  #release(): void {
    this.#carrier = null;
    this.watch = null;
    this.onDrain = null;
  }
}
