import { Kind, type JsonDocument } from '../std/json/document.ts';

/** How long what a mark caches is kept. As bits, so that several fit into one number. */
export const Ttl = { None: 0, FiveMinutes: 1, OneHour: 2 } as const;

/** The key of a mark, wherever one may stand (Anthropic guide "Prompt caching"). */
export const MARK_KEY = 'cache_control';

/** Marks that a vendor takes in one request, one that it places by itself among them. */
export const MAX_MARKS = 4;

/** What a `cache_control` asks for: {@link Ttl}. Null is none; what the vendor will refuse counts as the default. */
export function ttlOf(document: JsonDocument, value: number): number {
  const kind = document.kind(value);
  if (kind === Kind.Null) return Ttl.None;
  if (kind !== Kind.Object) return Ttl.FiveMinutes;
  const ttl = document.member(value, 'ttl');
  const oneHour = ttl >= 0 && document.kind(ttl) === Kind.String && document.textEquals(ttl, '1h');
  return oneHour ? Ttl.OneHour : Ttl.FiveMinutes;
}

/** A mark as a member, without a comma. */
export const markMember = (ttl: number): string =>
  ttl === Ttl.OneHour
    ? `"${MARK_KEY}":{"type":"ephemeral","ttl":"1h"}`
    : `"${MARK_KEY}":{"type":"ephemeral"}`;
