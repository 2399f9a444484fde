import type { Price } from './prices.ts';

/** A prompt token has about this many bytes; fewer than usual, so that the hold is rather too high. */
const BYTES_PER_TOKEN = 3;
const OUTPUT_HOLD_TOKENS = 4_096;

/** What to hold for a call: input at the uncached price, and a bounded answer at the output price. Nano-USD. */
export function holdNanoUsd(price: Price, inputBytes: number, maxOutputTokens: number | null): number {
  const output = Math.min(maxOutputTokens ?? price.maxOutputTokens, OUTPUT_HOLD_TOKENS);
  return Math.round(((inputBytes / BYTES_PER_TOKEN) * price.input + output * price.output) * 1_000);
}

/** What the ledger must know of a key. */
export interface QuotaKey {
  readonly slot: number;
  readonly spentBaseNanoUsd: number;
  readonly quotaNanoUsd: number | null;
}

/**
 * Spent and held money of every key, in shared memory; one writer per word, readers sum.
 *
 * ```
 *   Float64, nano-USD:  [slot 0][thread 0][spent, held] [thread 1][spent, held] … [slot 1] …
 * ```
 *
 * `spent` counts from the start of the process; what was stored before is the key's `spentBaseNanoUsd`. A float holds
 * whole nano-USD exactly up to 9 million USD.
 */
export class QuotaLedger {
  readonly #words: Float64Array;
  readonly #workers: number;
  readonly #worker: number;

  constructor(words: Float64Array, workers: number, worker: number) {
    this.#words = words;
    this.#workers = workers;
    this.#worker = worker;
  }

  /** Adds to the own hold, sums, takes back if over. A key with money left and nothing held gets one call in any case. */
  tryHold(key: QuotaKey, amountNanoUsd: number): boolean {
    const own = this.#index(key.slot, this.#worker) + 1;
    const words = this.#words;
    if (key.quotaNanoUsd === null) {
      words[own]! += amountNanoUsd;
      return true;
    }
    const spent = this.spent(key.slot, key.spentBaseNanoUsd);
    const heldBefore = this.held(key.slot);
    const left = key.quotaNanoUsd - spent;
    if (left <= 0) return false;
    if (heldBefore > 0 && heldBefore + amountNanoUsd > left) return false;
    words[own]! += amountNanoUsd;
    return true;
  }

  settle(slot: number, heldNanoUsd: number, costNanoUsd: number): void {
    const own = this.#index(slot, this.#worker);
    this.#words[own]! += costNanoUsd;
    this.release(slot, heldNanoUsd);
  }

  release(slot: number, heldNanoUsd: number): void {
    const own = this.#index(slot, this.#worker) + 1;
    this.#words[own] = Math.max(0, this.#words[own]! - heldNanoUsd);
  }

  spent(slot: number, baseNanoUsd: number): number {
    let sum = baseNanoUsd;
    for (let worker = 0; worker < this.#workers; worker++) sum += this.#words[this.#index(slot, worker)]!;
    return sum;
  }

  held(slot: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.#workers; worker++) sum += this.#words[this.#index(slot, worker) + 1]!;
    return sum;
  }

  #index(slot: number, worker: number): number {
    return (slot * this.#workers + worker) * 2;
  }
}
