/**
 * The simulator's own idea of tokens: a text is cut into pieces of four UTF-8 bytes, the last one padded, and a token is the
 * piece itself as a 32-bit integer. That is about four characters a token, equal texts have equal tokens, a text that goes on
 * keeps its first tokens (but for the last), and all of it costs one native encoding and no table.
 *
 *   "Hello, wörld"  →  Hell | o, w | örl | d··      (· = 0xff, which UTF-8 never uses)
 */
const PADDING = 0xff;
const BYTES_PER_TOKEN = 4;
const START_TOKENS = 16 * 1024;
/** A buffer grown beyond this by one long prompt is given back. */
const KEEP_TOKENS = 1024 * 1024;

/** In the lowest byte, which is the first in memory, 0xff: no piece of UTF-8 text begins with it. */
const NO_TEXT = 0xff;
const CONTROL_BASE = 0xff_ff_00_00 | NO_TEXT;

/** A token that no text can produce, such as a role marker; `index` < 256. */
export const controlToken = (index: number): number => CONTROL_BASE | (index << 8);

const encoder = new TextEncoder();

/** Number of tokens of a text that stands alone. */
export const countTokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);

/** The longest beginning of `text` that has at most `max` tokens; no character is cut in two. */
export function cutToTokens(text: string, max: number): string {
  if (text.length <= max) return text;
  if (countTokens(text) <= max) return text;
  const { read } = encoder.encodeInto(text, new Uint8Array(max * BYTES_PER_TOKEN));
  return text.slice(0, read);
}

/** Writes a prompt as tokens into one buffer that is used again for the next prompt. */
export class TokenWriter {
  #words = new Int32Array(START_TOKENS);
  #bytes = new Uint8Array(this.#words.buffer);
  #length = 0;

  /** Tokens written. */
  get length(): number {
    return this.#length;
  }

  /** What was written; valid until the next `clear`. */
  get tokens(): Int32Array {
    return this.#words.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    if (this.#words.length > KEEP_TOKENS) this.#resize(START_TOKENS);
  }

  control(index: number): void {
    this.#reserve(1);
    this.#words[this.#length++] = controlToken(index);
  }

  text(text: string): void {
    if (text.length === 0) return;
    // Three bytes a UTF-16 unit is the most UTF-8 can take.
    this.#reserve(Math.ceil((text.length * 3) / BYTES_PER_TOKEN) + 1);
    const start = this.#length * BYTES_PER_TOKEN;
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(start));
    let end = start + written;
    while (end % BYTES_PER_TOKEN !== 0) this.#bytes[end++] = PADDING;
    this.#length = end / BYTES_PER_TOKEN;
  }

  /** Stands for something that is no text (an image): `count` tokens that depend on `identity`. */
  opaque(identity: string, count: number): void {
    this.#reserve(count);
    const hash = Bun.hash.xxHash32(identity);
    for (let index = 0; index < count; index++) this.#words[this.#length++] = ((hash + index) << 8) | NO_TEXT;
  }

  #reserve(count: number): void {
    if (this.#length + count > this.#words.length) this.#resize(2 * (this.#length + count));
  }

  #resize(tokens: number): void {
    const words = new Int32Array(tokens);
    words.set(this.#words.subarray(0, this.#length));
    this.#words = words;
    this.#bytes = new Uint8Array(words.buffer);
  }
}
