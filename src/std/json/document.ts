import { isUtf8 } from 'node:buffer';
import { JsonDuplicateKeyError, JsonSyntaxError } from './errors.ts';

/** What a node is. Literals keep their source text, so numbers are never read. */
export const Kind = { Null: 0, False: 1, True: 2, Number: 3, String: 4, Array: 5, Object: 6 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MAX_DEPTH = 512;
/** Objects larger than this look for duplicate keys through a Set instead of by comparing hashes pairwise. */
const SMALL_OBJECT = 16;
const CANONICAL = 8;
/** Runs shorter than this are not worth four bytes at a time. */
const WORDWISE_MIN = 32;

/**
 * A lossless view of one JSON text (RFC 8259): where each value lies in the bytes, never what it was turned into.
 *
 * One pass over the bytes writes a flat tape in document order; a node is an index into it:
 *
 * ```
 *   tape:   flags[n]   kind (3 bits) | canonical (bit 3)
 *           start[n]   first byte of the value (a string's quote)
 *           end[n]     first byte after it
 *           next[n]    node after this one's whole subtree
 *   object: node, then per member: key node (String), value subtree
 *   array:  node, then per element: value subtree
 * ```
 *
 * `canonical` says that the value's bytes are already what {@link CanonicalWriter} would write: no whitespace between
 * tokens, strings with the fewest escapes. Such a value is copied as one slice.
 *
 * A document is reused: `parse` overwrites the tape, so nodes of an earlier text must not be kept.
 */
export class JsonDocument {
  bytes: Uint8Array = new Uint8Array(0);
  #words: Uint32Array | null = null;
  #flags = new Uint8Array(1024);
  #starts = new Int32Array(1024);
  #ends = new Int32Array(1024);
  #nexts = new Int32Array(1024);
  #hashes = new Int32Array(1024);
  #count = 0;
  #at = 0;

  /** Reads one whole text; node 0 is its value. Throws {@link JsonSyntaxError} or {@link JsonDuplicateKeyError}. */
  parse(bytes: Uint8Array): void {
    if (!isUtf8(bytes)) throw new JsonSyntaxError('the text is not UTF-8', 0);
    this.bytes = bytes;
    this.#words =
      bytes.byteOffset % 4 === 0
        ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)
        : null;
    this.#count = 0;
    this.#at = 0;
    this.#skipSpace();
    this.#value(0);
    this.#skipSpace();
    if (this.#at < bytes.length) throw new JsonSyntaxError('unexpected text after the value', this.#at);
  }

  get count(): number {
    return this.#count;
  }

  kind(node: number): Kind {
    return (this.#flags[node]! & 7) as Kind;
  }

  /** The value's bytes are already in canonical form. */
  canonical(node: number): boolean {
    return (this.#flags[node]! & CANONICAL) !== 0;
  }

  start(node: number): number {
    return this.#starts[node]!;
  }

  end(node: number): number {
    return this.#ends[node]!;
  }

  /** The node after this one and everything in it. */
  next(node: number): number {
    return this.#nexts[node]!;
  }

  /** Value node of a member, or -1. The key is compared as it decodes. */
  member(object: number, key: string): number {
    const end = this.next(object);
    for (let at = object + 1; at < end; at = this.next(at + 1)) if (this.textEquals(at, key)) return at + 1;
    return -1;
  }

  /** Whether a string node decodes to `text`. */
  textEquals(node: number, text: string): boolean {
    const start = this.#starts[node]! + 1;
    const length = this.#ends[node]! - 1 - start;
    if ((this.#flags[node]! & CANONICAL) === 0) return this.text(node) === text;
    if (length < text.length) return false;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return this.text(node) === text;
      // An escape in either form means a character that is compared decoded.
      if (this.bytes[start + index] !== code)
        return code < 0x20 || code === QUOTE || code === BACKSLASH ? this.text(node) === text : false;
    }
    return length === text.length;
  }

  /** A string node's text. Lone surrogates survive as such. */
  text(node: number): string {
    return JSON.parse(this.source(node)) as string;
  }

  /** The source text of a value. */
  source(node: number): string {
    const start = this.#starts[node]!;
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, this.#ends[node]! - start).toString(
      'utf8',
    );
  }

  #push(kind: Kind, start: number): number {
    const node = this.#count++;
    if (node === this.#flags.length) this.#grow();
    this.#flags[node] = kind;
    this.#starts[node] = start;
    return node;
  }

  #grow(): void {
    const size = this.#flags.length * 2;
    const flags = new Uint8Array(size);
    flags.set(this.#flags);
    this.#flags = flags;
    const larger = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const grown = new Int32Array(size);
      grown.set(old);
      return grown;
    };
    this.#starts = larger(this.#starts);
    this.#ends = larger(this.#ends);
    this.#nexts = larger(this.#nexts);
    this.#hashes = larger(this.#hashes);
  }

  #close(node: number, canonical: boolean): void {
    this.#ends[node] = this.#at;
    this.#nexts[node] = this.#count;
    if (canonical) this.#flags[node]! |= CANONICAL;
  }

  #skipSpace(): boolean {
    const { bytes } = this;
    let at = this.#at;
    const from = at;
    for (;;) {
      const byte = bytes[at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
      at++;
    }
    this.#at = at;
    return at === from;
  }

  /** Answers whether the value stands in canonical form. */
  #value(depth: number): boolean {
    const at = this.#at;
    switch (this.bytes[at]) {
      case QUOTE:
        return this.#string();
      case 0x7b:
        return this.#object(depth);
      case 0x5b:
        return this.#array(depth);
      case 0x74:
        return this.#literal(Kind.True, 'true');
      case 0x66:
        return this.#literal(Kind.False, 'false');
      case 0x6e:
        return this.#literal(Kind.Null, 'null');
      case undefined:
        throw new JsonSyntaxError('unexpected end of text', at);
      default:
        return this.#number();
    }
  }

  #literal(kind: Kind, text: string): boolean {
    const start = this.#at;
    for (let index = 0; index < text.length; index++) {
      if (this.bytes[start + index] !== text.charCodeAt(index))
        throw new JsonSyntaxError('unexpected character', start + index);
    }
    const node = this.#push(kind, start);
    this.#at = start + text.length;
    this.#close(node, true);
    return true;
  }

  #number(): boolean {
    const { bytes } = this;
    const start = this.#at;
    let at = start;
    const digits = (): void => {
      const from = at;
      while (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
      if (at === from)
        throw new JsonSyntaxError(at === start ? 'unexpected character' : 'malformed number', at);
    };
    if (bytes[at] === 0x2d) at++;
    if (bytes[at] === 0x30) at++;
    else digits();
    if (bytes[at] === 0x2e) {
      at++;
      digits();
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      at++;
      if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
      digits();
    }
    const node = this.#push(Kind.Number, start);
    this.#at = at;
    this.#close(node, true);
    return true;
  }

  #string(): boolean {
    const { bytes } = this;
    const start = this.#at;
    let at = start + 1;
    let canonical = true;
    let hash = 0x811c9dc5 | 0;
    for (;;) {
      const byte = bytes[at];
      if (byte === QUOTE) break;
      if (byte === undefined) throw new JsonSyntaxError('unterminated string', start);
      if (byte < 0x20) throw new JsonSyntaxError('control character in a string', at);
      if (byte === BACKSLASH) {
        const length = this.#escape(at);
        if (length < 0) canonical = false;
        at += Math.abs(length);
        continue;
      }
      hash = Math.imul(hash ^ byte, 0x01000193);
      at++;
      // Short strings are done by now; in a long one every plain run is skipped word by word, also after an escape.
      if (at - start > WORDWISE_MIN && (at & 3) === 0) at = this.#plainRun(at);
    }
    const node = this.#push(Kind.String, start);
    this.#hashes[node] = hash;
    this.#at = at + 1;
    this.#close(node, canonical);
    return canonical;
  }

  /**
   * Skips bytes that need no look, four at a time: no quote, no backslash, nothing below 0x20. The bit trick flags a
   * byte below n by the borrow of `word - n…`; a borrow may flag a neighbour too, which only ends the run early.
   */
  #plainRun(from: number): number {
    const words = this.#words;
    if (words === null) return from;
    let index = from >>> 2;
    const count = words.length;
    while (index < count) {
      const word = words[index]! | 0;
      const quote = word ^ 0x22222222;
      const slash = word ^ 0x5c5c5c5c;
      const hit =
        (((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((slash - 0x01010101) & ~slash)) &
        0x80808080;
      if (hit !== 0) break;
      index++;
    }
    return index << 2;
  }

  /** Length of the escape at `at`, negative when the canonical form writes it otherwise. */
  #escape(at: number): number {
    const { bytes } = this;
    switch (bytes[at + 1]) {
      case QUOTE:
      case BACKSLASH:
      case 0x62:
      case 0x66:
      case 0x6e:
      case 0x72:
      case 0x74:
        return 2;
      case 0x2f:
        return -2;
      case 0x75:
        break;
      default:
        throw new JsonSyntaxError('invalid escape', at);
    }
    let value = 0;
    let lower = true;
    for (let index = at + 2; index < at + 6; index++) {
      const byte = bytes[index];
      const digit =
        byte === undefined
          ? -1
          : byte <= 0x39
            ? byte - 0x30
            : byte >= 0x61 && byte <= 0x66
              ? byte - 0x57
              : byte >= 0x41 && byte <= 0x46
                ? byte - 0x37
                : -1;
      if (digit < 0 || digit > 15) throw new JsonSyntaxError('invalid escape', at);
      if (byte! < 0x61 && byte! > 0x39) lower = false;
      value = value * 16 + digit;
    }
    const control =
      value < 0x20 && value !== 8 && value !== 9 && value !== 10 && value !== 12 && value !== 13;
    // A lone surrogate cannot be written raw; a pair can, so it is left to the writer.
    return control && lower ? 6 : -6;
  }

  #array(depth: number): boolean {
    if (depth >= MAX_DEPTH) throw new JsonSyntaxError(`nested deeper than ${MAX_DEPTH}`, this.#at);
    const node = this.#push(Kind.Array, this.#at);
    this.#at++;
    let canonical = this.#skipSpace();
    if (this.bytes[this.#at] !== 0x5d) {
      for (;;) {
        if (!this.#value(depth + 1)) canonical = false;
        if (!this.#skipSpace()) canonical = false;
        const byte = this.bytes[this.#at];
        if (byte === 0x5d) break;
        if (byte !== 0x2c) throw new JsonSyntaxError('expected "," or "]"', this.#at);
        this.#at++;
        if (!this.#skipSpace()) canonical = false;
      }
    }
    this.#at++;
    this.#close(node, canonical);
    return canonical;
  }

  #object(depth: number): boolean {
    if (depth >= MAX_DEPTH) throw new JsonSyntaxError(`nested deeper than ${MAX_DEPTH}`, this.#at);
    const node = this.#push(Kind.Object, this.#at);
    this.#at++;
    let canonical = this.#skipSpace();
    let members = 0;
    let seen: Set<string> | null = null;
    if (this.bytes[this.#at] !== 0x7d) {
      for (;;) {
        if (this.bytes[this.#at] !== QUOTE) throw new JsonSyntaxError('expected a key', this.#at);
        const key = this.#count;
        if (!this.#string()) canonical = false;
        members++;
        if (members > SMALL_OBJECT) seen = this.#checkLarge(node, key, seen);
        else this.#checkSmall(node, key);
        if (!this.#skipSpace()) canonical = false;
        if (this.bytes[this.#at] !== 0x3a) throw new JsonSyntaxError('expected ":"', this.#at);
        this.#at++;
        if (!this.#skipSpace()) canonical = false;
        if (!this.#value(depth + 1)) canonical = false;
        if (!this.#skipSpace()) canonical = false;
        const byte = this.bytes[this.#at];
        if (byte === 0x7d) break;
        if (byte !== 0x2c) throw new JsonSyntaxError('expected "," or "}"', this.#at);
        this.#at++;
        if (!this.#skipSpace()) canonical = false;
      }
    }
    this.#at++;
    this.#close(node, canonical);
    return canonical;
  }

  #checkSmall(object: number, key: number): void {
    const escaped = !this.#plain(key);
    for (let other = object + 1; other < key; other = this.#nexts[other + 1]!) {
      if (!escaped && this.#hashes[other] !== this.#hashes[key] && this.#plain(other)) continue;
      if (this.text(other) === this.text(key))
        throw new JsonDuplicateKeyError(this.text(key), this.#starts[key]!);
    }
  }

  /** The hash covers a key's bytes only when it has no escapes and is short of the word-wise run. */
  #plain(key: number): boolean {
    const start = this.#starts[key]!;
    const end = this.#ends[key]!;
    if (end - start > WORDWISE_MIN) return false;
    for (let at = start + 1; at < end - 1; at++) if (this.bytes[at] === BACKSLASH) return false;
    return true;
  }

  #checkLarge(object: number, key: number, known: Set<string> | null): Set<string> {
    let seen = known;
    if (seen === null) {
      seen = new Set();
      for (let other = object + 1; other < key; other = this.#nexts[other + 1]!) seen.add(this.text(other));
    }
    const text = this.text(key);
    if (seen.has(text)) throw new JsonDuplicateKeyError(text, this.#starts[key]!);
    seen.add(text);
    return seen;
  }
}
