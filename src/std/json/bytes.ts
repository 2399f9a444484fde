/** The bytes that JSON's grammar (RFC 8259 §2) is made of. */
export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const BACKSLASH = 0x5c;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

/** What the letter after a backslash stands for; 0: no short escape. */
export const SHORT_ESCAPES = new Uint8Array(128);
for (const [escape, text] of Object.entries({
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}))
  SHORT_ESCAPES[escape.charCodeAt(0)] = text.charCodeAt(0);

/** First byte at or after `at` that is no whitespace between tokens (RFC 8259 §2 `ws`). */
export function skipSpace(bytes: Uint8Array, from: number): number {
  const length = bytes.length;
  let at = from;
  while (at < length) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    at++;
  }
  return at;
}
