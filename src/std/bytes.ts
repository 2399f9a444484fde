const { copy } = Buffer.prototype;

/**
 * Copies `from[start, end)` to `to` from `at` on, which must have room. A third of what `to.set(from.subarray(…), at)`
 * costs: no view is made.
 */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  copy.call(from, to, at, start, end);
}

/** `bytes` with Buffer's methods; the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const NO_BYTES = new Uint8Array(0);

/** Gathers bytes that come in ranges: of a single one nothing is copied or viewed, several are put together when taken. */
export class Gathered {
  #bytes: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  #pieces: Uint8Array[] | null = null;

  /** `bytes[start, end)`, to which nobody writes again. */
  add(bytes: Uint8Array, start: number, end: number): void {
    if (this.#pieces !== null) this.#pieces.push(bytes.subarray(start, end));
    else if (this.#start === this.#end) {
      this.#bytes = bytes;
      this.#start = start;
      this.#end = end;
    } else this.#pieces = [this.#bytes.subarray(this.#start, this.#end), bytes.subarray(start, end)];
  }

  /** Puts several pieces together: from then on everything is `bytes[start, end)`. */
  join(): void {
    if (this.#pieces === null) return;
    this.#bytes = Buffer.concat(this.#pieces);
    this.#start = 0;
    this.#end = this.#bytes.length;
    this.#pieces = null;
  }

  /** Everything since the last {@link clear}, once it is joined. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  clear(): void {
    this.#bytes = NO_BYTES;
    this.#start = this.#end = 0;
    this.#pieces = null;
  }
}
