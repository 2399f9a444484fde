import type { KeyChange, NewKey, StoredKey } from '../keys/key-record.ts';
import type { KeyStore, UsageWriter } from './key-store.ts';
import { Turns } from './turns.ts';

/** How long a call waits for a lock: shorter than its caller waits for the answer, so that this hears what became of it. */
export const PATIENCE_MS = 4_000;

const patience = (): number => performance.now() + PATIENCE_MS;

/**
 * A store on a database that others may lock: what is refused is tried again, while the thread goes on with everything
 * else. Writes wait for each other and for locks, reads only for those locks that shut out readers.
 *
 * Calls take the time, of `performance.now()`, at which they give up with a `LockedError`.
 */
export class PatientStore implements KeyStore {
  readonly #store: KeyStore;
  readonly #reads: Turns;
  readonly #writes: Turns;

  /**
   * @param store answers at once, or throws
   * @param isLock tells what it throws for somebody else's lock, without having done anything
   */
  constructor(store: KeyStore, isLock: (error: unknown) => boolean) {
    this.#store = store;
    this.#reads = new Turns(isLock);
    this.#writes = new Turns(isLock);
  }

  async create(key: NewKey, untilMs = patience()): Promise<StoredKey> {
    return this.#writes.run(() => this.#store.create(key), untilMs);
  }

  async findByHash(hash: string, untilMs = patience()): Promise<StoredKey | null> {
    return this.#reads.run(() => this.#store.findByHash(hash), untilMs);
  }

  async findById(id: string, untilMs = patience()): Promise<StoredKey | null> {
    return this.#reads.run(() => this.#store.findById(id), untilMs);
  }

  async list(untilMs = patience()): Promise<readonly StoredKey[]> {
    return this.#reads.run(() => this.#store.list(), untilMs);
  }

  async update(id: string, change: KeyChange, untilMs = patience()): Promise<StoredKey | null> {
    return this.#writes.run(() => this.#store.update(id, change), untilMs);
  }

  async takeUsage(runId: string): Promise<UsageWriter> {
    const writer = await this.#writes.run(() => this.#store.takeUsage(runId), patience());
    return {
      lastBatch: writer.lastBatch,
      // One try is one transaction, and a refused one left nothing behind: a batch counts once however often it is tried.
      record: async (batch, deltas) => this.#writes.run(() => writer.record(batch, deltas), patience()),
    };
  }

  maintain(): void | Promise<void> {
    return this.#store.maintain();
  }

  close(): void | Promise<void> {
    return this.#store.close();
  }
}
