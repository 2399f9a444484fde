/** An API key as threads know it; never the key itself. Times in ms since 1970, money in nano-USD. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly keyPrefix: string;
  readonly quotaNanoUsd: number | null;
  readonly allowedModels: readonly string[] | null;
  readonly expiresAt: number | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly dedup: boolean;
  readonly passthrough: boolean;
  readonly createdAt: number;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
  /** The key's place in the shared money table, given at its first load in this process and never reused. */
  readonly slot: number;
  /** What it had spent when the slot was given. */
  readonly spentBaseNanoUsd: number;
}

export interface NewKey {
  readonly id: string;
  readonly hash: string;
  readonly name: string;
  readonly keyPrefix: string;
  readonly quotaNanoUsd: number | null;
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
    KeyRecord,
    'name' | 'quotaNanoUsd' | 'allowedModels' | 'expiresAt' | 'tags' | 'dedup' | 'passthrough' | 'revokedAt'
  >
>;

export interface UsageDelta {
  readonly id: string;
  readonly spentNanoUsd: number;
  readonly lastUsedAtMs: number;
}
