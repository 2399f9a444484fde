import { keyHash } from '../key-hash.ts';
import type { KeyRecord, NewKey } from '../key-record.ts';

/** A key to be made, with a bit of everything. */
export function newKey(change: Partial<NewKey> = {}): NewKey {
  return {
    id: crypto.randomUUID(),
    hash: keyHash(crypto.randomUUID()),
    name: 'a key',
    keyPrefix: 'sk-tr-abcdef',
    quotaNanoUsd: 5_000_000_000,
    rpm: null,
    tpm: null,
    allowedModels: ['gpt-4o'],
    expiresAt: null,
    tags: { team: 'a' },
    dedup: true,
    passthrough: false,
    createdAt: 1_000,
    ...change,
  };
}

/** A key as the threads know it, that may do everything. */
export function keyRecord(change: Partial<KeyRecord> = {}): KeyRecord {
  const { hash: _hash, ...key } = newKey({ id: 'id-1', quotaNanoUsd: null, allowedModels: null, tags: {} });
  return { ...key, spentNanoUsd: 0, revokedAt: null, lastUsedAt: null, slot: 0, ...change };
}
