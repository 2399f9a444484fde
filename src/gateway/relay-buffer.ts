/** Up to here a loop moves bytes faster than a call of the runtime's. */
const MOVED_BY_LOOP = 256;

/**
 * Gathers the byte ranges of one read that go to clients, as one piece.
 *
 * What was read belongs to the relay, so its ranges are moved together where they lie, over what does not go to clients
 * (`x` below), and the piece is a view:
 *
 * ```
 *   read:  {event 1}xx{event 2}x{event 3}      ▶      {event 1}{event 2}{event 3}…
 * ```
 *
 * Ranges of other buffers, which their owner uses again, are copied.
 */
export class RelayBuffer {
  #read: Uint8Array | null = null;
  #bytes: Uint8Array | null = null;
  #start = 0;
  #end = 0;
  #parts: Uint8Array[] = [];

  /** From now on ranges of this buffer may come; nobody else looks at what lies before the newest one. */
  open(read: Uint8Array | null): void {
    this.#read = read;
  }

  /** Ranges of one buffer come in their order. */
  add(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    if (this.#bytes === bytes) {
      if (this.#end === start) {
        this.#end = end;
        return;
      }
      if (bytes === this.#read) {
        this.#moveUp(bytes, start, end);
        return;
      }
    }
    if (this.#bytes !== null) this.#parts.push(this.#bytes.slice(this.#start, this.#end));
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** Everything added since the last call; null when there is nothing. A small part of a read is copied: a view keeps it all. */
  take(): Uint8Array | null {
    const bytes = this.#bytes;
    if (bytes === null) return null;
    this.#bytes = null;
    const last = bytes.subarray(this.#start, this.#end);
    if (this.#parts.length === 0)
      return bytes === this.#read && last.length * 2 >= bytes.length ? last : Uint8Array.from(last);
    this.#parts.push(last);
    const whole = Buffer.concat(this.#parts);
    this.#parts.length = 0;
    return whole;
  }

  #moveUp(bytes: Uint8Array, start: number, end: number): void {
    let to = this.#end;
    if (end - start > MOVED_BY_LOOP) {
      bytes.copyWithin(to, start, end);
      to += end - start;
    } else for (let from = start; from < end; from++) bytes[to++] = bytes[from]!;
    this.#end = to;
  }
}
