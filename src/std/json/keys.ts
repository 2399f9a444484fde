import { BACKSLASH, SHORT_ESCAPES } from './bytes.ts';
import { compareInsides } from './characters.ts';
import type { StringsView } from './strings-view.ts';
import { codeUnit } from './escapes.ts';

export const HASH_SEED = 0x811c9dc5 | 0;

/** One step of the key hash (FNV-1a). */
export const hashStep = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193);

/** Hash of a key as it decodes, over its UTF-8 bytes: equal keys hash alike whatever their spelling. */
export function hashKeyText(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  let hash = HASH_SEED;
  for (let at = 0; at < bytes.length; at++) hash = hashStep(hash, bytes[at]!);
  return hash;
}

/** Hash of the key string in `[start, end)` of the bytes, quotes included, as it decodes; it must be well-formed. */
export function hashKey(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_SEED;
  let at = start + 1;
  while (at < end - 1) {
    const byte = bytes[at]!;
    if (byte !== BACKSLASH) {
      hash = hashStep(hash, byte);
      at++;
      continue;
    }
    const escape = bytes[at + 1]!;
    if (escape !== 0x75) {
      hash = hashStep(hash, SHORT_ESCAPES[escape]!);
      at += 2;
      continue;
    }
    let code = codeUnit(bytes, at + 2);
    at += 6;
    if (code >= 0xd800 && code <= 0xdfff) {
      // A pair is one character; a lone half has no UTF-8 and stands as the replacement character there.
      const low =
        code < 0xdc00 && bytes[at] === BACKSLASH && bytes[at + 1] === 0x75 ? codeUnit(bytes, at + 2) : 0;
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      } else code = 0xfffd;
    }
    hash = hashCodePoint(hash, code);
  }
  return hash;
}

/** {@link hashStep} over the UTF-8 bytes of one code point (RFC 3629 §3). */
function hashCodePoint(hash: number, code: number): number {
  if (code < 0x80) return hashStep(hash, code);
  if (code < 0x800) return hashStep(hashStep(hash, 0xc0 | (code >> 6)), 0x80 | (code & 0x3f));
  let out =
    code < 0x10000
      ? hashStep(hash, 0xe0 | (code >> 12))
      : hashStep(hashStep(hash, 0xf0 | (code >> 18)), 0x80 | ((code >> 12) & 0x3f));
  out = hashStep(out, 0x80 | ((code >> 6) & 0x3f));
  return hashStep(out, 0x80 | (code & 0x3f));
}

/** Names known in advance, to be recognised among an object's keys without decoding them. ASCII only. */
export class KeyTable {
  readonly names: readonly string[];
  readonly #hashes: Int32Array;
  /** Open addressing: index of the name + 1, 0 is free. At most a quarter full. */
  readonly #slots: Uint8Array;
  readonly #mask: number;

  constructor(names: readonly string[]) {
    let size = 4;
    while (size < names.length * 4) size *= 2;
    this.names = names;
    this.#mask = size - 1;
    this.#slots = new Uint8Array(size);
    this.#hashes = Int32Array.from(names, hashKeyText);
    for (let index = 0; index < names.length; index++) {
      let slot = this.#hashes[index]! & this.#mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = index + 1;
    }
  }

  /** Index of the key's name in {@link names}, -1 when it is none of them. */
  find(document: StringsView, key: number): number {
    const hash = document.keyHash(key);
    let slot = hash & this.#mask;
    for (;;) {
      const index = this.#slots[slot]! - 1;
      if (index < 0) return -1;
      if (this.#hashes[index] === hash && document.textEquals(key, this.names[index]!)) return index;
      slot = (slot + 1) & this.#mask;
    }
  }
}

/** Order of two string nodes by the UTF-16 code units they decode to (RFC 8785 §3.2.3): below, at or above zero. */
export const compareStrings = (document: StringsView, one: number, other: number): number =>
  compareInsides(
    document.bytes,
    document.start(one) + 1,
    document.end(one) - 1,
    document.start(other) + 1,
    document.end(other) - 1,
  );

/** {@link compareStrings} by decoding: the plain twin. */
export function compareStringsPlain(document: StringsView, one: number, other: number): number {
  const left = document.text(one);
  const right = document.text(other);
  return left < right ? -1 : left > right ? 1 : 0;
}
