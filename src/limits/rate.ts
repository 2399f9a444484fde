import { KEY_WORDS, moneyIndex, type SharedMemory } from '../shared/memory-map.ts';

const MINUTE_MS = 60_000;

/** What one key may do in a minute; null: no limit. */
export interface RateLimits {
  readonly rpm: number | null;
  readonly tpm: number | null;
}

/**
 * Requests and tokens of each key over the last minute, on all threads.
 *
 * A sliding window of two counts: `last × (1 - elapsed share of this minute) + current`. Each thread counts in its own
 * words of the money table; whoever asks sums. Tokens are known at the end of a call only, so a key may go over its
 * token limit by what runs at the moment.
 */
export class RateWindow {
  readonly #money: Float64Array;
  readonly #workers: number;
  readonly #worker: number;

  constructor(memory: SharedMemory, worker: number) {
    this.#money = memory.money;
    this.#workers = memory.workers;
    this.#worker = worker;
  }

  /** Counts a request; answers 0, or after how many seconds the key may try again. */
  admit(slot: number, limits: RateLimits, wallClockMs: number): number {
    if (limits.rpm === null && limits.tpm === null) return 0;
    const own = this.#turn(slot, wallClockMs);
    if (
      limits.tpm !== null &&
      this.#rate(slot, KEY_WORDS.tokens, KEY_WORDS.lastTokens, wallClockMs) >= limits.tpm
    ) {
      return secondsLeft(wallClockMs);
    }
    if (limits.rpm === null) return 0;
    this.#money[own + KEY_WORDS.requests]! += 1;
    if (this.#rate(slot, KEY_WORDS.requests, KEY_WORDS.lastRequests, wallClockMs) <= limits.rpm) return 0;
    this.#money[own + KEY_WORDS.requests]! -= 1;
    return secondsLeft(wallClockMs);
  }

  /** Counts what a call has used. */
  used(slot: number, tokens: number, wallClockMs: number): void {
    this.#money[this.#turn(slot, wallClockMs) + KEY_WORDS.tokens]! += tokens;
  }

  /** Moves the own window to this minute; answers where the own words begin. */
  #turn(slot: number, wallClockMs: number): number {
    const money = this.#money;
    const own = moneyIndex(this.#workers, slot, this.#worker);
    const minute = Math.floor(wallClockMs / MINUTE_MS);
    const before = money[own + KEY_WORDS.minute]!;
    if (before !== minute) {
      const adjacent = before === minute - 1;
      money[own + KEY_WORDS.lastRequests] = adjacent ? money[own + KEY_WORDS.requests]! : 0;
      money[own + KEY_WORDS.lastTokens] = adjacent ? money[own + KEY_WORDS.tokens]! : 0;
      money[own + KEY_WORDS.requests] = 0;
      money[own + KEY_WORDS.tokens] = 0;
      money[own + KEY_WORDS.minute] = minute;
    }
    return own;
  }

  #rate(slot: number, current: number, last: number, wallClockMs: number): number {
    const minute = Math.floor(wallClockMs / MINUTE_MS);
    const remaining = 1 - (wallClockMs % MINUTE_MS) / MINUTE_MS;
    let rate = 0;
    for (let worker = 0; worker < this.#workers; worker++) {
      const at = moneyIndex(this.#workers, slot, worker);
      const counted = this.#money[at + KEY_WORDS.minute]!;
      if (counted === minute) rate += this.#money[at + current]! + this.#money[at + last]! * remaining;
      else if (counted === minute - 1) rate += this.#money[at + current]! * remaining;
    }
    return rate;
  }
}

function secondsLeft(wallClockMs: number): number {
  return Math.max(1, Math.ceil((MINUTE_MS - (wallClockMs % MINUTE_MS)) / 1_000));
}
