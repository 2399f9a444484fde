import { BACKSLASH, SHORT_ESCAPES } from './bytes.ts';
import { codeUnit } from './escapes.ts';

/** The part of {@link characterAt} that is the character. */
export const CODE_POINT = 0x1fffff;
/** Behind it: how many bytes the character takes. */
export const LENGTH_SHIFT = 21;

/**
 * The character at `at` inside of a well-formed JSON string, as it decodes, and the length of its spelling. Half of a surrogate
 * pair, which only an escape can spell, is a character of its own.
 */
export function characterAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]!;
  if (byte === BACKSLASH) return escapedAt(bytes, at);
  if (byte < 0x80) return byte | (1 << LENGTH_SHIFT);
  const second = bytes[at + 1]! & 0x3f;
  if (byte < 0xe0) return ((byte & 0x1f) << 6) | second | (2 << LENGTH_SHIFT);
  const third = bytes[at + 2]! & 0x3f;
  if (byte < 0xf0) return ((byte & 0x0f) << 12) | (second << 6) | third | (3 << LENGTH_SHIFT);
  return (
    ((byte & 0x07) << 18) | (second << 12) | (third << 6) | (bytes[at + 3]! & 0x3f) | (4 << LENGTH_SHIFT)
  );
}

function escapedAt(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1]!;
  if (letter !== 0x75) return SHORT_ESCAPES[letter]! | (2 << LENGTH_SHIFT);
  const code = codeUnit(bytes, at + 2);
  if (code >= 0xd800 && code < 0xdc00 && bytes[at + 6] === BACKSLASH && bytes[at + 7] === 0x75) {
    const low = codeUnit(bytes, at + 8);
    if (low >= 0xdc00 && low <= 0xdfff)
      return (0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)) | (12 << LENGTH_SHIFT);
  }
  return code | (6 << LENGTH_SHIFT);
}

/** Whether the inside of a JSON string, `bytes[start, end)`, decodes to `text` from its code unit `index` on. */
export function decodesTo(
  bytes: Uint8Array,
  start: number,
  end: number,
  text: string,
  index: number,
): boolean {
  let unit = index;
  let at = start;
  while (at < end) {
    const character = characterAt(bytes, at);
    const code = character & CODE_POINT;
    if (text.codePointAt(unit) !== code) return false;
    unit += code > 0xffff ? 2 : 1;
    at += character >>> LENGTH_SHIFT;
  }
  return unit === text.length;
}

/**
 * Order of what the insides of two JSON strings decode to, by UTF-16 code units: below, at or above zero.
 *
 * They are compared byte by byte up to where they part or an escape comes, and from there by characters: UTF-8 sorts by code
 * point, which differs from UTF-16 above U+FFFF.
 */
export function compareInsides(
  bytes: Uint8Array,
  left: number,
  leftEnd: number,
  right: number,
  rightEnd: number,
): number {
  const shared = Math.min(leftEnd - left, rightEnd - right);
  for (let index = 0; index < shared; index++) {
    const first = bytes[left + index]!;
    const second = bytes[right + index]!;
    if (first === second && first !== BACKSLASH) continue;
    let at = index;
    if (first !== BACKSLASH && second !== BACKSLASH) {
      if (first <= 0x7f || second <= 0x7f) return first - second;
      // To the first byte of the characters that differ; both have begun at the same place.
      while (isContinuation(bytes[left + at]!)) at--;
    }
    return compareCharacters(bytes, left + at, leftEnd, right + at, rightEnd);
  }
  return leftEnd - left - (rightEnd - right);
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

function compareCharacters(
  bytes: Uint8Array,
  left: number,
  leftEnd: number,
  right: number,
  rightEnd: number,
): number {
  let one = left;
  let other = right;
  while (one < leftEnd && other < rightEnd) {
    const first = characterAt(bytes, one);
    const second = characterAt(bytes, other);
    one += first >>> LENGTH_SHIFT;
    other += second >>> LENGTH_SHIFT;
    const code = first & CODE_POINT;
    const otherCode = second & CODE_POINT;
    if (code === otherCode) continue;
    const unit = firstUnit(code);
    const otherUnit = firstUnit(otherCode);
    if (unit !== otherUnit) return unit - otherUnit;
    // Two pairs with the same first half, or a pair and a half that stands alone, after which anything but a second half comes.
    if (code <= 0xffff) return unitAt(bytes, one, leftEnd) - secondUnit(otherCode);
    if (otherCode <= 0xffff) return secondUnit(code) - unitAt(bytes, other, rightEnd);
    return code - otherCode;
  }
  return leftEnd - one - (rightEnd - other);
}

/** The first of the UTF-16 code units of a code point. */
const firstUnit = (code: number): number => (code > 0xffff ? 0xd800 + ((code - 0x10000) >> 10) : code);
const secondUnit = (code: number): number => 0xdc00 + (code & 0x3ff);
/** -1 at the end, which is before everything. */
const unitAt = (bytes: Uint8Array, at: number, end: number): number =>
  at < end ? firstUnit(characterAt(bytes, at) & CODE_POINT) : -1;
