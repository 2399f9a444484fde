/** An API key as storage holds it; never the key itself. Times in ms since 1970, money in nano-USD. */
export interface StoredKey {
  readonly id: string;
  readonly name: string;
  /** First characters of the key, to recognise it by. */
  readonly keyPrefix: string;
  readonly quotaNanoUsd: number | null;
  /** As of the last sweep; what came since stands in shared memory. */
  readonly spentNanoUsd: number;
  /** Requests and tokens a minute; null: the gateway's own limit, if it has one. */
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly allowedModels: readonly string[] | null;
  readonly expiresAt: number | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly dedup: boolean;
  readonly passthrough: boolean;
  readonly createdAt: number;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
}

/** A key as the threads know it. */
export interface KeyRecord extends StoredKey {
  /** Its place in the shared money table: given when it is first used in this process, never reused. -1: none yet. */
  readonly slot: number;
}

/** What a new key is made of; `hash` is all that is kept of the key itself. */
export interface NewKey {
  readonly id: string;
  readonly hash: string;
  readonly name: string;
  readonly keyPrefix: string;
  readonly quotaNanoUsd: number | null;
  /** Requests and tokens a minute; null: the gateway's own limit, if it has one. */
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly allowedModels: readonly string[] | null;
  readonly expiresAt: number | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly dedup: boolean;
  readonly passthrough: boolean;
  readonly createdAt: number;
}

/** What PATCH may change. */
export type KeyChange = Partial<
  Pick<
    StoredKey,
    | 'name'
    | 'quotaNanoUsd'
    | 'rpm'
    | 'tpm'
    | 'allowedModels'
    | 'expiresAt'
    | 'tags'
    | 'dedup'
    | 'passthrough'
    | 'revokedAt'
  >
>;

/** What a key has spent since the last batch. */
export interface UsageDelta {
  readonly id: string;
  readonly spentNanoUsd: number;
  readonly lastUsedAtMs: number;
}
