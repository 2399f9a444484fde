import { Kind, type JsonDocument } from './document.ts';

const encoder = new TextEncoder();

export interface CanonicalWriterOptions {
  /** Sort every object's keys by UTF-16 code units (RFC 8785 §3.2.3). Off: keys keep their order. */
  readonly sortKeys?: boolean;
}

/**
 * Writes JSON in the canonical form: no whitespace between tokens, strings escaped as RFC 8785 §3.2.2.2 says (lone
 * surrogates stay escaped), numbers in their source text, keys in their order.
 *
 * The buffer is reused between texts; {@link view} is valid until the next write.
 */
export class CanonicalWriter {
  readonly #sortKeys: boolean;
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  constructor(options: CanonicalWriterOptions = {}) {
    this.#sortKeys = options.sortKeys ?? false;
  }

  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** What has been written, from `start`; not a copy. */
  view(start = 0, end = this.#length): Uint8Array {
    return this.#buffer.subarray(start, end);
  }

  /** What has been written, as a fresh copy. */
  copy(): Uint8Array {
    const out = new Uint8Array(this.#length);
    this.#buffer.copy(out, 0, 0, this.#length);
    return out;
  }

  /** ASCII text, verbatim. */
  ascii(text: string): void {
    this.#reserve(text.length);
    for (let index = 0; index < text.length; index++) this.#buffer[this.#length++] = text.charCodeAt(index);
  }

  /** A JSON string holding `text`. */
  string(text: string): void {
    this.raw(encoder.encode(JSON.stringify(text)));
  }

  /** Bytes, verbatim. */
  raw(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const size = end - start;
    this.#reserve(size);
    if (size > 0) Buffer.prototype.copy.call(bytes, this.#buffer, this.#length, start, end);
    this.#length += size;
  }

  /** A value of a document, in canonical form. */
  node(document: JsonDocument, node: number): void {
    if (document.canonical(node) && (!this.#sortKeys || document.kind(node) < Kind.Array)) {
      this.raw(document.bytes, document.start(node), document.end(node));
      return;
    }
    switch (document.kind(node)) {
      case Kind.String:
        this.#escaped(document.text(node));
        break;
      case Kind.Array:
        this.#array(document, node);
        break;
      case Kind.Object:
        this.#object(document, node);
        break;
      default:
        this.raw(document.bytes, document.start(node), document.end(node));
    }
  }

  /** `JSON.stringify` writes RFC 8785's string form, lone surrogates escaped included (ES2019 well-formed). */
  #escaped(text: string): void {
    this.raw(encoder.encode(JSON.stringify(text)));
  }

  #array(document: JsonDocument, node: number): void {
    this.ascii('[');
    const end = document.next(node);
    for (let at = node + 1; at < end; at = document.next(at)) {
      if (at !== node + 1) this.ascii(',');
      this.node(document, at);
    }
    this.ascii(']');
  }

  #object(document: JsonDocument, node: number): void {
    const end = document.next(node);
    const keys: number[] = [];
    for (let key = node + 1; key < end; key = document.next(key + 1)) keys.push(key);
    if (this.#sortKeys) {
      const names = new Map(keys.map((key) => [key, document.text(key)]));
      keys.sort((one, other) => (names.get(one)! < names.get(other)! ? -1 : 1));
    }
    this.ascii('{');
    for (const [index, key] of keys.entries()) {
      if (index > 0) this.ascii(',');
      this.node(document, key);
      this.ascii(':');
      this.node(document, key + 1);
    }
    this.ascii('}');
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
