import { GatewayError } from '../errors/gateway-error.ts';
import { KEY_WORDS, moneyIndex, SLOT, type SharedMemory } from '../shared/memory-map.ts';
import type { InputSize } from '../billing/estimate.ts';
import type { Price } from '../billing/prices.ts';

/** A prompt token has about this many bytes; fewer than usual, so that the hold is rather too high. */
const BYTES_PER_TOKEN = 3;
const OUTPUT_HOLD_TOKENS = 4_096;
const HOLD_ROUNDS = 3;

/**
 * What to hold for a call: input at the uncached price, pictures and files in it at the most that they may count, and a
 * bounded answer at the output price. Nano-USD.
 */
export function holdNanoUsd(
  price: Price,
  input: InputSize,
  maxOutputTokens: number | null,
  choices = 1,
): number {
  const output = Math.min(maxOutputTokens ?? price.maxOutputTokens, OUTPUT_HOLD_TOKENS) * choices;
  const prompt = input.textBytes / BYTES_PER_TOKEN + input.mediaTokensAtMost;
  return Math.round((prompt * price.input + output * price.output) * 1_000);
}

/** What the quota must know of a key: its place in the money table, and its limit (null: none). */
export interface QuotaKey {
  readonly slot: number;
  readonly quotaNanoUsd: number | null;
}

/**
 * Spent and held money of every key, as one proxy thread writes it and everyone reads it.
 *
 * ```
 *   money      [slot][worker][spent | held | last used]   each worker writes its own part
 *   slotMoney  [slot][base | stored | …]                  what was spent before this process; written by storage
 *
 *   spent(key) = base + Σ worker.spent       held(key) = Σ worker.held
 * ```
 *
 * Nano-USD in doubles, exact up to 9 million USD. A word has one writer, so a plain add is enough.
 */
export class QuotaHolds {
  readonly #money: Float64Array;
  readonly #slotMoney: Float64Array;
  readonly #workers: number;
  readonly #worker: number;

  /** @param worker whose words this thread writes; readers pass any. */
  constructor(memory: SharedMemory, worker: number) {
    this.#money = memory.money;
    this.#slotMoney = memory.slotMoney;
    this.#workers = memory.workers;
    this.#worker = worker;
  }

  /** Nothing is left: not even a shared answer may be had. */
  exhausted(key: QuotaKey): boolean {
    return key.quotaNanoUsd !== null && this.spent(key.slot) >= key.quotaNanoUsd;
  }

  /**
   * Holds money for a call: adds to the own word, sums over all threads, takes back if over. A key with money left and
   * nothing else held always gets its call, whatever it may cost.
   */
  tryHold(key: QuotaKey, amountNanoUsd: number): boolean {
    const own = this.#own(key.slot) + KEY_WORDS.held;
    const money = this.#money;
    // Two threads that meet here see each other's hold and both step back; whoever tries again alone gets through.
    for (let round = 0; round < HOLD_ROUNDS; round++) {
      money[own]! += amountNanoUsd;
      if (key.quotaNanoUsd === null) return true;
      const left = key.quotaNanoUsd - this.spent(key.slot);
      const held = this.held(key.slot);
      if (left > 0 && (held <= left || held - amountNanoUsd <= 0)) return true;
      money[own] = Math.max(0, money[own]! - amountNanoUsd);
      if (left <= 0 || this.held(key.slot) > 0) return false;
    }
    return false;
  }

  /** The call has ended and cost this much; its hold is over. */
  settle(slot: number, heldNanoUsd: number, costNanoUsd: number): void {
    this.#money[this.#own(slot) + KEY_WORDS.spent]! += costNanoUsd;
    this.release(slot, heldNanoUsd);
  }

  release(slot: number, heldNanoUsd: number): void {
    const own = this.#own(slot) + KEY_WORDS.held;
    this.#money[own] = Math.max(0, this.#money[own]! - heldNanoUsd);
  }

  /** Notes that the key was used. */
  touch(slot: number, wallClockMs: number): void {
    this.#money[this.#own(slot) + KEY_WORDS.lastUsedMs] = wallClockMs;
  }

  spent(slot: number): number {
    return this.#slotMoney[slot * SLOT.words + SLOT.baseSpent]! + this.#sum(slot, KEY_WORDS.spent);
  }

  held(slot: number): number {
    return this.#sum(slot, KEY_WORDS.held);
  }

  /** 0: not in this process. */
  lastUsedMs(slot: number): number {
    let last = 0;
    for (let worker = 0; worker < this.#workers; worker++) {
      const at = this.#money[moneyIndex(this.#workers, slot, worker) + KEY_WORDS.lastUsedMs]!;
      if (at > last) last = at;
    }
    return last;
  }

  #own(slot: number): number {
    return moneyIndex(this.#workers, slot, this.#worker);
  }

  #sum(slot: number, word: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.#workers; worker++) {
      sum += this.#money[moneyIndex(this.#workers, slot, worker) + word]!;
    }
    return sum;
  }
}

/** Throws a 402 for a key that has nothing left. */
export function checkQuota(key: QuotaKey, quota: QuotaHolds): void {
  if (quota.exhausted(key))
    throw new GatewayError('insufficient_quota', 'This API key has used up its quota.');
}
