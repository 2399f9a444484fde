import type { UnclaimedReason } from '../shared/labels.ts';
import type { Peer, PeerHub, PeerListener } from '../shared/peer-hub.ts';
import { type Chained, HashTable, SERIAL, TEXT } from '../std/hash-table.ts';
import { SharedResponse, type AnswerOwner, type AnswerProducer } from './shared-response.ts';
import type { ClaimTable } from './claim-table.ts';
import { FULL_HASH, hashOfText, textOfHash } from './full-hash.ts';
import {
  DEDUP_MESSAGES,
  RemoteConsumer,
  type DedupMessage,
  type ToFollower,
  type ToLeader,
} from './peer-protocol.ts';
import type { ReplayBudget } from './replay-budget.ts';

/** This request calls the vendor and fills `answer`. */
export interface Lead {
  readonly role: 'leader';
  readonly answer: SharedResponse;
  /** The call is over (done, failed, aborted): it can no longer be joined. Twice is harmless. */
  release(): void;
  /** The leader's own quota or deadline stopped it before a byte: followers look the call up again. */
  gone(): void;
}

/** Another request's answer, on this thread or followed from another. */
export interface Follow {
  readonly role: 'follower';
  readonly answer: SharedResponse;
}

const JOIN_TIMEOUT_MS = 250;
const SWEEP_MS = 1_000;
/** A request looks its call up once, and twice more after GONE; then it leads unclaimed. */
export const MAX_ATTEMPTS = 3;
/** A call without a word in the claim table: only requests of its own thread can join it. */
const UNCLAIMED = -1;

export interface DedupOptions {
  readonly claims: ClaimTable;
  /** Where the calls of other threads are followed. */
  readonly peers: PeerHub;
  readonly budget: ReplayBudget;
  /** A call that has run for longer can no longer be joined. */
  readonly ttlMs: number;
  readonly now: () => number;
  readonly onUnclaimed: (reason: UnclaimedReason) => void;
}

/** A call that is led here and can be joined. */
class Led implements Lead, AnswerOwner, Chained<Uint8Array, Led> {
  readonly role = 'leader';
  readonly answer: SharedResponse;
  /** FullHash. */
  readonly key: Uint8Array;
  nextInBucket: Led | null = null;
  /** Its word in the claim table. */
  readonly index: number;
  readonly startedAtMs: number;
  readonly #table: Releasing;

  constructor(table: Releasing, budget: ReplayBudget, key: Uint8Array, index: number, nowMs: number) {
    this.#table = table;
    this.answer = new SharedResponse(budget);
    this.answer.owner = this;
    this.key = key;
    this.index = index;
    this.startedAtMs = nowMs;
  }

  release(): void {
    this.#table.release(this);
  }

  gone(): void {
    this.#table.release(this);
    this.answer.gone();
  }

  onNotJoinable(): void {
    this.#table.release(this);
  }
}

interface Releasing {
  release(led: Led): void;
}

/** A call that nobody can join: nothing is kept for it. */
class Unshared implements Lead {
  readonly role = 'leader';
  readonly answer: SharedResponse;

  constructor(budget: ReplayBudget) {
    this.answer = new SharedResponse(budget);
    this.answer.closeToJoiners();
  }

  release(): void {}

  gone(): void {
    this.answer.gone();
  }
}

interface Followed extends AnswerOwner, AnswerProducer, Chained<Uint8Array, Followed> {
  readonly answer: SharedResponse;
  readonly id: number;
  readonly peer: Peer;
  readonly timer: ReturnType<typeof setTimeout>;
  /** Bytes that came while no client here could take any; acknowledged once one can. */
  unacknowledged: number;
  wanted: boolean;
}

/** A call that is followed, by the number that the messages about it carry. */
class Ticket implements Chained<number, Ticket> {
  readonly key: number;
  readonly followed: Followed;
  nextInBucket: Ticket | null = null;

  constructor(followed: Followed) {
    this.key = followed.id;
    this.followed = followed;
  }
}

/**
 * One proxy thread's calls in flight: those it leads and those it follows on other threads.
 *
 * ```
 *  asking thread                         leading thread
 *    JOIN id, hash  ───────────────────►  in the own table?
 *    follower SharedResponse ◄── SNAPSHOT, HEAD, BYTES…, END | FAIL      yes: a RemoteConsumer of the leader's SharedResponse
 *         │        ── TAKEN n ─────────►  (window of bytes on their way)
 *         └ clients ◄── GONE                                     no: look up again
 * ```
 *
 * However many requests of the asking thread want the call, it follows once; they share the follower's SharedResponse.
 */
export class DedupTable implements PeerListener<DedupMessage> {
  readonly #options: DedupOptions;
  readonly #led = new HashTable<Uint8Array, Led>(FULL_HASH);
  readonly #followed = new HashTable<Uint8Array, Followed>(FULL_HASH);
  readonly #tickets = new HashTable<number, Ticket>(SERIAL);
  readonly #remote = new HashTable<string, RemoteConsumer>(TEXT);
  readonly #sweep: ReturnType<typeof setInterval>;
  #nextId = 1;

  constructor(options: DedupOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.expire(), SWEEP_MS);
    options.peers.register<DedupMessage>(DEDUP_MESSAGES, this);
  }

  /** A call that is never shared. */
  static unshared(budget: ReplayBudget): Lead {
    return new Unshared(budget);
  }

  /** Calls led and followed here, and followers served to other threads. */
  get sizes(): { readonly led: number; readonly followed: number; readonly remote: number } {
    return { led: this.#led.size, followed: this.#followed.size, remote: this.#remote.size };
  }

  /**
   * Leads the call or follows whoever does; one synchronous block. Nobody writes to `hash` any more: the table keeps it.
   *
   * @param attempt how often this request has looked its call up before: 0, then 1 and 2 after GONE. From
   *   {@link MAX_ATTEMPTS} on it looks at this thread's own calls only.
   */
  acquire(hash: Uint8Array, attempt: number): Lead | Follow {
    const led = this.#led.get(hash);
    if (led !== null) {
      if (!this.#expired(led) && led.answer.joinable) return { role: 'follower', answer: led.answer };
      this.release(led);
    }
    if (attempt >= MAX_ATTEMPTS) return this.#unclaimed(hash, 'attempts');
    const followed = this.#followed.get(hash);
    if (followed !== null) return { role: 'follower', answer: followed.answer };
    const claim = this.#options.claims.claim(hash);
    switch (claim.kind) {
      case 'claimed':
        return this.#lead(hash, claim.index);
      case 'unclaimed':
        return this.#unclaimed(hash, claim.reason);
      case 'join': {
        const peer = this.#options.peers.get(claim.incarnation);
        return peer === null ? this.#unclaimed(hash, 'no_peer') : this.#join(hash, peer);
      }
      default:
        return claim satisfies never;
    }
  }

  onMessage(from: Peer, message: DedupMessage): void {
    if (message.t === 'join' || message.t === 'taken' || message.t === 'leave') this.#serve(from, message);
    else this.#follow(message);
  }

  /** A thread died: who has had no byte of its answers looks up again, the others end with an error. */
  onPeerDead(incarnation: number): void {
    for (const { followed } of this.#tickets.items()) {
      if (followed.peer.incarnation !== incarnation) continue;
      this.#forget(followed);
      const { answer } = followed;
      if (answer.begun) answer.fail('upstream_closed', 'The thread that led this call has ended.');
      else answer.gone();
    }
    for (const consumer of this.#remote.items()) {
      if (consumer.peer.incarnation !== incarnation) continue;
      this.#remote.remove(consumer);
      consumer.detach();
    }
  }

  /** Releases what has run for longer than the TTL. Called by an interval; tests call it with a clock of their own. */
  expire(): void {
    for (const led of this.#led.items()) if (this.#expired(led)) this.release(led);
  }

  /** Followers on other threads that have not had everything yet. */
  get followers(): number {
    return this.#remote.size;
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const led of this.#led.items()) this.release(led);
    for (const { followed } of this.#tickets.items()) clearTimeout(followed.timer);
  }

  #unclaimed(key: Uint8Array, reason: UnclaimedReason): Lead {
    this.#options.onUnclaimed(reason);
    return this.#lead(key, UNCLAIMED);
  }

  #lead(key: Uint8Array, index: number): Lead {
    const led = new Led(this, this.#options.budget, key, index, this.#options.now());
    this.#led.add(led);
    return led;
  }

  #expired(led: Led): boolean {
    return this.#options.now() - led.startedAtMs > this.#options.ttlMs;
  }

  /** Out of the table and the word cleared, in one synchronous block; twice is harmless. Called by {@link Lead.release}. */
  release(led: Led): void {
    if (!this.#led.remove(led)) return;
    if (led.index !== UNCLAIMED) this.#options.claims.release(led.index);
    led.answer.closeToJoiners();
  }

  #join(key: Uint8Array, peer: Peer): Follow {
    const id = this.#nextId++;
    const answer = new SharedResponse(this.#options.budget);
    const timer = setTimeout(() => {
      this.#leave(followed);
      this.#options.onUnclaimed('timeout');
      // The claim of a thread that does not answer may stand for long: no second look at it.
      answer.gone(true);
    }, JOIN_TIMEOUT_MS);
    const followed: Followed = {
      answer,
      key,
      nextInBucket: null,
      id,
      peer,
      timer,
      unacknowledged: 0,
      wanted: true,
      // Out of the table, so that the next request follows the leader anew; it lives on for those it has.
      onNotJoinable: () => void this.#followed.remove(followed),
      onAbandoned: () => {
        this.#leave(followed);
        answer.gone();
      },
      onDemand: (wanted) => {
        followed.wanted = wanted;
        if (wanted) this.#acknowledge(followed, 0);
      },
    };
    answer.owner = followed;
    answer.producer = followed;
    this.#followed.add(followed);
    this.#tickets.add(new Ticket(followed));
    send(peer, { t: 'join', id, hash: textOfHash(key) });
    return { role: 'follower', answer };
  }

  #leave(followed: Followed): void {
    send(followed.peer, { t: 'leave', id: followed.id });
    this.#forget(followed);
  }

  #forget(followed: Followed): void {
    clearTimeout(followed.timer);
    const ticket = this.#tickets.get(followed.id);
    if (ticket !== null) this.#tickets.remove(ticket);
    this.#followed.remove(followed);
  }

  /** Tells the leader's thread that bytes have found room, or keeps it waiting while no client here takes any. */
  #acknowledge(followed: Followed, bytes: number): void {
    followed.unacknowledged += bytes;
    if (!followed.wanted || followed.unacknowledged === 0) return;
    send(followed.peer, { t: 'taken', id: followed.id, bytes: followed.unacknowledged });
    followed.unacknowledged = 0;
  }

  /** The asking side. A reply that nobody waits for any more is dropped by its id. */
  #follow(message: ToFollower): void {
    const ticket = this.#tickets.get(message.id);
    if (ticket === null) return;
    const { followed } = ticket;
    const { answer } = followed;
    clearTimeout(followed.timer);
    switch (message.t) {
      case 'snapshot':
        break;
      case 'head':
        answer.head(message.head);
        break;
      case 'bytes':
        answer.append(message.chunk);
        this.#acknowledge(followed, message.chunk.byteLength);
        break;
      case 'end':
        this.#forget(followed);
        answer.end(message.meta);
        break;
      case 'fail':
        this.#forget(followed);
        answer.fail(message.code, message.message);
        break;
      case 'gone':
        this.#forget(followed);
        answer.gone();
        break;
      default:
        message satisfies never;
    }
  }

  /** The leading side. */
  #serve(from: Peer, message: ToLeader): void {
    const key = RemoteConsumer.keyOf(from, message.id);
    switch (message.t) {
      case 'taken':
        this.#remote.get(key)?.taken(message.bytes);
        break;
      case 'leave': {
        const consumer = this.#remote.get(key);
        if (consumer === null) break;
        this.#remote.remove(consumer);
        consumer.detach();
        break;
      }
      case 'join': {
        const led = this.#led.get(hashOfText(message.hash));
        if (led === null || !led.answer.joinable) {
          send(from, { t: 'gone', id: message.id });
          break;
        }
        send(from, { t: 'snapshot', id: message.id });
        const consumer = new RemoteConsumer(from, message.id, (over) => this.#remote.remove(over));
        this.#remote.add(consumer);
        consumer.cursor = led.answer.attach(consumer);
        break;
      }
      default:
        message satisfies never;
    }
  }
}

function send(peer: Peer, message: DedupMessage): void {
  peer.send(message);
}
