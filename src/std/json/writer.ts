import { copyBytes } from '../bytes.ts';
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './bytes.ts';
import { Kind, type JsonDocument } from './document.ts';
import { writeCanonicalText, writeDecodedText } from './escapes.ts';
import { compareStrings } from './keys.ts';
import { Retention } from './retention.ts';

const FIRST_CAPACITY = 64 * 1024;
const KEPT_CAPACITY = 1024 * 1024;
const STEP = 64 * 1024;
/** A slice of at least this size is noted as a run. */
const RUN_BYTES = 256 * 1024;
/** Shorter slices are copied byte by byte: a call into the runtime costs as much as a dozen bytes. */
const COPY_NATIVELY_FROM = 16;

export interface CanonicalWriterOptions {
  /** Sort every object's keys by UTF-16 code units (RFC 8785 §3.2.3). Off: keys keep their order. */
  readonly sortKeys?: boolean;
}

/** A long slice of a document that was written as it stood: at `at`, from the document's bytes `[start, end)`. */
export interface CopiedRun {
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Writes JSON in the canonical form: no whitespace between tokens, strings escaped as RFC 8785 §3.2.2.2 says (lone
 * surrogates stay escaped), numbers in their source text, keys in their order.
 *
 * The buffer is reused between texts; {@link view} is valid until the next write.
 */
export class CanonicalWriter {
  readonly #sortKeys: boolean;
  readonly #retention = new Retention(KEPT_CAPACITY);
  #buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  #length = 0;
  readonly #runs: CopiedRun[] = [];

  constructor(options: CanonicalWriterOptions = {}) {
    this.#sortKeys = options.sortKeys ?? false;
  }

  get length(): number {
    return this.#length;
  }

  /** The long slices among what was written, in order. At most one per 256 KiB. */
  get runs(): readonly CopiedRun[] {
    return this.#runs;
  }

  /** Bytes held, whether used or not. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /**
   * Begins a new text. `expectedBytes` makes room for it at once; a canonical text is never longer than its source.
   * Memory that the texts of late have not needed is given back.
   */
  reset(expectedBytes = 0): void {
    if (this.#retention.shouldShrink(Math.max(this.#length, expectedBytes), this.#buffer.length))
      this.#buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
    this.#length = 0;
    this.#runs.length = 0;
    // Nothing is kept of the old text, so the buffer is replaced instead of grown; in steps, as prompts grow by turns.
    if (expectedBytes > this.#buffer.length)
      this.#buffer = Buffer.allocUnsafeSlow(Math.ceil(expectedBytes / STEP + 1) * STEP);
  }

  /** Forgets what was written from `length` on. */
  truncate(length: number): void {
    this.#length = Math.min(length, this.#length);
    while ((this.#runs.at(-1)?.at ?? -1) >= this.#length) this.#runs.pop();
  }

  /** What has been written, from `start`; not a copy. */
  view(start = 0, end = this.#length): Buffer {
    return this.#buffer.subarray(start, end);
  }

  /** What has been written between `start` and `end`, decoded. */
  text(start = 0, end = this.#length): string {
    return this.#buffer.toString('utf8', start, end);
  }

  /** What has been written, as a fresh copy. */
  copy(): Uint8Array {
    const out = Buffer.allocUnsafeSlow(this.#length);
    this.copyTo(out, 0, 0, this.#length);
    return out;
  }

  /** Copies what has been written in `[start, end)` to `target` at `at`. */
  copyTo(target: Uint8Array, at: number, start: number, end: number): void {
    if (end > start) copyBytes(this.#buffer, start, end, target, at);
  }

  /** One byte, verbatim. */
  byte(value: number): void {
    if (this.#length === this.#buffer.length) this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  /** ASCII text, verbatim. */
  ascii(text: string): void {
    this.#reserve(text.length);
    const buffer = this.#buffer;
    let at = this.#length;
    for (let index = 0; index < text.length; index++) buffer[at++] = text.charCodeAt(index);
    this.#length = at;
  }

  /** Text as UTF-8, verbatim. */
  utf8(text: string): void {
    // No UTF-16 code unit takes more than three bytes.
    this.#reserve(text.length * 3);
    this.#length += this.#buffer.write(text, this.#length, 'utf8');
  }

  /** A 32-bit unsigned integer, little-endian. */
  uint32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  /** A JSON string holding `text`: RFC 8785's form is `JSON.stringify`'s (ES2019, lone surrogates escaped). */
  string(text: string): void {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) {
        this.utf8(JSON.stringify(text));
        return;
      }
    }
    this.byte(QUOTE);
    this.ascii(text);
    this.byte(QUOTE);
  }

  /** A slice of a document that is known to be canonical, as it stands. */
  slice(document: JsonDocument, start: number, end: number): void {
    if (end - start >= RUN_BYTES) this.#runs.push({ at: this.#length, start, end });
    this.raw(document.bytes, start, end);
  }

  /** Bytes, verbatim. */
  raw(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const size = end - start;
    this.#reserve(size);
    if (size < COPY_NATIVELY_FROM) {
      const buffer = this.#buffer;
      let at = this.#length;
      for (let from = start; from < end; from++) buffer[at++] = bytes[from]!;
    } else copyBytes(bytes, start, end, this.#buffer, this.#length);
    this.#length += size;
  }

  /** A value or key of a document, in canonical form. */
  node(document: JsonDocument, node: number): void {
    const kind = document.kind(node);
    if (document.canonical(node) && (!this.#sortKeys || kind < Kind.Array)) {
      this.slice(document, document.start(node), document.end(node));
      return;
    }
    if (kind === Kind.Object) this.#object(document, node);
    else if (kind === Kind.Array) this.#array(document, node);
    else this.#respelled(document, node);
  }

  /** A member of an object, key and value, in canonical form. */
  member(document: JsonDocument, key: number): void {
    const value = key + 1;
    const plain =
      document.canonical(key) && document.canonical(value) && document.start(value) === document.end(key) + 1;
    if (plain && (!this.#sortKeys || document.kind(value) < Kind.Array)) {
      this.slice(document, document.start(key), document.end(value));
      return;
    }
    this.node(document, key);
    this.byte(COLON);
    this.node(document, value);
  }

  /** A string that does not stand in its canonical spelling. */
  #respelled(document: JsonDocument, node: number): void {
    const start = document.start(node);
    const end = document.end(node);
    this.#reserve(end - start);
    const buffer = this.#buffer;
    buffer[this.#length] = QUOTE;
    const at = writeCanonicalText(document.bytes, start + 1, end - 1, buffer, this.#length + 1);
    buffer[at] = QUOTE;
    this.#length = at + 1;
  }

  /** What the inside of a string of JSON, `bytes[start, end)`, decodes to ({@link writeDecodedText}). */
  decoded(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.#length = writeDecodedText(bytes, start, end, this.#buffer, this.#length);
  }

  #array(document: JsonDocument, node: number): void {
    this.byte(OPEN_ARRAY);
    const end = document.next(node);
    for (let at = node + 1; at < end; at = document.next(at)) {
      if (at !== node + 1) this.byte(COMMA);
      this.node(document, at);
    }
    this.byte(CLOSE_ARRAY);
  }

  #object(document: JsonDocument, node: number): void {
    this.byte(OPEN_OBJECT);
    const end = document.next(node);
    if (this.#sortKeys) {
      const keys: number[] = [];
      for (let key = node + 1; key < end; key = document.next(key + 1)) keys.push(key);
      keys.sort((one, other) => compareStrings(document, one, other));
      for (let index = 0; index < keys.length; index++) {
        if (index > 0) this.byte(COMMA);
        this.member(document, keys[index]!);
      }
    } else {
      for (let key = node + 1; key < end; key = document.next(key + 1)) {
        if (key > node + 1) this.byte(COMMA);
        this.member(document, key);
      }
    }
    this.byte(CLOSE_OBJECT);
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
