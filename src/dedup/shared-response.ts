import type { ErrorCode } from '../errors/catalogue.ts';
import type { ReplayBudget } from './replay-budget.ts';
import { ReplayBuffer } from './replay-buffer.ts';

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

/** Where an answer's bytes go. */
export interface ByteSink {
  /** Takes `bytes[start, end)`, which nobody writes to again. */
  append(bytes: Uint8Array, start: number, end: number): void;
}

/** One client of an answer. After `onEnd`, `onError` or `onGone` nothing more comes. */
export interface AnswerConsumer {
  onHead(head: AnswerHead): void;
  /** Takes `bytes[start, end)`. False: full; nothing more until `cursor.resume()`. */
  onBytes(bytes: Uint8Array, start: number, end: number): boolean;
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
  readonly answer: SharedResponse;
  readonly consumer: AnswerConsumer;
  /** Bytes delivered, which is where it stands. */
  bytes = 0;
  headSent = false;
  blocked = false;
  over = false;

  constructor(answer: SharedResponse, consumer: AnswerConsumer) {
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
 *   bytes:  0 ────────────────────────────▶   append →
 *                      ▲ cursor B      ▲ cursor A
 *   joinable:      everything from 0 on is kept
 *   not joinable:  what lies before the slowest cursor is dropped, and not kept at all where nobody is behind
 * ```
 *
 * It stops being joinable when it ends, when it outgrows its limit, or when the thread's replay buffers together do.
 * From then on a client may lag behind the newest byte by the limit at most, unless it is the only one: then the
 * producer waits for it.
 */
export class SharedResponse implements ByteSink {
  readonly #budget: ReplayBudget | null;
  readonly #limitBytes: number;
  readonly #replay = new ReplayBuffer();
  readonly #cursors: Cursor[] = [];
  #head: AnswerHead | null = null;
  #ending: Ending | null = null;
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

  append(bytes: Uint8Array, start = 0, end = bytes.byteLength): void {
    const size = end - start;
    if (this.#ending !== null || size === 0) return;
    const replay = this.#replay;
    const position = replay.end;
    if (this.#joinable || this.#someoneBehind()) {
      replay.append(bytes, start, end);
      this.#budget?.add(size);
    } else replay.skip(size);
    if (
      this.#joinable &&
      (replay.end > this.#limitBytes || (this.#budget !== null && this.#budget.exceeded))
    ) {
      this.closeToJoiners();
    }
    const cursors = this.#cursors;
    if (cursors.length === 1) this.#hand(cursors[0]!, position, bytes, start, end);
    // A consumer may leave or join while it is told something.
    else for (const cursor of cursors.slice()) this.#hand(cursor, position, bytes, start, end);
    this.#trim();
    this.#demand();
  }

  /**
   * All of a short answer in one: head, `bytes[start, end)`, end. Nothing of it is kept: every client gets it now, and one
   * that comes later makes a call of its own.
   */
  whole(head: AnswerHead, bytes: Uint8Array, start: number, end: number, meta: AnswerMeta | null): void {
    if (this.#ending !== null) return;
    this.#head = head;
    this.#ending = { kind: 'end', meta };
    this.#joinable = false;
    this.#replay.skip(end - start);
    for (const cursor of this.#cursors.slice()) {
      cursor.headSent = true;
      cursor.consumer.onHead(head);
      if (cursor.over) continue;
      if (end > start) this.#give(cursor, bytes, start, end);
      if (!cursor.over && !cursor.blocked) this.#conclude(cursor, this.#ending);
    }
  }

  /** Nobody may join any more; what only a late client would need is dropped. */
  closeToJoiners(): void {
    if (!this.#joinable) return;
    this.#joinable = false;
    this.owner?.onNotJoinable();
    this.#trim();
  }

  /** Its last record, `bytes[start, end)`, and its end in one step: whatever has to be done before it leaves has been done. */
  last(bytes: Uint8Array, start: number, end: number, meta: AnswerMeta | null): void {
    this.append(bytes, start, end);
    this.end(meta);
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

  /** Some client needs bytes that have come before, or will not take the next ones yet. */
  #someoneBehind(): boolean {
    for (const cursor of this.#cursors) if (cursor.blocked || cursor.bytes < this.#replay.end) return true;
    return false;
  }

  /** Gives the newest piece, which begins at `position`, to a client; as it came where it has had all before. */
  #hand(cursor: Cursor, position: number, bytes: Uint8Array, start: number, end: number): void {
    if (cursor.over || cursor.blocked || cursor.bytes !== position || !cursor.headSent) {
      this.#deliver(cursor);
      return;
    }
    this.#give(cursor, bytes, start, end);
  }

  #give(cursor: Cursor, bytes: Uint8Array, start: number, end: number): void {
    cursor.bytes += end - start;
    if (!cursor.consumer.onBytes(bytes, start, end)) cursor.blocked = true;
  }

  #deliver(cursor: Cursor): void {
    if (cursor.over) return;
    const { consumer } = cursor;
    const replay = this.#replay;
    if (this.#head !== null && !cursor.headSent) {
      cursor.headSent = true;
      consumer.onHead(this.#head);
    }
    while (!cursor.over && !cursor.blocked && cursor.bytes < replay.end) {
      const run = replay.read(cursor.bytes);
      this.#give(cursor, run, 0, run.byteLength);
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
    const { end } = this.#replay;
    if (cursors.length > 1) {
      for (const cursor of cursors.slice()) {
        if (cursors.length > 1 && end - cursor.bytes > this.#limitBytes) this.#conclude(cursor, TOO_SLOW);
      }
    }
    let slowest = end;
    for (const cursor of cursors) if (cursor.bytes < slowest) slowest = cursor.bytes;
    const freed = this.#replay.dropBefore(slowest);
    if (freed > 0) this.#budget?.add(-freed);
  }

  /** Bytes that lie in the buffer now. */
  get keptBytes(): number {
    return this.#replay.keptBytes;
  }

  #demand(): void {
    if (this.#ending !== null || this.producer === null) return;
    let wanted = this.#cursors.length === 0;
    for (const cursor of this.#cursors) {
      if (!cursor.blocked || this.#replay.end - cursor.bytes < HIGH_WATER_BYTES) {
        wanted = true;
        break;
      }
    }
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.producer.onDemand(wanted);
  }
}
