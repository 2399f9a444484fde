import type { KeyChange, NewKey, StoredKey, UsageDelta } from '../keys/key-record.ts';

/** The one that records what a run of the process spends. */
export interface UsageWriter {
  /** Number of the run's last batch that the store holds, whoever wrote it; 0: none. */
  readonly lastBatch: number;
  /**
   * One transaction for a batch and its number, increments only: a stale copy is never written back. Throws once another
   * writer has taken over; then nothing was recorded.
   */
  record(batch: number, deltas: readonly UsageDelta[]): void | Promise<void>;
}

/** API keys at rest. A database that answers later gives promises; the storage thread awaits either. */
export interface KeyStore {
  create(key: NewKey): StoredKey | Promise<StoredKey>;
  findByHash(hash: string): StoredKey | null | Promise<StoredKey | null>;
  findById(id: string): StoredKey | null | Promise<StoredKey | null>;
  /** Oldest first. */
  list(): readonly StoredKey[] | Promise<readonly StoredKey[]>;
  /** null: there is no such key. */
  update(id: string, change: KeyChange): StoredKey | null | Promise<StoredKey | null>;
  /** Takes over the recording of what a run of the process spends; whoever did it before can no more. */
  takeUsage(runId: string): UsageWriter | Promise<UsageWriter>;
  /** Housekeeping, asked for now and then; takes no longer than a batch of usage. */
  maintain(): void | Promise<void>;
  /** Everything stored is where the next start, and a copy, find it. No call may follow. */
  close(): void | Promise<void>;
}
