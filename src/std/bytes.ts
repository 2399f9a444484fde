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

/**
 * Gives the memory of bytes back that are all of their buffer: the collector gets to it when it gets to it, and until then garbage
 * by the megabyte is no less than memory in use. Only for bytes that nobody else has; they are empty afterwards.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) buffer.transfer(0);
}

const NO_BYTES = new Uint8Array(0);

/** Ranges below this are copied behind one another: a view of a few bytes takes a hundred. */
const SMALL_BYTES = 4_096;

/**
 * Gathers bytes that come in ranges: of a single one nothing is copied or viewed, several are put together when taken.
 * However small the ranges are, what lies here takes no more than about twice their bytes.
 */
export class Gathered {
  #bytes: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  #pieces: Uint8Array[] | null = null;
  /** Small ranges that came one after the other, to become a piece: `#tail[0, #tailBytes)`. */
  #tail: Buffer | null = null;
  #tailBytes = 0;

  /** `bytes[start, end)`, to which nobody writes again. */
  add(bytes: Uint8Array, start: number, end: number): void {
    if (this.#pieces === null) {
      if (this.#start === this.#end) {
        this.#bytes = bytes;
        this.#start = start;
        this.#end = end;
        return;
      }
      this.#pieces = [this.#bytes.subarray(this.#start, this.#end)];
    }
    const size = end - start;
    if (size < SMALL_BYTES) {
      if (this.#tailBytes + size > SMALL_BYTES) this.#closeTail();
      this.#tail ??= Buffer.allocUnsafeSlow(SMALL_BYTES);
      copyBytes(bytes, start, end, this.#tail, this.#tailBytes);
      this.#tailBytes += size;
    } else {
      this.#closeTail();
      this.#pieces.push(bytes.subarray(start, end));
    }
  }

  #closeTail(): void {
    if (this.#tail === null) return;
    this.#pieces!.push(this.#tail.subarray(0, this.#tailBytes));
    this.#tail = null;
    this.#tailBytes = 0;
  }

  /** Puts several pieces together: from then on everything is `bytes[start, end)`. */
  join(): void {
    if (this.#pieces === null) return;
    this.#closeTail();
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

  /** {@link clear}, and what several pieces took is given back now ({@link freeBytes}). */
  free(): void {
    for (const piece of this.#pieces ?? []) freeBytes(piece);
    this.clear();
  }

  clear(): void {
    this.#bytes = NO_BYTES;
    this.#start = this.#end = 0;
    this.#pieces = this.#tail = null;
    this.#tailBytes = 0;
  }
}
