import { JsonDocument, Kind } from '../std/json/document.ts';
import { OPEN_OBJECT, skipSpace } from '../std/json/bytes.ts';

/**
 * Content goes from one dialect to the other as the vendor spelled it: a JSON string is copied with its escapes, quotes
 * and all ("source") or without the quotes ("raw"). So half of a surrogate pair stays the escape it was until the other
 * half comes.
 */

/** Value node of a member; -1 where there is none, or where `object` is -1 or no object. */
export function memberOf(document: JsonDocument, object: number, key: string): number {
  return object >= 0 && document.kind(object) === Kind.Object ? document.member(object, key) : -1;
}

/** The object tells of an error; null is none. */
export function saysError(document: JsonDocument): boolean {
  const error = memberOf(document, 0, 'error');
  return error >= 0 && document.kind(error) !== Kind.Null;
}

/** Source of a string node; null for -1 and for anything that is no string. */
export function sourceOf(document: JsonDocument, node: number): string | null {
  return node >= 0 && document.kind(node) === Kind.String ? document.source(node) : null;
}

/** {@link sourceOf} without the quotes, '' where there is none. */
export function rawOf(document: JsonDocument, node: number): string {
  return sourceOf(document, node)?.slice(1, -1) ?? '';
}

/** What a string node decodes to; null for -1 and for anything that is no string. */
export function textOf(document: JsonDocument, node: number): string | null {
  return node >= 0 && document.kind(node) === Kind.String ? document.text(node) : null;
}

/** Whether a node decodes to `text`. */
export function isText(document: JsonDocument, node: number, text: string): boolean {
  return node >= 0 && document.kind(node) === Kind.String && document.textEquals(node, text);
}

/** A whole number; -1 for anything else. */
export function indexOf(document: JsonDocument, node: number): number {
  if (node < 0 || document.kind(node) !== Kind.Number) return -1;
  const value = Number(document.source(node));
  return Number.isSafeInteger(value) && value >= 0 ? value : -1;
}

/** Raw text decoded once: what the string says. */
export const decodeRaw = (raw: string): string =>
  raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;

/** Text encoded once, without quotes. */
export const encodeRaw = (text: string): string => JSON.stringify(text).slice(1, -1);

/** What an event carries: a record, now in the document; nothing that anybody writes for content; or a broken record. */
export type EventData = 'record' | 'none' | 'broken';

/** Reads an event's data. What does not begin as an object is none: `[DONE]`, an empty line, a word to keep alive. */
export function readEvent(document: JsonDocument, bytes: Buffer, start: number, end: number): EventData {
  const data = bytes.subarray(start, end);
  const at = skipSpace(data, 0);
  if (at >= data.length || data[at] !== OPEN_OBJECT) return 'none';
  try {
    document.parse(data);
    return 'record';
  } catch {
    return 'broken';
  }
}

/** Reads a whole body; false when it is no JSON object. Blank lines before it are legal (DeepSeek: to keep alive). */
export function readBody(document: JsonDocument, bytes: Uint8Array): boolean {
  try {
    document.parse(bytes);
    return document.kind(0) === Kind.Object;
  } catch {
    return false;
  }
}

/** An id where the vendor has none, as source: the same for the same place and content. */
export const inventedId = (prefix: string, place: string): string =>
  `"${prefix}${Bun.hash.xxHash3(place).toString(16).padStart(16, '0')}"`;

const MAX_TOLD_CHARS = 1_000;

/** What a refusal says that is no JSON: its text, cut to what a message may hold. */
export function toldText(status: number, answer: Uint8Array): string {
  const text = Buffer.from(answer.buffer, answer.byteOffset, Math.min(answer.length, 4 * MAX_TOLD_CHARS))
    .toString('utf8')
    .trim();
  return text === '' ? `The vendor answered with status ${status}.` : text.slice(0, MAX_TOLD_CHARS);
}
