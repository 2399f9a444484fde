import { characterAt, CODE_POINT, LENGTH_SHIFT } from './characters.ts';
import { compareStrings } from './keys.ts';
import type { StringsView } from './strings-view.ts';

/** Keys of a smaller object are compared by hash pairwise, of a larger one by sorting the hashes. */
const SMALL_OBJECT = 24;
/** So many keys that hash alike are compared pairwise; more of them are told apart by a second hash first. */
const FEW_ALIKE = 8;
const FIRST_KEYS = 256;

/** Nobody outside knows them, so nobody can craft keys for which the second hash is the same. */
const [SECRET_0 = 0, SECRET_1 = 0] = crypto.getRandomValues(new Int32Array(2));

/**
 * Finds a key that an object has twice. Different hashes prove different keys; only keys that hash alike are compared, as they
 * decode, and none is turned into a string.
 *
 * The hash of a document's keys is public and weak: texts can be crafted in which it is the same for pairs of keys, or for all of
 * them. So where many are alike, those are hashed again with a secret of this process: what is left to be compared pairwise are
 * equal keys, of which the first two are enough, and pairs that chance has made.
 */
export class DuplicateKeys {
  readonly #small = new Int32Array(SMALL_OBJECT);
  /** Per key of a large object one number of 64 bits, the hash above the node: sorted, keys that hash alike stand in their order. */
  #sorted = new BigUint64Array(0);
  /** The same memory: node, hash. */
  #words = new Uint32Array(0);

  /** The first key that is there for the second time, -1 when there is none. `end` is the node behind the object. */
  find(document: StringsView, object: number, end: number): number {
    const hashes = this.#small;
    let keys = 0;
    for (let key = object + 1; key < end; key = document.next(key + 1)) {
      if (keys === SMALL_OBJECT) return this.#findAmongMany(document, object, end);
      const hash = document.keyHash(key);
      for (let other = 0; other < keys; other++)
        if (hashes[other] === hash && this.#isThere(document, object, other, key)) return key;
      hashes[keys++] = hash;
    }
    return -1;
  }

  /** Gives back the memory that a large object took. */
  release(): void {
    this.#sorted = new BigUint64Array(0);
    this.#words = new Uint32Array(0);
  }

  /** Whether the object's key number `index` is the same as another one of its keys. */
  #isThere(document: StringsView, object: number, index: number, key: number): boolean {
    let at = object + 1;
    for (let left = index; left > 0; left--) at = document.next(at + 1);
    return compareStrings(document, at, key) === 0;
  }

  #findAmongMany(document: StringsView, object: number, end: number): number {
    let words = this.#words;
    let keys = 0;
    for (let key = object + 1; key < end; key = document.next(key + 1)) {
      if (keys * 2 === words.length) words = this.#grow();
      words[keys * 2] = key;
      words[keys * 2 + 1] = document.keyHash(key);
      keys++;
    }
    const found = this.#firstTwin(document, 0, keys, false, end);
    return found < end ? found : -1;
  }

  /**
   * The first key among those in `[from, to)` that is there for the second time, if it comes before `before`, else that. `again`: it is
   * the second hash by which they are told apart.
   */
  #firstTwin(document: StringsView, from: number, to: number, again: boolean, before: number): number {
    this.#sorted.subarray(from, to).sort();
    const words = this.#words;
    let found = before;
    let next = from;
    for (let first = from; first < to; first = next) {
      const hash = words[first * 2 + 1]!;
      next = first + 1;
      while (next < to && words[next * 2 + 1] === hash) next++;
      if (next - first === 1) continue;
      if (again || next - first <= FEW_ALIKE) {
        found = this.#firstTwinPairwise(document, first, next, found);
        continue;
      }
      for (let at = first; at < next; at++) words[at * 2 + 1] = secretHash(document, words[at * 2]!);
      found = this.#firstTwin(document, first, next, true, found);
    }
    return found;
  }

  #firstTwinPairwise(document: StringsView, from: number, to: number, before: number): number {
    const words = this.#words;
    for (let at = from + 1; at < to; at++) {
      const key = words[at * 2]!;
      if (key >= before) return before;
      for (let other = from; other < at; other++)
        if (compareStrings(document, words[other * 2]!, key) === 0) return key;
    }
    return before;
  }

  #grow(): Uint32Array<ArrayBuffer> {
    const grown = new BigUint64Array(Math.max(FIRST_KEYS, this.#sorted.length * 2));
    grown.set(this.#sorted);
    this.#sorted = grown;
    this.#words = new Uint32Array(grown.buffer);
    return this.#words;
  }
}

/** HalfSipHash-1-3 (Aumasson, Bernstein: "SipHash", 2012) of the characters that a key decodes to, each as a word. */
function secretHash(document: StringsView, key: number): number {
  const { bytes } = document;
  const end = document.end(key) - 1;
  let v0 = SECRET_0;
  let v1 = SECRET_1;
  let v2 = SECRET_0 ^ 0x6c796765;
  let v3 = SECRET_1 ^ 0x74656462;
  let at = document.start(key) + 1;
  // Then a word that is no character, so that where the key ends counts, and three rounds to finish.
  for (let last = 4; last > 0;) {
    let word = 0;
    if (at < end) {
      const character = characterAt(bytes, at);
      at += character >>> LENGTH_SHIFT;
      word = character & CODE_POINT;
    } else {
      if (last === 4) word = -1;
      else if (last === 3) v2 ^= 0xff;
      last--;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}
