/** So many code units at a time: what is cut out and put together stays small. */
const PIECE = 16 * 1024;
const ESCAPE_UNITS = 6;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

/**
 * JSON source that can be written as UTF-8: a lone surrogate, legal only within its strings, is written as an escape.
 *
 * Without a string per surrogate: a vendor that sends nothing else for its arguments stalls nobody.
 */
export function encodable(source: string): string {
  if (source.isWellFormed()) return source;
  const out = Buffer.alloc((PIECE + 1) * ESCAPE_UNITS * 2);
  const units = new Uint16Array(out.buffer, out.byteOffset, out.length / 2);
  let text = '';
  for (let from = 0, to = 0; from < source.length; from = to) {
    to = Math.min(source.length, from + PIECE);
    if (isPair(source, to - 1)) to++;
    const piece = source.slice(from, to);
    text += piece.isWellFormed() ? piece : out.toString('utf16le', 0, writeEscaped(piece, units) * 2);
  }
  return text;
}

/** Writes a text's units, lone surrogates as escapes; answers how many. */
function writeEscaped(text: string, out: Uint16Array): number {
  let at = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0xd800 || unit > 0xdfff) out[at++] = unit;
    else if (isPair(text, index)) {
      out[at++] = unit;
      out[at++] = text.charCodeAt(++index);
    } else {
      out[at++] = BACKSLASH;
      out[at++] = LETTER_U;
      for (let shift = 12; shift >= 0; shift -= 4) out[at++] = hexDigit((unit >> shift) & 15);
    }
  }
  return at;
}

/** Lower case, as `JSON.stringify` has it. */
const hexDigit = (value: number): number => (value < 10 ? 0x30 : 0x57) + value;

/** A pair of surrogates stands at `index`. */
const isPair = (text: string, index: number): boolean =>
  (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
