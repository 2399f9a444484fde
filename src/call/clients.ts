import type {
  SharedResponse,
  AnswerConsumer,
  AnswerHead,
  AnswerMeta,
  Cursor,
} from '../dedup/shared-response.ts';
import type { Dialect } from '../dialects/types.ts';
import type { ErrorCode } from '../errors/catalogue.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Incoming } from '../server/incoming.ts';
import { Gathered } from '../std/bytes.ts';

/** What a client's end of an answer tells the exchange; each is called at most once per answer followed. */
export interface ClientEvents {
  /** As answers and errors tell it. */
  readonly requestId: string;
  /** Field lines the gateway adds; asked when the answer's head is known. */
  fields(head: AnswerHead, meta: AnswerMeta | null): string;
  /** Nothing was delivered and the leader is gone: look the call up again (`last`: on this thread only). */
  lookUpAgain(last: boolean): void;
  /** The answer ended for this client: `meta` when whole, `error` when not. `begun`: its head had gone out. */
  finished(meta: AnswerMeta | null, error: GatewayError | null, begun: boolean): void;
  /** First body bytes of a stream are on their way to this client. */
  firstBytes(): void;
}

/**
 * One client of an answer: collects a whole answer, or relays a stream as it comes.
 *
 * A stream's bytes are taken only while the client's socket takes them: `onBytes` answers false when it is full, and the
 * cursor goes on when it has drained.
 */
export class AnswerClient implements AnswerConsumer {
  readonly #request: Incoming;
  readonly #events: ClientEvents;
  readonly #dialect: Dialect;
  #cursor: Cursor | null = null;
  #head: AnswerHead | null = null;
  #streaming = false;
  /** Of a whole answer, once some of it has come: thousands wait for that at a time. */
  #body: Gathered | null = null;
  /** The client has left, or has had everything. */
  #over = false;

  constructor(request: Incoming, events: ClientEvents, dialect: Dialect) {
    this.#request = request;
    this.#events = events;
    this.#dialect = dialect;
  }

  follow(answer: SharedResponse): void {
    const cursor = answer.attach(this);
    if (this.#over) cursor.detach();
    else if (!cursor.over) this.#cursor = cursor;
  }

  /** The client is gone. */
  leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#body = null;
    this.#cursor?.detach();
  }

  onHead(head: AnswerHead): void {
    this.#head = head;
    if (!head.streamed) return;
    this.#request.onDrain = () => this.#cursor?.resume();
    this.#request.begin(head.status, head.fields + this.#events.fields(head, null));
  }

  onBytes(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#head?.streamed === true) {
      if (!this.#streaming) {
        this.#streaming = true;
        this.#events.firstBytes();
      }
      return this.#request.write(bytes, start, end);
    }
    this.#body ??= new Gathered();
    this.#body.add(bytes, start, end);
    return true;
  }

  onEnd(meta: AnswerMeta | null): void {
    const head = this.#head;
    if (this.#over || head === null) return;
    this.#over = true;
    if (head.streamed) this.#request.end();
    else {
      const fields = head.fields + this.#events.fields(head, meta);
      const body = this.#body;
      if (body === null) this.#request.send(head.status, fields, '');
      else {
        body.join();
        this.#request.send(head.status, fields, body.bytes, body.start, body.end);
      }
    }
    this.#events.finished(meta, null, head.streamed);
  }

  onError(code: ErrorCode, message: string): void {
    if (this.#over) return;
    this.#over = true;
    const error = new GatewayError(code, message);
    const begun = this.#head?.streamed === true;
    if (begun) {
      this.#request.write(Buffer.from(this.#dialect.errorEvent(error, this.#events.requestId)));
      this.#request.end();
    }
    this.#events.finished(null, error, begun);
  }

  onGone(last: boolean): void {
    this.#cursor = null;
    if (!this.#over) this.#events.lookUpAgain(last);
  }
}
