import { copyBytes } from '../bytes.ts';
import { BACKSLASH, QUOTE, SHORT_ESCAPES } from './bytes.ts';

/** Runs shorter than this are copied byte by byte: a call into the runtime costs as much as a dozen bytes. */
const COPY_NATIVELY_FROM = 32;

/** The letter of a control character's short escape (RFC 8785 §3.2.2.2); 0: it has none. */
const SHORT_LETTER = new Uint8Array(0x20);
for (const letter of 'bfnrt') SHORT_LETTER[SHORT_ESCAPES[letter.charCodeAt(0)]!] = letter.charCodeAt(0);

const HEX = Buffer.from('0123456789abcdef');

/**
 * Writes the inside of a JSON string, `bytes[start, end)`, as RFC 8785 §3.2.2.2 spells it, to `out` from `at` on, and answers
 * where that ends. It never takes more room than its source. The string must be well-formed.
 *
 * To decode and encode it again by the runtime's own JSON costs ten times as much, in one call that nothing interrupts.
 */
export function writeCanonicalText(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  return writeText(bytes, start, end, out, at, true);
}

/**
 * Writes what the inside of a JSON string decodes to. Half of a surrogate pair has no UTF-8 and stays an escape: what a
 * string of JSON holds as text can have one inside of a string only. Otherwise as {@link writeCanonicalText}.
 */
export function writeDecodedText(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  return writeText(bytes, start, end, out, at, false);
}

function writeText(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  from: number,
  escape: boolean,
): number {
  let read = start;
  let at = from;
  for (;;) {
    const until = Math.min(end, read + COPY_NATIVELY_FROM);
    while (read < until) {
      const byte = bytes[read]!;
      if (byte === BACKSLASH) break;
      out[at++] = byte;
      read++;
    }
    if (read === until && read < end) {
      let next = bytes.indexOf(BACKSLASH, read);
      if (next < 0 || next > end) next = end;
      copyBytes(bytes, read, next, out, at);
      at += next - read;
      read = next;
    }
    if (read >= end) return at;
    const letter = bytes[read + 1]!;
    if (letter !== 0x75) {
      if (escape && letter !== 0x2f) out[at++] = BACKSLASH;
      out[at++] = escape ? letter : SHORT_ESCAPES[letter]!;
      read += 2;
      continue;
    }
    const code = codeUnit(bytes, read + 2);
    read += 6;
    if (code < 0xd800 || code > 0xdfff) {
      at = escape ? writeEscaped(out, at, code) : writeUtf8(out, at, code);
      continue;
    }
    const paired = code < 0xdc00 && bytes[read] === BACKSLASH && bytes[read + 1] === 0x75;
    const low = paired ? codeUnit(bytes, read + 2) : 0;
    if (low >= 0xdc00 && low <= 0xdfff) {
      at = writeUtf8(out, at, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
      read += 6;
    } else at = writeUnicodeEscape(out, at, code);
  }
}

/** The code unit that the four hexadecimal digits at `at` stand for; they must be such. */
export function codeUnit(bytes: Uint8Array, at: number): number {
  return (
    (digit(bytes[at]!) << 12) |
    (digit(bytes[at + 1]!) << 8) |
    (digit(bytes[at + 2]!) << 4) |
    digit(bytes[at + 3]!)
  );
}

/** Digits, and letters of either case. */
const digit = (byte: number): number => (byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57);

/** A code point as it stands in a canonical string. */
function writeEscaped(out: Uint8Array, at: number, code: number): number {
  if (code >= 0x20) {
    if (code !== QUOTE && code !== BACKSLASH) return writeUtf8(out, at, code);
    out[at] = BACKSLASH;
    out[at + 1] = code;
    return at + 2;
  }
  const letter = SHORT_LETTER[code]!;
  if (letter === 0) return writeUnicodeEscape(out, at, code);
  out[at] = BACKSLASH;
  out[at + 1] = letter;
  return at + 2;
}

function writeUnicodeEscape(out: Uint8Array, at: number, code: number): number {
  out[at] = BACKSLASH;
  out[at + 1] = 0x75;
  out[at + 2] = HEX[code >> 12]!;
  out[at + 3] = HEX[(code >> 8) & 15]!;
  out[at + 4] = HEX[(code >> 4) & 15]!;
  out[at + 5] = HEX[code & 15]!;
  return at + 6;
}

/** UTF-8 of a code point (RFC 3629 §3). */
function writeUtf8(out: Uint8Array, from: number, code: number): number {
  let at = from;
  if (code < 0x80) {
    out[at++] = code;
    return at;
  }
  if (code < 0x800) out[at++] = 0xc0 | (code >> 6);
  else {
    if (code < 0x10000) out[at++] = 0xe0 | (code >> 12);
    else {
      out[at++] = 0xf0 | (code >> 18);
      out[at++] = 0x80 | ((code >> 12) & 0x3f);
    }
    out[at++] = 0x80 | ((code >> 6) & 0x3f);
  }
  out[at++] = 0x80 | (code & 0x3f);
  return at;
}
