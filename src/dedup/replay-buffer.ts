interface Slab {
  /** Position of its first byte in the answer. */
  readonly start: number;
  readonly bytes: Uint8Array;
  used: number;
}

/** Pieces of this size and more are kept as they are. */
const OWN_SLAB_BYTES = 4 * 1024;
/** Room for any piece that is not kept as it is. */
const FIRST_SLAB_BYTES = OWN_SLAB_BYTES;
const MAX_SLAB_BYTES = 64 * 1024;

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
  #slabs: Slab[] = [];
  #end = 0;
  #keptBytes = 0;

  /** Position behind the newest byte. */
  get end(): number {
    return this.#end;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Keeps a piece; a large one, and the first, without a copy. */
  append(piece: Uint8Array): void {
    const size = piece.byteLength;
    const last = this.#slabs.at(-1);
    if (last === undefined || size >= OWN_SLAB_BYTES) {
      this.#slabs.push({ start: this.#end, bytes: piece, used: size });
    } else {
      const contiguous = last.start + last.used === this.#end;
      const slab =
        contiguous && last.bytes.length - last.used >= size ? last : this.#newSlab(last.bytes.length);
      slab.bytes.set(piece, slab.used);
      slab.used += size;
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
    const slab = slabs[at]!;
    if (position === slab.start && slab.used === slab.bytes.length) return slab.bytes;
    return slab.bytes.subarray(position - slab.start, slab.used);
  }

  /** Lets go of slabs that lie wholly before a position; answers how many bytes those were. */
  dropBefore(position: number): number {
    const slabs = this.#slabs;
    let count = 0;
    let freed = 0;
    while (count < slabs.length && slabs[count]!.start + slabs[count]!.used <= position)
      freed += slabs[count++]!.used;
    if (count === 0) return 0;
    this.#slabs = count === slabs.length ? [] : slabs.slice(count);
    this.#keptBytes -= freed;
    return freed;
  }

  #newSlab(lastBytes: number): Slab {
    const size = Math.min(MAX_SLAB_BYTES, Math.max(FIRST_SLAB_BYTES, 2 * lastBytes));
    const slab = { start: this.#end, bytes: new Uint8Array(size), used: 0 };
    this.#slabs.push(slab);
    return slab;
  }
}
