import { GatewayError } from '../errors/gateway-error.ts';
import { keyHash } from './key-hash.ts';
import type { KeyRecord } from './key-record.ts';

const MAX_ENTRIES = 100_000;
/** Keys have 54 characters. Longer texts are unknown without asking, and above all without being kept. */
const MAX_KEY_CHARACTERS = 256;

const PRESENTED = Symbol('the key as its client presents it');

/** A record as this cache knows it, so that it can be looked up again. */
export interface KnownKey extends KeyRecord {
  /** A secret, which nothing prints, copies or posts in this form. */
  readonly [PRESENTED]: () => string;
}

interface Entry {
  readonly key: KnownKey | null;
  readonly expiresAtMs: number;
}

/** A question to storage, with all that wait for it. */
interface Load {
  readonly answer: Promise<KnownKey | null>;
  /** Ids of the keys that have changed since storage was asked: it may have answered before. */
  readonly changed: Set<string>;
}

export interface KeyCacheOptions {
  readonly ttlMs: number;
  readonly now: () => number;
  readonly find: (hash: string) => Promise<KeyRecord | null>;
}

/**
 * The keys this thread has seen lately, by the text the client presents.
 *
 * A hit costs one map lookup; a miss asks the storage thread once however many requests wait for it. Unknown keys are
 * remembered for a tenth of the time, so that a wrong key cannot be used to load the database. The table is bounded:
 * full, it forgets its oldest entries. Revocation empties an entry on every thread before the DELETE answers, and nobody
 * is given the record as it was any more, whenever they asked.
 *
 * ```
 *   request: generation g, record ──► waits (for its body, a leader, …) ──► generation still g?  the record stands
 *                                                                             else renew(record)
 * ```
 */
export class KeyCache {
  readonly #options: KeyCacheOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #loads = new Map<string, Load>();
  #generation = 0;

  constructor(options: KeyCacheOptions) {
    this.#options = options;
  }

  /** Changes whenever a key does: a record that was looked up under the same number is as it was. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * The record when it is at hand (null: known to be unknown), else a promise of it, which resolves with the record as it
   * is then: it is of the {@link generation} that its receiver sees.
   */
  lookup(key: string): KnownKey | null | Promise<KnownKey | null> {
    if (key.length > MAX_KEY_CHARACTERS) return null;
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.expiresAtMs > this.#options.now()) return entry.key;
    return this.#load(key);
  }

  /** The record as it is now, which is the same one unless its key has changed. */
  renew(key: KnownKey): KnownKey | null | Promise<KnownKey | null> {
    const presented = key[PRESENTED]();
    const entry = this.#entries.get(presented);
    // What has changed is not here any more. What has not stands, however old it is: storage need not answer for it.
    return entry === undefined ? this.#load(presented) : entry.key;
  }

  #load(presented: string): Promise<KnownKey | null> {
    const loading = this.#loads.get(presented);
    if (loading !== undefined) return loading.answer;
    // As a slice of its request's head it would keep all of that, for as long as it is remembered.
    const key = Buffer.from(presented, 'latin1').toString('latin1');
    const changed = new Set<string>();
    const answer = this.#ask(key, changed).finally(() => this.#loads.delete(key));
    this.#loads.set(key, { answer, changed });
    return answer;
  }

  async #ask(presented: string, changed: Set<string>): Promise<KnownKey | null> {
    const hash = keyHash(presented);
    try {
      for (;;) {
        const record = await this.#options.find(hash);
        if (record === null) {
          // It may exist since: then nothing is remembered.
          if (changed.size === 0) this.#remember(presented, null);
          return null;
        }
        if (!changed.has(record.id)) return this.#remember(presented, known(record, presented));
        // Storage may have read it before it was changed. The change is stored by now.
        changed.clear();
      }
    } catch (error) {
      throw new GatewayError(
        'storage_unavailable',
        'The key could not be checked: storage does not answer.',
        { cause: error, retryAfterS: 1 },
      );
    }
  }

  #remember<Key extends KnownKey | null>(presented: string, key: Key): Key {
    if (this.#entries.size >= MAX_ENTRIES) {
      const oldest = this.#entries.keys().next();
      if (oldest.done !== true) this.#entries.delete(oldest.value);
    }
    const ttlMs = key === null ? this.#options.ttlMs / 10 : this.#options.ttlMs;
    this.#entries.delete(presented);
    this.#entries.set(presented, { key, expiresAtMs: this.#options.now() + ttlMs });
    return key;
  }

  /** Forgets a key by its id (changed or revoked), and every key known to be unknown: it may exist now. */
  invalidate(id: string): void {
    this.#generation++;
    for (const { changed } of this.#loads.values()) changed.add(id);
    for (const [presented, { key }] of this.#entries)
      if (key === null || key.id === id) this.#entries.delete(presented);
  }
}

function known(record: KeyRecord, presented: string): KnownKey {
  return Object.defineProperty({ ...record }, PRESENTED, { value: () => presented }) as KnownKey;
}
