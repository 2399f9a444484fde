import type { Hashing } from '../std/hash-table.ts';

const HASH_BYTES = 32;

/** Calls are one if every byte of their FullHash agrees: this decides who gets whose answer. */
export const FULL_HASH: Hashing<Uint8Array> = {
  // Other bytes than those that choose a bucket of the claim table.
  hash: (bytes) => bytes[8]! | (bytes[9]! << 8) | (bytes[10]! << 16) | (bytes[11]! << 24),
  equal(one, other) {
    for (let index = 0; index < HASH_BYTES; index++) if (one[index] !== other[index]) return false;
    return true;
  },
};

/**
 * For messages between threads. By Buffer's own method on the bare array: to ask a small array for its `buffer` moves it out
 * of the collected heap.
 */
export const textOfHash = (hash: Uint8Array): string => Buffer.prototype.toString.call(hash, 'latin1');

/** The other way round. */
export const hashOfText = (text: string): Uint8Array => Buffer.from(text, 'latin1');
