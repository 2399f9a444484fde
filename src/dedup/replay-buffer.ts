import { copyBytes } from '../std/bytes.ts';

/** `bytes[from, from + used)`, and room behind it. */
interface Slab {
  /** Position of its first byte in the answer. */
  readonly start: number;
  readonly bytes: Uint8Array;
  readonly from: number;
  used: number;
  /** Bytes that may still be written; none in a piece that is kept as it came. */
  room: number;
}

/** Pieces of this size and more are kept as they are. */
const OWN_SLAB_BYTES = 4 * 1024;
const FIRST_SLAB_BYTES = 4 * 1024;
const MAX_SLAB_BYTES = 64 * 1024;
const NO_SLABS: Slab[] = [];

/**
 * The bytes of one answer for clients that come late or are slow.
 *
 * ```
 *   slabs:   [piece as it came][4 KiB: p p p p p][8 KiB: p p p p p p p p …used|free]
 *   position: 0 ──────────────────────────────────────────────────────────▶ end
 * ```
 *
 * A stream is hundreds of small pieces; each kept as an object of its own would be found and marked by every run of the
 * collector for as long as the stream lasts. So small ones are put together; bytes once written are never touched again.
 */
export class ReplayBuffer {
  #slabs = NO_SLABS;
  #last: Slab | null = null;
  #end = 0;
  #keptBytes = 0;

  /** Position behind the newest byte. */
  get end(): number {
    return this.#end;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /**
   * Keeps `bytes[start, end)`, to which nobody writes again: a large piece, and the first, without a copy, unless it is a
   * small part of its array, which it would keep alive.
   */
  append(bytes: Uint8Array, start = 0, end = bytes.byteLength): void {
    const size = end - start;
    const last = this.#last;
    if ((last === null || size >= OWN_SLAB_BYTES) && 2 * size >= bytes.byteLength) {
      this.#add({ start: this.#end, bytes, from: start, used: size, room: 0 });
    } else {
      const fits = last !== null && last.room >= size && last.start + last.used === this.#end;
      const slab = fits ? last : this.#newSlab(size);
      copyBytes(bytes, start, end, slab.bytes, slab.used);
      slab.used += size;
      slab.room -= size;
    }
    this.#end += size;
    this.#keptBytes += size;
  }

  /** A piece has gone by that nobody will ask for. */
  skip(bytes: number): void {
    this.#end += bytes;
  }

  /** Bytes from a position on, as many as lie together. The position is before the end, and has not been dropped. */
  read(position: number): Uint8Array {
    const slabs = this.#slabs;
    let at = slabs.length - 1;
    while (at > 0 && slabs[at]!.start > position) at--;
    const { bytes, from, start, used } = slabs[at]!;
    if (position === start && used === bytes.length) return bytes;
    return bytes.subarray(from + position - start, from + used);
  }

  /** Lets go of slabs that lie wholly before a position; answers how many bytes those were. */
  dropBefore(position: number): number {
    const slabs = this.#slabs;
    let count = 0;
    let freed = 0;
    while (count < slabs.length && slabs[count]!.start + slabs[count]!.used <= position)
      freed += slabs[count++]!.used;
    if (count === 0) return 0;
    if (count === slabs.length) {
      this.#slabs = NO_SLABS;
      this.#last = null;
    } else this.#slabs = slabs.slice(count);
    this.#keptBytes -= freed;
    return freed;
  }

  /** Twice as large as the last, within bounds, and no smaller than `leastBytes`. */
  #newSlab(leastBytes: number): Slab {
    const last = this.#last === null ? 0 : this.#last.used + this.#last.room;
    const size = Math.max(leastBytes, FIRST_SLAB_BYTES, Math.min(MAX_SLAB_BYTES, 2 * last));
    return this.#add({ start: this.#end, bytes: new Uint8Array(size), from: 0, used: 0, room: size });
  }

  #add(slab: Slab): Slab {
    // Most answers are never kept: those cost no array.
    if (this.#slabs === NO_SLABS) this.#slabs = [];
    this.#slabs.push(slab);
    this.#last = slab;
    return slab;
  }
}
