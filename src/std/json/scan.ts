import { BACKSLASH, QUOTE } from './bytes.ts';
import { JsonSyntaxError } from './errors.ts';

/** 1 for bytes that end a run of plain string text: the quote, the backslash, control characters. */
const ENDS_RUN = new Uint8Array(256);
ENDS_RUN.fill(1, 0, 0x20);
ENDS_RUN[QUOTE] = 1;
ENDS_RUN[BACKSLASH] = 1;

/** 1 for what may follow a backslash in the canonical form, `u` apart. */
const SHORT_ESCAPE = new Uint8Array(256);
for (const character of '"\\bfnrt') SHORT_ESCAPE[character.charCodeAt(0)] = 1;

/** Runs shorter than this are not worth eight bytes at a time (agent prompts: an escape every seven bytes). */
const WORDWISE_FROM = 64;

/** Index of the first byte at or after `from` that ends a run of plain text, or the length: the plain twin. */
export function plainRunEndPlain(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && ENDS_RUN[bytes[at]!] === 0) at++;
  return at;
}

/**
 * {@link plainRunEndPlain}, eight bytes at a time.
 *
 * The word test flags a byte below n by the borrow of `word - n…`; bytes from 0x80 never end a run and are masked out by
 * `~word`. A borrow may flag a neighbour above too, which only ends the fast loop early.
 */
export function plainRunEnd(bytes: Uint8Array, view: DataView, from: number): number {
  const lastPair = bytes.length - 8;
  let at = from;
  while (at <= lastPair) {
    const one = view.getInt32(at, true);
    const two = view.getInt32(at + 4, true);
    const hit =
      (((one - 0x20202020) | ((one ^ 0x22222222) - 0x01010101) | ((one ^ 0x5c5c5c5c) - 0x01010101)) & ~one) |
      (((two - 0x20202020) | ((two ^ 0x22222222) - 0x01010101) | ((two ^ 0x5c5c5c5c) - 0x01010101)) & ~two);
    if ((hit & 0x80808080) !== 0) break;
    at += 8;
  }
  return plainRunEndPlain(bytes, at);
}

/**
 * Reads the string whose opening quote stands at `start`. Answers the index after its closing quote, negated when the
 * string does not stand in its canonical spelling (RFC 8785 §3.2.2.2). Throws {@link JsonSyntaxError}.
 *
 * @param view over the same bytes.
 */
export function scanString(bytes: Uint8Array, view: DataView, start: number): number {
  const length = bytes.length;
  let at = start + 1;
  let sign = 1;
  for (;;) {
    const until = Math.min(at + WORDWISE_FROM, length);
    while (at < until && ENDS_RUN[bytes[at]!] === 0) at++;
    if (at === until) {
      at = plainRunEnd(bytes, view, at);
      if (at === length) throw new JsonSyntaxError('unterminated string', start);
    }
    const byte = bytes[at];
    if (byte === QUOTE) return sign * (at + 1);
    if (byte !== BACKSLASH) throw new JsonSyntaxError('control character in a string', at);
    if (at + 1 < length && SHORT_ESCAPE[bytes[at + 1]!] !== 0) {
      at += 2;
      continue;
    }
    const step = escapeLength(bytes, at);
    if (step < 0) sign = -1;
    at += Math.abs(step);
  }
}

/** Length of an escape that is not a short canonical one, negated when the canonical form writes it otherwise. */
function escapeLength(bytes: Uint8Array, at: number): number {
  if (at + 1 >= bytes.length) throw new JsonSyntaxError('unterminated escape', at);
  switch (bytes[at + 1]!) {
    case 0x2f:
      return -2;
    case 0x75:
      return unicodeEscapeLength(bytes, at);
    default:
      throw new JsonSyntaxError('invalid escape', at);
  }
}

function unicodeEscapeLength(bytes: Uint8Array, at: number): number {
  if (at + 6 > bytes.length) throw new JsonSyntaxError('unterminated escape', at);
  let value = 0;
  let lower = true;
  for (let index = at + 2; index < at + 6; index++) {
    const byte = bytes[index]!;
    const digit = hexDigit(byte);
    if (digit < 0) throw new JsonSyntaxError('invalid escape', at);
    if (byte >= 0x41 && byte <= 0x46) lower = false;
    value = value * 16 + digit;
  }
  // Control characters without a short form are the only ones canonically written so. A lone surrogate is too, but
  // telling it from half of a pair is left to the writer.
  const control = value < 0x20 && value !== 8 && value !== 9 && value !== 10 && value !== 12 && value !== 13;
  return control && lower ? 6 : -6;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  if (byte >= 0x61 && byte <= 0x66) return byte - 0x57;
  if (byte >= 0x41 && byte <= 0x46) return byte - 0x37;
  return -1;
}

/** Reads the number at `start` (RFC 8259 §6) and answers the index after it. Throws {@link JsonSyntaxError}. */
export function scanNumber(bytes: Uint8Array, start: number): number {
  const length = bytes.length;
  let at = start;
  if (bytes[at] === 0x2d) at++;
  if (at < length && bytes[at] === 0x30) at++;
  else at = scanDigits(bytes, at, start);
  if (at < length && bytes[at] === 0x2e) at = scanDigits(bytes, at + 1, start);
  if (at < length && (bytes[at] === 0x65 || bytes[at] === 0x45)) {
    at++;
    if (at < length && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
    at = scanDigits(bytes, at, start);
  }
  return at;
}

function scanDigits(bytes: Uint8Array, from: number, start: number): number {
  const length = bytes.length;
  let at = from;
  while (at < length && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
  if (at > from) return at;
  throw new JsonSyntaxError(
    at === start && at < length
      ? 'unexpected character'
      : at < length
        ? 'malformed number'
        : 'unexpected end of text',
    at,
  );
}

const LITERALS = {
  true: Buffer.from('true'),
  false: Buffer.from('false'),
  null: Buffer.from('null'),
} as const;

/** Reads one of the three literal names at `start` and answers the index after it. Throws {@link JsonSyntaxError}. */
export function scanLiteral(bytes: Uint8Array, start: number, name: keyof typeof LITERALS): number {
  const wanted = LITERALS[name];
  for (let index = 1; index < wanted.length; index++) {
    if (start + index >= bytes.length || bytes[start + index] !== wanted[index])
      throw new JsonSyntaxError('unexpected character', start + index);
  }
  return start + wanted.length;
}
