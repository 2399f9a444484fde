import { GatewayError } from '../errors/gateway-error.ts';

export interface AdmissionLimits {
  readonly total: number;
  readonly streamed: number;
  readonly buffered: number;
}

/** What runs on every thread: the own words are written, all words are read. Index 0: not streamed, 1: streamed. */
export interface InFlightWords {
  add(kind: 0 | 1, delta: number): void;
  /** Over all threads. */
  sum(kind: 0 | 1): number;
}

/** A request's place among those that run; left exactly once. */
export class Permit {
  readonly #admission: Admission;
  #kind: 0 | 1 = 0;
  #left = false;

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  /** Says what the request is, once its body has been read. Throws when that kind has no room. */
  countAs(streamed: boolean): void {
    if (streamed) {
      this.#admission.move(0, 1);
      this.#kind = 1;
    }
    this.#admission.checkKind(this.#kind);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#admission.leave(this.#kind);
  }
}

/**
 * Concurrency limits over all threads: add to the own word, sum, take back if over: no word has two writers, of which one may be cut off in between.
 *
 * A request enters once its body is there, so that clients which send theirs slowly keep no place; what bodies hold that are still
 * coming has a bound of its own. It counts as not streamed until it is read.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #words: InFlightWords;
  #closing = false;
  #own = 0;

  constructor(limits: AdmissionLimits, words: InFlightWords) {
    this.#limits = limits;
    this.#words = words;
  }

  /** Requests of this thread that have not left. */
  get inFlight(): number {
    return this.#own;
  }

  /** Requests of all threads. */
  get total(): number {
    return this.#words.sum(0) + this.#words.sum(1);
  }

  /** True once nothing is admitted any more. */
  get closing(): boolean {
    return this.#closing;
  }

  close(): void {
    this.#closing = true;
  }

  /** Throws once nothing is admitted any more; what came before may still {@link enter}. */
  checkOpen(): void {
    if (this.#closing)
      throw new GatewayError('shutting_down', 'The gateway is stopping.', { retryAfterS: 1 });
  }

  enter(): Permit {
    this.#own++;
    this.#words.add(0, 1);
    if (this.total > this.#limits.total) {
      this.leave(0);
      throw tooMany('GLOBAL_CONCURRENT_LIMIT');
    }
    return new Permit(this);
  }

  move(from: 0 | 1, to: 0 | 1): void {
    this.#words.add(from, -1);
    this.#words.add(to, 1);
  }

  checkKind(kind: 0 | 1): void {
    const limit = kind === 1 ? this.#limits.streamed : this.#limits.buffered;
    if (limit < this.#limits.total && this.#words.sum(kind) > limit) {
      throw tooMany(kind === 1 ? 'STREAM_CONCURRENT_LIMIT' : 'NON_STREAM_CONCURRENT_LIMIT');
    }
  }

  leave(kind: 0 | 1): void {
    this.#own--;
    this.#words.add(kind, -1);
  }
}

function tooMany(limit: string): GatewayError {
  return new GatewayError(
    'too_many_requests_in_flight',
    `The gateway runs as many requests as it may (${limit}).`,
    { retryAfterS: 1 },
  );
}
