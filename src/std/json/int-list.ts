import { Retention } from './retention.ts';

const FIRST_CAPACITY = 64;
/** 1 MiB of integers. */
const KEPT_CAPACITY = 262_144;
/** Longer lists are not sorted by insertion. */
const INSERTION_MAX = 32;

/** A growing list of 32-bit integers that is refilled for every request instead of being allocated anew. */
export class IntList {
  #items = new Int32Array(FIRST_CAPACITY);
  #length = 0;
  readonly #retention = new Retention(KEPT_CAPACITY);

  get length(): number {
    return this.#length;
  }

  /** Empties the list; gives memory back that it has not needed for a while. */
  clear(): void {
    if (this.#retention.shouldShrink(this.#length, this.#items.length)) {
      this.#items = new Int32Array(FIRST_CAPACITY);
    }
    this.#length = 0;
  }

  push(value: number): void {
    const at = this.#length++;
    if (at === this.#items.length) this.#grow();
    this.#items[at] = value;
  }

  at(index: number): number {
    return this.#items[index]!;
  }

  set(index: number, value: number): void {
    this.#items[index] = value;
  }

  /** Sorts the list; equal values keep their order. */
  sort(compare: (one: number, other: number) => number): void {
    if (this.#length > INSERTION_MAX) {
      const sorted = Array.from(this.#items.subarray(0, this.#length)).sort(compare);
      this.#items.set(sorted);
      return;
    }
    const items = this.#items;
    for (let index = 1; index < this.#length; index++) {
      const value = items[index]!;
      let at = index;
      while (at > 0 && compare(items[at - 1]!, value) > 0) {
        items[at] = items[at - 1]!;
        at--;
      }
      items[at] = value;
    }
  }

  #grow(): void {
    const grown = new Int32Array(this.#items.length * 2);
    grown.set(this.#items);
    this.#items = grown;
  }
}
