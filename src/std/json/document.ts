import { isUtf8 } from 'node:buffer';
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  skipSpace,
} from './bytes.ts';
import { decodesTo } from './characters.ts';
import { DuplicateKeys } from './duplicate-keys.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from './errors.ts';
import { HASH_SEED, hashKey, hashStep } from './keys.ts';
import { Retention } from './retention.ts';
import { scanLiteral, scanNumber, scanString } from './scan.ts';

/** What a node is. Literals keep their source text, so numbers are never read. */
export const Kind = { Null: 0, False: 1, True: 2, Number: 3, String: 4, Array: 5, Object: 6 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

const MAX_DEPTH = 512;
/**
 * Bounds the tape to 1 GiB. No text of less than 128 MiB has so many: a value and the comma behind it are two bytes. What the
 * densest of them cost in time is bounded by reading them in steps ({@link JsonDocument.advance}).
 */
const MAX_NODES = 64 * 1024 * 1024;
const KIND = 7;
const CANONICAL = 8;
/** Integers of the tape per node. */
const NODE = 4;
const FIRST_NODES = 1024;
/** 1 MiB of tape. */
const KEPT_NODES = 65_536;

const NOTHING = new Uint8Array(0);

/**
 * A lossless view of one JSON text (RFC 8259): where each value lies in the bytes, never what it was turned into.
 *
 * One pass over the bytes writes a flat tape in document order; a node is an index into it:
 *
 * ```
 *   tape:   [start, end, link, flags] per node, 32 bits each
 *             start   first byte of the value (a string's quote)
 *             end     first byte after it
 *             link    node after this one's whole subtree; for a key the hash of its text instead
 *                     (while a container is open: the container around it)
 *             flags   kind (bits 0–2) | canonical (bit 3)
 *   object: node, then per member: key node (String), value subtree
 *   array:  node, then per element: value subtree
 * ```
 *
 * `canonical` says that the value's bytes are already what {@link CanonicalWriter} would write: no whitespace between
 * tokens, strings with the fewest escapes. Such a value is copied as one slice.
 *
 * A document is reused: `parse` overwrites the tape, so nodes of an earlier text must not be kept.
 *
 * A large text can be read in steps, so that it holds nobody up: {@link open}, then {@link advance} until it says that it is done.
 */
export class JsonDocument {
  bytes: Uint8Array = NOTHING;
  #tape = new Int32Array(FIRST_NODES * NODE);
  #count = 0;
  readonly #duplicates = new DuplicateKeys();
  readonly #retention = new Retention(KEPT_NODES);
  /** Where a text that is read in steps stands: see {@link #scan}. */
  #at = 0;
  #openNode = -1;
  #keyNext = false;
  #depth = 0;

  readonly #lastKeyCounts: boolean;

  /**
   * @param repeatedKeys what an object means that has a key twice: nothing that all readers agree on, so that it is refused; or, as
   *   `JSON.parse` and with it most clients read it, what stands there last
   */
  constructor(repeatedKeys: 'refused' | 'last' = 'refused') {
    this.#lastKeyCounts = repeatedKeys === 'last';
  }

  /** Reads one whole text; node 0 is its value. Throws {@link JsonSyntaxError} or {@link JsonDuplicateKeyError}. */
  parse(bytes: Uint8Array): void {
    this.open(bytes);
    this.#scan(Infinity);
  }

  /** Begins to read a text. Throws {@link JsonSyntaxError} for one that is no UTF-8. */
  open(bytes: Uint8Array): void {
    this.#count = 0;
    this.bytes = bytes;
    if (!isUtf8(bytes)) throw new JsonSyntaxError('the text is not UTF-8', 0);
    this.#at = skipSpace(bytes, 0);
    this.#openNode = -1;
    this.#keyNext = false;
    this.#depth = 0;
  }

  /**
   * Reads on by about so many values and keys; true once the text is whole. Throws as {@link parse} does. A step is as long as the
   * longest string in it, or as the comparison of the keys of the largest object that ends in it.
   */
  advance(nodes: number): boolean {
    return this.#scan(this.#count + nodes);
  }

  /** Forgets the text, and gives back memory that no text has needed for a while. */
  release(): void {
    this.bytes = NOTHING;
    if (this.#retention.shouldShrink(this.#count, this.#tape.length / NODE)) {
      this.#tape = new Int32Array(FIRST_NODES * NODE);
      this.#duplicates.release();
    }
    this.#count = 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Nodes that there is memory for. */
  get capacity(): number {
    return this.#tape.length / NODE;
  }

  kind(node: number): Kind {
    return (this.#tape[node * NODE + 3]! & KIND) as Kind;
  }

  /** The value's bytes are already in canonical form. */
  canonical(node: number): boolean {
    return (this.#tape[node * NODE + 3]! & CANONICAL) !== 0;
  }

  start(node: number): number {
    return this.#tape[node * NODE]!;
  }

  end(node: number): number {
    return this.#tape[node * NODE + 1]!;
  }

  /** The node after this value and everything in it. Not for keys: a key's value is the node after it. */
  next(node: number): number {
    return this.#tape[node * NODE + 2]!;
  }

  /** Hash of a key's text, the same for every spelling of it. */
  keyHash(key: number): number {
    return this.#tape[key * NODE + 2]!;
  }

  /** Value node of a member, or -1. The key is compared as it decodes. */
  member(object: number, key: string): number {
    const end = this.next(object);
    let found = -1;
    for (let at = object + 1; at < end; at = this.next(at + 1)) {
      if (!this.textEquals(at, key)) continue;
      found = at + 1;
      if (!this.#lastKeyCounts) break;
    }
    return found;
  }

  /** Whether a string node decodes to `text`. */
  textEquals(node: number, text: string): boolean {
    const { bytes } = this;
    const start = this.start(node) + 1;
    const length = this.end(node) - 1 - start;
    // No spelling has fewer bytes than the text has characters.
    if (length < text.length) return false;
    for (let index = 0; index < text.length; index++) {
      const byte = bytes[start + index]!;
      if (byte === BACKSLASH || byte > 0x7f)
        return decodesTo(bytes, start + index, start + length, text, index);
      if (byte !== text.charCodeAt(index)) return false;
    }
    return length === text.length;
  }

  /** A string node's text. Lone surrogates survive as such. */
  text(node: number): string {
    const source = this.source(node);
    return source.includes('\\') ? (JSON.parse(source) as string) : source.slice(1, -1);
  }

  /** The source text of a value. */
  source(node: number): string {
    return Buffer.prototype.toString.call(this.bytes, 'utf8', this.start(node), this.end(node));
  }

  /**
   * The pass over the bytes: one loop without recursion, so that depth costs no stack. `open` is the innermost container
   * that is not closed yet, -1 outside of all. Pauses before the value or key that would be number `pauseAt`, and answers false;
   * true at the end of the text.
   */
  #scan(pauseAt: number): boolean {
    const { bytes } = this;
    const length = bytes.length;
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    let tape = this.#tape;
    let count = this.#count;
    let open = this.#openNode;
    let inObject = open >= 0 && (tape[open * NODE + 3]! & KIND) === Kind.Object;
    let keyNext = this.#keyNext;
    let depth = this.#depth;
    let at = this.#at;
    let room = Math.min(tape.length / NODE - 2, pauseAt - 1);
    for (;;) {
      if (at >= length) throw new JsonSyntaxError('unexpected end of text', at);
      if (count > room) {
        if (count >= pauseAt) {
          this.#count = count;
          this.#openNode = open;
          this.#keyNext = keyNext;
          this.#depth = depth;
          this.#at = at;
          return false;
        }
        tape = this.#grow();
        room = Math.min(tape.length / NODE - 2, pauseAt - 1);
      }
      if (keyNext) {
        if (bytes[at] !== QUOTE) throw new JsonSyntaxError('expected a key', at);
        // Read and hash in one go; a key with an escape takes the long way.
        let hash = HASH_SEED;
        let end = at + 1;
        while (end < length) {
          const byte = bytes[end]!;
          if (byte === QUOTE || byte === BACKSLASH || byte < 0x20) break;
          hash = hashStep(hash, byte);
          end++;
        }
        let clean = true;
        if (end < length && bytes[end] === QUOTE) end++;
        else {
          end = scanString(bytes, view, at);
          clean = end > 0;
          end = Math.abs(end);
          hash = hashKey(bytes, at, end);
        }
        const slot = count++ * NODE;
        tape[slot] = at;
        tape[slot + 1] = end;
        tape[slot + 2] = hash;
        tape[slot + 3] = clean ? Kind.String | CANONICAL : Kind.String;
        at = end;
        if (at < length && bytes[at]! <= 0x20) {
          at = skipSpace(bytes, at);
          clean = false;
        }
        if (at >= length || bytes[at] !== COLON) throw new JsonSyntaxError('expected ":"', at);
        at++;
        if (at < length && bytes[at]! <= 0x20) {
          at = skipSpace(bytes, at);
          clean = false;
        }
        if (!clean) tape[open * NODE + 3] = Kind.Object;
        if (at >= length) throw new JsonSyntaxError('unexpected end of text', at);
      }
      const slot = count++ * NODE;
      tape[slot] = at;
      tape[slot + 2] = count;
      switch (bytes[at]!) {
        case QUOTE: {
          const end = scanString(bytes, view, at);
          if (end > 0) {
            tape[slot + 3] = Kind.String | CANONICAL;
            at = end;
          } else {
            tape[slot + 3] = Kind.String;
            if (open >= 0) tape[open * NODE + 3]! &= KIND;
            at = -end;
          }
          break;
        }
        case OPEN_OBJECT:
        case OPEN_ARRAY: {
          if (depth === MAX_DEPTH) throw new JsonSyntaxError(`nested deeper than ${MAX_DEPTH}`, at);
          depth++;
          inObject = bytes[at] === OPEN_OBJECT;
          tape[slot + 2] = open;
          tape[slot + 3] = (inObject ? Kind.Object : Kind.Array) | CANONICAL;
          open = count - 1;
          at++;
          if (at < length && bytes[at]! <= 0x20) {
            at = skipSpace(bytes, at);
            tape[slot + 3]! &= KIND;
          }
          if (at < length && bytes[at] === (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) break;
          keyNext = inObject;
          continue;
        }
        case 0x74:
          at = scanLiteral(bytes, at, 'true');
          tape[slot + 3] = Kind.True | CANONICAL;
          break;
        case 0x66:
          at = scanLiteral(bytes, at, 'false');
          tape[slot + 3] = Kind.False | CANONICAL;
          break;
        case 0x6e:
          at = scanLiteral(bytes, at, 'null');
          tape[slot + 3] = Kind.Null | CANONICAL;
          break;
        default:
          at = scanNumber(bytes, at);
          tape[slot + 3] = Kind.Number | CANONICAL;
      }
      tape[slot + 1] = at;
      // After a value: close what it completes, until a comma asks for the next one.
      for (;;) {
        if (open < 0) {
          at = skipSpace(bytes, at);
          if (at < length) throw new JsonSyntaxError('unexpected text after the value', at);
          this.#count = count;
          return true;
        }
        const slot = open * NODE;
        if (at < length && bytes[at]! <= 0x20) {
          at = skipSpace(bytes, at);
          tape[slot + 3]! &= KIND;
        }
        if (at >= length) throw new JsonSyntaxError('unexpected end of text', at);
        const byte = bytes[at];
        if (byte === COMMA) {
          at++;
          if (at < length && bytes[at]! <= 0x20) {
            at = skipSpace(bytes, at);
            tape[slot + 3]! &= KIND;
          }
          keyNext = inObject;
          break;
        }
        if (byte !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY))
          throw new JsonSyntaxError(inObject ? 'expected "," or "}"' : 'expected "," or "]"', at);
        at++;
        tape[slot + 1] = at;
        const around = tape[slot + 2]!;
        tape[slot + 2] = count;
        if (inObject) this.#refuseDuplicates(open, count);
        if (around >= 0 && (tape[slot + 3]! & CANONICAL) === 0) tape[around * NODE + 3]! &= KIND;
        open = around;
        inObject = open >= 0 && (tape[open * NODE + 3]! & KIND) === Kind.Object;
        depth--;
      }
    }
  }

  #grow(): Int32Array<ArrayBuffer> {
    const nodes = this.#tape.length / NODE;
    if (nodes >= MAX_NODES) throw new JsonSyntaxError(`more than ${MAX_NODES} values and keys`, 0);
    const grown = new Int32Array(nodes * 2 * NODE);
    grown.set(this.#tape);
    this.#tape = grown;
    return grown;
  }

  /** Throws for the first key of an object that is there for the second time. */
  #refuseDuplicates(object: number, end: number): void {
    if (this.#lastKeyCounts) return;
    const key = this.#duplicates.find(this, object, end);
    if (key >= 0) throw new JsonDuplicateKeyError(this.text(key), this.start(key));
  }
}
