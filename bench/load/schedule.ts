/** Arrivals come in bursts of one tick: a finer grid costs more wake-ups than it is worth on two shared cores. */
export const TICK_MS = 1;

/**
 * When the n-th request of an open loop is due, in ms after the start. The rate grows linearly over `rampMs`, then stays;
 * times are rounded up to the tick, so that the waiting for a tick is not counted as anybody's latency.
 */
export class Schedule {
  readonly #ratePerMs: number;
  readonly #rampMs: number;
  readonly #rampCount: number;

  constructor(ratePerS: number, rampMs: number) {
    if (!(ratePerS > 0) || !(rampMs >= 0)) throw new Error(`no such pace: ${ratePerS}/s, ramp ${rampMs} ms`);
    this.#ratePerMs = ratePerS / 1000;
    this.#rampMs = rampMs;
    this.#rampCount = (this.#ratePerMs * rampMs) / 2;
  }

  dueMs(n: number): number {
    const exact =
      n < this.#rampCount
        ? Math.sqrt((2 * this.#rampMs * n) / this.#ratePerMs)
        : this.#rampMs + (n - this.#rampCount) / this.#ratePerMs;
    return Math.max(0, Math.ceil(exact / TICK_MS - 1e-9) * TICK_MS);
  }
}

/** Small fast generator of numbers in [0, 1), repeatable by its seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const RECENT = 1 << 15;

/**
 * Decides which requests repeat an earlier one: exactly the given share of them, spread evenly, each the twin of a unique
 * request sent at most `ageMs` before.
 *
 *   recent: ring of the last 2^15 unique requests, number n at n mod 2^15 → time it was due
 */
export class DuplicatePicker {
  readonly #share: number;
  readonly #ageMs: number;
  readonly #random: () => number;
  readonly #recentDueMs = new Float64Array(RECENT);
  #requests = 0;
  #duplicates = 0;
  #uniques = 0;

  constructor(share: number, ageMs: number, random: () => number) {
    this.#share = share;
    this.#ageMs = ageMs;
    this.#random = random;
  }

  get duplicates(): number {
    return this.#duplicates;
  }

  /** Number of the request to send at `dueMs`. When it is a twin, `leaderDueMs` says when its first was due; else it is -1. */
  leaderDueMs = -1;
  next(dueMs: number): number {
    this.#requests++;
    if (Math.floor(this.#requests * this.#share) > this.#duplicates) {
      const twin = this.#pickTwin(dueMs);
      if (twin >= 0) {
        this.#duplicates++;
        this.leaderDueMs = this.#recentDueMs[twin % RECENT] ?? -1;
        return twin;
      }
    }
    const number = this.#uniques++;
    this.#recentDueMs[number % RECENT] = dueMs;
    this.leaderDueMs = -1;
    return number;
  }

  #pickTwin(dueMs: number): number {
    const oldest = Math.max(0, this.#uniques - RECENT);
    let low = oldest;
    let high = this.#uniques; // First number that is young enough, by bisection: times only grow.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#recentDueMs[middle % RECENT] ?? 0) < dueMs - this.#ageMs) low = middle + 1;
      else high = middle;
    }
    if (low >= this.#uniques) return -1;
    return low + Math.floor(this.#random() * (this.#uniques - low));
  }
}
