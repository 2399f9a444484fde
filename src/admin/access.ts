import { timingSafeEqual } from 'node:crypto';

/** Who may make admin calls; plain data, so that every thread can tell. */
export interface AdminAccess {
  /** SHA-256 of the admin token. */
  readonly tokenDigest: Uint8Array;
  /** `make dev`: calls from this machine need no token. */
  readonly trustLocal: boolean;
}

const digest = (text: string): Uint8Array =>
  new Uint8Array(new Bun.CryptoHasher('sha256').update(text).digest());

export const adminAccess = (token: string, trustLocal: boolean): AdminAccess => ({
  tokenDigest: digest(token),
  trustLocal,
});

/**
 * Whether an admin call is allowed, by its `Authorization` (null: it has none). Constant-time: both sides are hashed to one
 * length first.
 *
 * @param local made on this machine, by no page and through no proxy: what `make dev` may trust.
 */
export function mayAdminister(access: AdminAccess, authorization: string | null, local: boolean): boolean {
  if (access.trustLocal && local && authorization === null) return true;
  const given = /^bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), access.tokenDigest);
}
