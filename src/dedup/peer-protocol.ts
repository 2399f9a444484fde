import type { ErrorCode } from '../errors/catalogue.ts';
import type { Peer } from '../shared/peer-hub.ts';
import type { Chained } from '../std/hash-table.ts';
import type { AnswerConsumer, AnswerHead, AnswerMeta, Cursor } from './shared-response.ts';

/** From the thread that follows to the thread that leads. `id` is the asking thread's, used once. */
export type ToLeader =
  | { readonly t: 'join'; readonly id: number; readonly hash: string }
  /** So many bytes have found room on the asking thread. */
  | { readonly t: 'taken'; readonly id: number; readonly bytes: number }
  | { readonly t: 'leave'; readonly id: number };

/** From the thread that leads: `snapshot`, then all events so far, then the rest as they come; or `gone`. */
export type ToFollower =
  | { readonly t: 'snapshot'; readonly id: number }
  | { readonly t: 'head'; readonly id: number; readonly head: AnswerHead }
  | { readonly t: 'bytes'; readonly id: number; readonly chunk: Uint8Array }
  | { readonly t: 'end'; readonly id: number; readonly meta: AnswerMeta | null }
  | { readonly t: 'fail'; readonly id: number; readonly code: ErrorCode; readonly message: string }
  | { readonly t: 'gone'; readonly id: number };

export type DedupMessage = ToLeader | ToFollower;

/** What the PeerHub hands to the DedupTable. */
export const DEDUP_MESSAGES: Readonly<Record<DedupMessage['t'], true>> = {
  join: true,
  taken: true,
  leave: true,
  snapshot: true,
  head: true,
  bytes: true,
  end: true,
  fail: true,
  gone: true,
};

/** Bytes a thread may have on their way to another before it waits for them to be taken. */
const WINDOW_BYTES = 256 * 1024;

/** A follower on another thread, as the leader's answer sees it: one more client. */
export class RemoteConsumer implements AnswerConsumer, Chained<string, RemoteConsumer> {
  /** {@link keyOf}. */
  readonly key: string;
  nextInBucket: RemoteConsumer | null = null;
  readonly peer: Peer;
  readonly #id: number;
  readonly #over: (consumer: RemoteConsumer) => void;
  #cursor: Cursor | null = null;
  #onTheWay = 0;

  constructor(peer: Peer, id: number, over: (consumer: RemoteConsumer) => void) {
    this.key = RemoteConsumer.keyOf(peer, id);
    this.peer = peer;
    this.#id = id;
    this.#over = over;
  }

  /** Ids are the asking thread's own. */
  static keyOf(peer: Peer, id: number): string {
    return `${peer.incarnation}:${id}`;
  }

  set cursor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  taken(bytes: number): void {
    this.#onTheWay -= bytes;
    if (this.#onTheWay < WINDOW_BYTES) this.#cursor?.resume();
  }

  detach(): void {
    this.#cursor?.detach();
  }

  onHead(head: AnswerHead): void {
    this.#send({ t: 'head', id: this.#id, head });
  }

  onBytes(bytes: Uint8Array, start: number, end: number): boolean {
    // A message carries the whole buffer of a view.
    const range = bytes.subarray(start, end);
    const chunk = range.byteLength * 2 < range.buffer.byteLength ? new Uint8Array(range) : range;
    this.#send({ t: 'bytes', id: this.#id, chunk });
    this.#onTheWay += end - start;
    return this.#onTheWay < WINDOW_BYTES;
  }

  onEnd(meta: AnswerMeta | null): void {
    this.#over(this);
    this.#send({ t: 'end', id: this.#id, meta });
  }

  onError(code: ErrorCode, message: string): void {
    this.#over(this);
    this.#send({ t: 'fail', id: this.#id, code, message });
  }

  onGone(): void {
    this.#over(this);
    this.#send({ t: 'gone', id: this.#id });
  }

  #send(message: ToFollower): void {
    this.peer.send(message);
  }
}
