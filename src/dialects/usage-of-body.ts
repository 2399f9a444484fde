import type { Usage } from '../billing/usage.ts';
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from '../std/json/bytes.ts';
import { asBuffer } from '../std/bytes.ts';

const USAGE = Buffer.from('usage');
/** A string that is longer is searched for its end natively. */
const SHORT_STRING = 32;

/**
 * Usage of a whole answer, `body[start, end)`, by its dialect's reading of `usage`, or null when the body carries none.
 *
 * Only that member is parsed: an answer's text may be long, and nothing else of it is of interest here.
 */
export function usageIn(
  body: Uint8Array,
  start: number,
  end: number,
  normalise: (usage: unknown) => Usage | null,
): Usage | null {
  const text = usageSource(asBuffer(body), start, end);
  if (text === null) return null;
  try {
    return normalise(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * Source of the last top-level member `usage` of the JSON object in `bytes[start, end)`; null without one, and of what ends
 * too early. What is no JSON may be taken for it.
 *
 * In latin1, which is cheaper than UTF-8 and says the same: all of JSON's own characters and all of `usage` are ASCII, and
 * no other character's bytes are.
 */
export function usageSource(bytes: Buffer, start: number, end: number): string | null {
  let depth = 0;
  let isKey = false;
  let valueStart = -1;
  let found: [start: number, end: number] | null = null;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    switch (byte) {
      case QUOTE: {
        const close = stringEnd(bytes, at + 1, end);
        if (close < 0) return null;
        if (isKey && isUsage(bytes, at + 1, close)) valueStart = 0;
        isKey = false;
        at = close;
        break;
      }
      case COLON:
        if (valueStart === 0) valueStart = at + 1;
        break;
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        depth++;
        isKey = depth === 1;
        break;
      case COMMA:
      case CLOSE_OBJECT:
      case CLOSE_ARRAY: {
        if (depth === 1) {
          if (valueStart > 0) found = [valueStart, at];
          valueStart = -1;
          isKey = true;
        }
        if (byte === COMMA) break;
        if (--depth > 0) break;
        return found === null ? null : bytes.toString('latin1', found[0], found[1]);
      }
      default:
    }
  }
  return null;
}

/** Where the string that begins at `from` has its closing quote; -1 when it has none. */
function stringEnd(bytes: Buffer, from: number, end: number): number {
  const short = Math.min(end, from + SHORT_STRING);
  for (let at = from; at < short; at++) {
    if (bytes[at] === QUOTE) return at;
    if (bytes[at] === BACKSLASH) at++;
  }
  for (let at = bytes.indexOf(QUOTE, from); at >= 0 && at < end; at = bytes.indexOf(QUOTE, at + 1)) {
    let backslashes = 0;
    while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return -1;
}

function isUsage(bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== USAGE.length) return false;
  for (let index = 0; index < USAGE.length; index++) if (bytes[start + index] !== USAGE[index]) return false;
  return true;
}
