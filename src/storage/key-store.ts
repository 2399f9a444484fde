import type { KeyChange, NewKey, StoredKey, UsageDelta } from './key-record.ts';

/** API keys at rest. A database that answers later gives promises; the storage thread awaits either. */
export interface KeyStore {
  create(key: NewKey): StoredKey | Promise<StoredKey>;
  findByHash(hash: string): StoredKey | null | Promise<StoredKey | null>;
  findById(id: string): StoredKey | null | Promise<StoredKey | null>;
  /** Oldest first. */
  list(): readonly StoredKey[] | Promise<readonly StoredKey[]>;
  /** null: there is no such key. */
  update(id: string, change: KeyChange): StoredKey | null | Promise<StoredKey | null>;
  /** One transaction for a batch, increments only: a stale copy is never written back. */
  recordUsage(batch: readonly UsageDelta[]): void | Promise<void>;
  close(): void | Promise<void>;
}
