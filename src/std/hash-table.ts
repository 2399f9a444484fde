/** What a {@link HashTable} holds; it is chained through itself, so that coming and going allocates nothing. */
export interface Chained<Key, Item> {
  readonly key: Key;
  /** The table's own; null outside of one. */
  nextInBucket: Item | null;
}

export interface Hashing<Key> {
  /** Any 32-bit integer, the lower bits of which spread well. */
  hash(key: Key): number;
  equal(one: Key, other: Key): boolean;
}

const FIRST_BUCKETS = 64;

/**
 * Items by key, for those that come and go by the thousand a second.
 *
 * Not a `Map`: JavaScriptCore rebuilds one every few dozen removals, and the storage it leaves behind points to its successor.
 * Storage that has lived through one collection is not looked at in the next ones, so it keeps all later storage alive, and
 * with it the items these held, until everything is collected. At 28,000 requests/s that was a third of all garbage.
 *
 * Buckets double with the items and stay: as large as the most items there ever were at a time.
 */
export class HashTable<Key, Item extends Chained<Key, Item>> {
  readonly #hashing: Hashing<Key>;
  #buckets: (Item | null)[] = emptyBuckets(FIRST_BUCKETS);
  #size = 0;

  constructor(hashing: Hashing<Key>) {
    this.#hashing = hashing;
  }

  get size(): number {
    return this.#size;
  }

  get(key: Key): Item | null {
    let item = this.#buckets[this.#bucketOf(key)] ?? null;
    while (item !== null && !this.#hashing.equal(item.key, key)) item = item.nextInBucket;
    return item;
  }

  /** Adds an item of a new key; one of the same key must have been removed. */
  add(item: Item): void {
    if (this.#size === this.#buckets.length) this.#grow();
    const bucket = this.#bucketOf(item.key);
    item.nextInBucket = this.#buckets[bucket] ?? null;
    this.#buckets[bucket] = item;
    this.#size++;
  }

  /** False: this very item is not in the table. */
  remove(item: Item): boolean {
    const bucket = this.#bucketOf(item.key);
    let previous: Item | null = null;
    let at = this.#buckets[bucket] ?? null;
    while (at !== item) {
      if (at === null) return false;
      previous = at;
      at = at.nextInBucket;
    }
    if (previous === null) this.#buckets[bucket] = item.nextInBucket;
    else previous.nextInBucket = item.nextInBucket;
    // What was removed must not keep those behind it alive.
    item.nextInBucket = null;
    this.#size--;
    return true;
  }

  /** All of them, in no order, as they are now: who goes over them may add and remove. */
  items(): Item[] {
    const items: Item[] = [];
    for (let item of this.#buckets) for (; item !== null; item = item.nextInBucket) items.push(item);
    return items;
  }

  #bucketOf(key: Key): number {
    return this.#hashing.hash(key) & (this.#buckets.length - 1);
  }

  #grow(): void {
    const items = this.items();
    this.#buckets = emptyBuckets(this.#buckets.length * 2);
    this.#size = 0;
    for (const item of items) this.add(item);
  }
}

/** Short texts: FNV-1a of their character codes. */
export const TEXT: Hashing<string> = {
  hash(text) {
    let hash = 0x811c9dc5;
    for (let index = 0; index < text.length; index++)
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    return hash ^ (hash >>> 15);
  },
  equal: (one, other) => one === other,
};

/** Numbers that are given out in a row. */
export const SERIAL: Hashing<number> = { hash: (serial) => serial, equal: (one, other) => one === other };

const emptyBuckets = <Item>(count: number): (Item | null)[] => Array.from({ length: count }, () => null);
