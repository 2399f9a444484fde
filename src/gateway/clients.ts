import type { Answer, AnswerConsumer, AnswerHead, AnswerMeta, Cursor } from '../dedup/answer.ts';
import type { Dialect } from '../dialects/types.ts';
import type { ErrorCode } from '../errors/catalogue.ts';
import { GatewayError } from '../errors/gateway-error.ts';

const encoder = new TextEncoder();

/** What a client's end of an answer tells the exchange; each is called at most once per answer followed. */
export interface ClientEvents {
  /** The HTTP answer is known: headers may go out. */
  respond(response: Response): void;
  /** Nothing was delivered and the leader is gone: look the call up again (`last`: on this thread only). */
  lookUpAgain(last: boolean): void;
  /** The answer ended for this client: `meta` when whole, `error` when not. `begun`: its head had gone out. */
  finished(meta: AnswerMeta | null, error: GatewayError | null, begun: boolean): void;
  /** Headers the gateway adds; asked when the head is known. */
  headers(meta: AnswerMeta | null): [string, string][];
  /** First body bytes are on their way to this client. */
  firstBytes(): void;
}

/** Direct stream controller of Bun: `write` and `flush` give a pending promise while the client's socket is full. */
interface DirectController {
  write(chunk: Uint8Array): number | Promise<number>;
  flush(): number | Promise<number>;
  end(): unknown;
}

/**
 * One client of an answer: collects a whole answer, or relays a stream event by event.
 *
 * A stream's bytes are taken only while the client's socket takes them: `onBytes` answers false when a write is
 * pending, and the cursor goes on when it settles.
 */
export class AnswerClient implements AnswerConsumer {
  readonly #events: ClientEvents;
  readonly #dialect: Dialect;
  #cursor: Cursor | null = null;
  #head: AnswerHead | null = null;
  /** Whole answer: its parts. Stream: what came before the server asked for the body. */
  #chunks: Uint8Array[] = [];
  #controller: DirectController | null = null;
  #finish: (() => void) | null = null;
  /** The client has left, or has had everything. */
  #over = false;

  constructor(events: ClientEvents, dialect: Dialect) {
    this.#events = events;
    this.#dialect = dialect;
  }

  follow(answer: Answer): void {
    const cursor = answer.attach(this);
    if (this.#over) cursor.detach();
    else if (!cursor.over) this.#cursor = cursor;
  }

  /** The client is gone. */
  leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#chunks = [];
    this.#cursor?.detach();
    this.#close();
  }

  onHead(head: AnswerHead): void {
    this.#head = head;
    if (head.streamed) this.#events.respond(this.#streamResponse(head));
  }

  onBytes(chunk: Uint8Array): boolean {
    if (this.#head?.streamed === true && this.#controller !== null)
      return this.#write(this.#controller, chunk);
    this.#chunks.push(chunk);
    // Until the server asks for the body, one chunk of a stream waits here and the rest in the answer's buffer.
    return this.#head?.streamed !== true;
  }

  onEnd(meta: AnswerMeta | null): void {
    const head = this.#head;
    if (this.#over || head === null) return;
    this.#over = true;
    if (!head.streamed) {
      const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      this.#chunks = [];
      const response = new Response(body as Uint8Array<ArrayBuffer>, {
        status: head.status,
        headers: allHeaders(head, this.#events.headers(meta)),
      });
      this.#events.respond(response);
      this.#events.finished(meta, null, false);
      return;
    }
    this.#events.finished(meta, null, true);
    this.#close();
  }

  onError(code: ErrorCode, message: string): void {
    if (this.#over) return;
    this.#over = true;
    const error = new GatewayError(code, message);
    const begun = this.#head?.streamed === true;
    if (begun) {
      const event = encoder.encode(this.#dialect.errorEvent(error));
      if (this.#controller === null) this.#chunks.push(event);
      else void this.#controller.write(event);
    }
    this.#events.finished(null, error, begun);
    this.#close();
  }

  onGone(last: boolean): void {
    this.#cursor = null;
    if (!this.#over) this.#events.lookUpAgain(last);
  }

  #write(controller: DirectController, chunk: Uint8Array): boolean {
    const written = controller.write(chunk);
    const flushed = typeof written === 'number' ? controller.flush() : written;
    if (typeof flushed === 'number') return true;
    flushed.then(
      () => this.#cursor?.resume(),
      () => this.leave(),
    );
    return false;
  }

  #streamResponse(head: AnswerHead): Response {
    const body = new ReadableStream({
      type: 'direct',
      pull: (controller: unknown) =>
        new Promise<void>((resolve) => {
          this.#finish = resolve;
          this.#pulled(controller as DirectController);
        }),
      cancel: () => this.leave(),
    } as unknown as UnderlyingDefaultSource<Uint8Array>);
    return new Response(body, {
      status: head.status,
      headers: allHeaders(head, this.#events.headers(null)),
    });
  }

  /** The server asks for the body: what has waited goes out, then the answer flows. */
  #pulled(controller: DirectController): void {
    this.#controller = controller;
    this.#events.firstBytes();
    const waiting = this.#chunks;
    this.#chunks = [];
    let taken = true;
    for (const chunk of waiting) taken = this.#write(controller, chunk) && taken;
    if (this.#over) this.#close();
    else if (taken) this.#cursor?.resume();
  }

  #close(): void {
    const finish = this.#finish;
    const controller = this.#controller;
    if (finish === null || controller === null) return;
    this.#finish = null;
    this.#controller = null;
    try {
      void controller.end();
    } catch {
      // The socket went first; there is nobody left to tell.
    }
    finish();
  }
}

function allHeaders(head: AnswerHead, own: [string, string][]): [string, string][] {
  for (const [name, value] of head.headers) own.push([name, value]);
  return own;
}
