import type { UnclaimedReason } from '../shared/labels.ts';

const BUCKET_WORDS = 8;
const TAG_BITS = 20;
const TAG_MASK = (1 << TAG_BITS) - 1;
const ROUNDS = 4;

/** What a look-up found: an own claim, somebody else's, or none that could be made. */
export type Claim =
  | { readonly kind: 'claimed'; readonly index: number }
  | { readonly kind: 'join'; readonly incarnation: number }
  | { readonly kind: 'unclaimed'; readonly reason: UnclaimedReason };

/**
 * Who leads which call, over all threads, without a lock.
 *
 * ```
 *   Uint32 words, buckets of 8:   word = 0 free | incarnation (12 bits, ≥ 1, never reused) << 20 | tag (20 bits)
 *   hash bytes 0–3 → bucket, bytes 4–6 → tag
 * ```
 *
 * Only its owner ever clears a word (the primary does for a dead one), so there is no ABA.
 */
export class ClaimTable {
  readonly #words: Uint32Array;
  readonly #incarnation: number;

  constructor(words: Uint32Array, incarnation: number) {
    this.#words = words;
    this.#incarnation = incarnation;
  }

  /** Steps 1 to 4 of the protocol, in one synchronous block. */
  claim(hash: Uint8Array): Claim {
    const words = this.#words;
    const buckets = words.length / BUCKET_WORDS;
    const bucket = (((hash[0]! << 24) | (hash[1]! << 16) | (hash[2]! << 8) | hash[3]!) >>> 0) % buckets;
    const tag = ((hash[4]! << 16) | (hash[5]! << 8) | hash[6]!) & TAG_MASK;
    const base = bucket * BUCKET_WORDS;
    const word = ((this.#incarnation << TAG_BITS) | tag) >>> 0;
    for (let round = 0; round < ROUNDS; round++) {
      let free = -1;
      for (let index = base; index < base + BUCKET_WORDS; index++) {
        const seen = Atomics.load(words, index);
        if (seen === 0) {
          if (free < 0) free = index;
        } else if ((seen & TAG_MASK) === tag) {
          const incarnation = seen >>> TAG_BITS;
          return incarnation === this.#incarnation
            ? { kind: 'unclaimed', reason: 'collision' }
            : { kind: 'join', incarnation };
        }
      }
      if (free < 0) return { kind: 'unclaimed', reason: 'bucket_full' };
      if (Atomics.compareExchange(words, free, 0, word) !== 0) continue;
      // Without this second scan two threads that found different free words would both lead.
      let again = false;
      for (let index = base; index < base + BUCKET_WORDS; index++) {
        const seen = Atomics.load(words, index);
        if (index !== free && seen !== 0 && (seen & TAG_MASK) === tag) again = true;
      }
      if (!again) return { kind: 'claimed', index: free };
      Atomics.store(words, free, 0);
    }
    return { kind: 'unclaimed', reason: 'contended' };
  }

  release(index: number): void {
    Atomics.store(this.#words, index, 0);
  }

  /** Frees every claim of a dead thread; the primary's part. */
  static sweep(words: Uint32Array, incarnation: number): void {
    for (let index = 0; index < words.length; index++) {
      const word = Atomics.load(words, index);
      if (word !== 0 && word >>> TAG_BITS === incarnation) Atomics.compareExchange(words, index, word, 0);
    }
  }
}
