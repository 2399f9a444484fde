import type { KeyChange, KeyRecord, NewKey } from './key-record.ts';

/** What other threads ask of the storage thread, over a port of their own. */
export type StorageCall =
  | { readonly op: 'findByHash'; readonly hash: string }
  | { readonly op: 'findById'; readonly id: string }
  | { readonly op: 'list' }
  | { readonly op: 'create'; readonly key: NewKey }
  | { readonly op: 'update'; readonly id: string; readonly change: KeyChange }
  /** Everything spent so far is stored when this is answered. */
  | { readonly op: 'flush' };

export interface StorageRequest {
  readonly id: number;
  readonly call: StorageCall;
}

export type StorageResult = KeyRecord | readonly KeyRecord[] | null;

export type StorageReply =
  | { readonly id: number; readonly ok: true; readonly result: StorageResult }
  | { readonly id: number; readonly ok: false; readonly message: string };
