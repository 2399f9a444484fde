import { GatewayError } from '../errors/gateway-error.ts';
import { keyHash } from '../storage/key-hash.ts';
import type { KeyRecord } from '../storage/key-record.ts';

const MAX_ENTRIES = 100_000;
/** Keys have 54 characters. Longer texts are unknown without asking, and above all without being kept. */
const MAX_KEY_CHARACTERS = 256;

interface Entry {
  readonly record: KeyRecord | null;
  readonly expiresAtMs: number;
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
 * full, it forgets its oldest entries. Revocation empties an entry on every thread before the DELETE answers.
 */
export class KeyCache {
  readonly #options: KeyCacheOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #pending = new Map<string, Promise<KeyRecord | null>>();
  #generation = 0;

  constructor(options: KeyCacheOptions) {
    this.#options = options;
  }

  /** The record when it is at hand (null: known to be unknown), else a promise of it. */
  lookup(key: string): KeyRecord | null | Promise<KeyRecord | null> {
    if (key.length > MAX_KEY_CHARACTERS) return null;
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.expiresAtMs > this.#options.now()) return entry.record;
    return this.#load(key);
  }

  #load(presented: string): Promise<KeyRecord | null> {
    const pending = this.#pending.get(presented);
    if (pending !== undefined) return pending;
    // As a slice of its request's head it would keep all of that, for as long as it is remembered.
    const key = Buffer.from(presented, 'latin1').toString('latin1');
    const generation = this.#generation;
    const loading = this.#options.find(keyHash(key)).then(
      (record) => {
        // A revocation that came in between must not be undone by an older answer.
        if (generation === this.#generation) this.#remember(key, record);
        return record;
      },
      (error: unknown) => {
        throw new GatewayError(
          'storage_unavailable',
          'The key could not be checked: storage does not answer.',
          {
            cause: error,
            retryAfterS: 1,
          },
        );
      },
    );
    const settled = loading.finally(() => {
      if (this.#pending.get(key) === settled) this.#pending.delete(key);
    });
    this.#pending.set(key, settled);
    return settled;
  }

  #remember(key: string, record: KeyRecord | null): void {
    if (this.#entries.size >= MAX_ENTRIES) {
      const oldest = this.#entries.keys().next();
      if (oldest.done !== true) this.#entries.delete(oldest.value);
    }
    const ttlMs = record === null ? this.#options.ttlMs / 10 : this.#options.ttlMs;
    this.#entries.delete(key);
    this.#entries.set(key, { record, expiresAtMs: this.#options.now() + ttlMs });
  }

  /** Forgets a key by its id (changed or revoked), and every key known to be unknown: it may exist now. */
  invalidate(id: string): void {
    this.#generation++;
    // What is being asked may be answered with the record as it was: whoever comes from now on asks anew.
    this.#pending.clear();
    for (const [key, entry] of this.#entries)
      if (entry.record === null || entry.record.id === id) this.#entries.delete(key);
  }
}
