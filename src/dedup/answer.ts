import type { ErrorCode } from '../errors/catalogue.ts';
import type { ReplayBudget } from './replay-budget.ts';

/** Head of an answer as clients see it. */
export interface AnswerHead {
  readonly status: number;
  /** Field lines with their ends. */
  readonly fields: string;
  readonly streamed: boolean;
}

/** What is known at the end; crosses threads. */
export interface AnswerMeta {
  /** What the vendor's call cost; null when it has no price or no usage. */
  readonly costNanoUsd: number | null;
  /** null when the vendor said nothing of its cache: unknown is not zero. */
  readonly cacheReadTokens: number | null;
}

/** One client of an answer. After `onEnd`, `onError` or `onGone` nothing more comes. */
export interface AnswerConsumer {
  onHead(head: AnswerHead): void;
  /** Takes the chunk. False: full; nothing more until `cursor.resume()`. */
  onBytes(chunk: Uint8Array): boolean;
  onEnd(meta: AnswerMeta | null): void;
  onError(code: ErrorCode, message: string): void;
  /**
   * Nothing was delivered and the leader gave up for its own reasons: look the call up again.
   *
   * @param last the leader's thread does not answer: look at this thread's own calls only.
   */
  onGone(last: boolean): void;
}

/** Who fills an answer. */
export interface AnswerProducer {
  /** Whether any client can take bytes. */
  onDemand(wanted: boolean): void;
  /** The last client left before the end. */
  onAbandoned(): void;
}

/** Who lets clients join an answer. */
export interface AnswerOwner {
  /** The answer no longer holds everything from its start. */
  onNotJoinable(): void;
}

export const REPLAY_LIMIT_BYTES = 8 * 1024 * 1024;
/** When every client is this far behind, the producer is told to stop. */
const HIGH_WATER_BYTES = 256 * 1024;

type Ending =
  | { readonly kind: 'end'; readonly meta: AnswerMeta | null }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'gone'; readonly last: boolean };

const TOO_SLOW: Ending = {
  kind: 'error',
  code: 'follower_too_slow',
  message: 'This client took the answer too slowly to share it.',
};

/** A client's place in an answer. */
export class Cursor {
  readonly answer: Answer;
  readonly consumer: AnswerConsumer;
  /** Next chunk to deliver. */
  index = 0;
  /** Bytes delivered. */
  bytes = 0;
  headSent = false;
  blocked = false;
  over = false;

  constructor(answer: Answer, consumer: AnswerConsumer) {
    this.answer = answer;
    this.consumer = consumer;
  }

  /** The client can take bytes again. */
  resume(): void {
    if (this.over || !this.blocked) return;
    this.blocked = false;
    this.answer.advance(this);
  }

  /** The client is gone. */
  detach(): void {
    if (!this.over) this.answer.drop(this);
  }
}

/**
 * Replay buffer of one answer; its clients are cursors into it, so a late one gets all earlier bytes first and a slow
 * one delays nobody.
 *
 * ```
 *   chunks:  [c0][c1][c2][c3]…            append →
 *              ▲ first      ▲ cursor B  ▲ cursor A
 *   joinable:      everything from c0 is kept
 *   not joinable:  chunks before the slowest cursor are dropped
 * ```
 *
 * It stops being joinable when it ends, when it outgrows its limit, or when the thread's replay buffers together do.
 * From then on a client may lag behind the newest byte by the limit at most, unless it is the only one: then the
 * producer waits for it.
 */
export class Answer {
  readonly #budget: ReplayBudget | null;
  readonly #limitBytes: number;
  readonly #chunks: (Uint8Array | null)[] = [];
  readonly #cursors: Cursor[] = [];
  #head: AnswerHead | null = null;
  #ending: Ending | null = null;
  #first = 0;
  /** All bytes ever appended, and those among them that are still kept. */
  #totalBytes = 0;
  #keptBytes = 0;
  #wanted = true;
  #joinable = true;
  producer: AnswerProducer | null = null;
  owner: AnswerOwner | null = null;

  constructor(budget: ReplayBudget | null = null, limitBytes = REPLAY_LIMIT_BYTES) {
    this.#budget = budget;
    this.#limitBytes = limitBytes;
  }

  /** A late client would get the whole answer. */
  get joinable(): boolean {
    return this.#joinable;
  }

  get over(): boolean {
    return this.#ending !== null;
  }

  /** Something has been told to clients, so the answer can no longer be taken back. */
  get begun(): boolean {
    return this.#head !== null;
  }

  head(head: AnswerHead): void {
    if (this.#ending !== null) return;
    this.#head = head;
    this.#deliverAll();
  }

  /** Takes ownership of the bytes. */
  append(chunk: Uint8Array): void {
    if (this.#ending !== null || chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#totalBytes += chunk.byteLength;
    this.#keep(chunk.byteLength);
    if (
      this.#joinable &&
      (this.#totalBytes > this.#limitBytes || (this.#budget !== null && this.#budget.exceeded))
    ) {
      this.closeToJoiners();
    }
    this.#deliverAll();
    this.#trim();
    this.#demand();
  }

  /** Nobody may join any more; what only a late client would need is dropped. */
  closeToJoiners(): void {
    if (!this.#joinable) return;
    this.#joinable = false;
    this.owner?.onNotJoinable();
    this.#trim();
  }

  end(meta: AnswerMeta | null): void {
    this.#finish({ kind: 'end', meta });
  }

  fail(code: ErrorCode, message: string): void {
    this.#finish({ kind: 'error', code, message });
  }

  /** The leader gave up before any byte: clients look the call up again. */
  gone(last = false): void {
    this.#finish({ kind: 'gone', last });
  }

  /** A new client; gets what is there at once. Only while {@link joinable}. */
  attach(consumer: AnswerConsumer): Cursor {
    const cursor = new Cursor(this, consumer);
    this.#cursors.push(cursor);
    this.advance(cursor);
    return cursor;
  }

  /** Gives a client what it has not had, as long as it takes it. */
  advance(cursor: Cursor): void {
    this.#deliver(cursor);
    this.#trim();
    this.#demand();
  }

  drop(cursor: Cursor): void {
    this.#remove(cursor);
    this.#trim();
    if (this.#cursors.length === 0 && this.#ending === null) this.producer?.onAbandoned();
    else this.#demand();
  }

  #deliverAll(): void {
    const cursors = this.#cursors;
    if (cursors.length === 1) {
      this.#deliver(cursors[0]!);
      return;
    }
    // A consumer may leave or join while it is told something.
    for (const cursor of cursors.slice()) this.#deliver(cursor);
  }

  #deliver(cursor: Cursor): void {
    if (cursor.over) return;
    const { consumer } = cursor;
    if (this.#head !== null && !cursor.headSent) {
      cursor.headSent = true;
      consumer.onHead(this.#head);
    }
    while (!cursor.over && !cursor.blocked && cursor.index < this.#chunks.length) {
      const chunk = this.#chunks[cursor.index]!;
      cursor.index++;
      cursor.bytes += chunk.byteLength;
      if (!consumer.onBytes(chunk)) cursor.blocked = true;
    }
    if (this.#ending !== null && !cursor.over && !cursor.blocked) this.#conclude(cursor, this.#ending);
  }

  #finish(ending: Ending): void {
    if (this.#ending !== null) return;
    this.#ending = ending;
    this.#joinable = false;
    this.#deliverAll();
    this.#trim();
  }

  #conclude(cursor: Cursor, ending: Ending): void {
    this.#remove(cursor);
    const { consumer } = cursor;
    switch (ending.kind) {
      case 'end':
        consumer.onEnd(ending.meta);
        break;
      case 'error':
        consumer.onError(ending.code, ending.message);
        break;
      case 'gone':
        consumer.onGone(ending.last);
        break;
      default:
        ending satisfies never;
    }
  }

  #remove(cursor: Cursor): void {
    cursor.over = true;
    const at = this.#cursors.indexOf(cursor);
    if (at >= 0) this.#cursors.splice(at, 1);
  }

  /** Once nobody can join, only what some client still needs is kept, and who lags by more than the limit ends. */
  #trim(): void {
    if (this.#joinable) return;
    const cursors = this.#cursors;
    if (cursors.length > 1) {
      for (const cursor of cursors.slice()) {
        if (cursors.length > 1 && this.#totalBytes - cursor.bytes > this.#limitBytes)
          this.#conclude(cursor, TOO_SLOW);
      }
    }
    let slowest = this.#chunks.length;
    for (const cursor of cursors) if (cursor.index < slowest) slowest = cursor.index;
    while (this.#first < slowest) {
      this.#keep(-this.#chunks[this.#first]!.byteLength);
      this.#chunks[this.#first++] = null;
    }
  }

  #keep(bytes: number): void {
    this.#keptBytes += bytes;
    this.#budget?.add(bytes);
  }

  /** Bytes that lie in the buffer now. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  #demand(): void {
    if (this.#ending !== null || this.producer === null) return;
    let wanted = this.#cursors.length === 0;
    for (const cursor of this.#cursors) {
      if (!cursor.blocked || this.#totalBytes - cursor.bytes < HIGH_WATER_BYTES) {
        wanted = true;
        break;
      }
    }
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.producer.onDemand(wanted);
  }
}
