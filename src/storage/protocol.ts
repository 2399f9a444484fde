import type { KeyChange, KeyRecord, NewKey } from '../keys/key-record.ts';

/** What other threads ask of the storage thread, over a port of their own. */
export type StorageCall =
  | { readonly op: 'findByHash'; readonly hash: string }
  | { readonly op: 'findById'; readonly id: string }
  | { readonly op: 'list' }
  | { readonly op: 'create'; readonly key: NewKey }
  | { readonly op: 'update'; readonly id: string; readonly change: KeyChange }
  /** Everything spent so far is stored when this is answered. */
  | { readonly op: 'flush' }
  /** The last call: the database is closed when this is answered. */
  | { readonly op: 'close' };

/** How long a caller waits for an answer. */
export const DEADLINE_MS = 5_000;

export interface StorageRequest {
  readonly id: number;
  /** `Date.now()`: threads have no other clock in common. What comes too late is not done any more. */
  readonly askedAtMs: number;
  readonly call: StorageCall;
}

export type StorageResult = KeyRecord | readonly KeyRecord[] | null;

export type StorageReply =
  | { readonly id: number; readonly ok: true; readonly result: StorageResult }
  | { readonly id: number; readonly ok: false; readonly message: string };
