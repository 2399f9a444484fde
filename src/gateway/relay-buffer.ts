/**
 * Gathers the byte ranges of one read that go to clients, as one piece.
 *
 * Neighbours are one range: where all events of a read pass, the piece is a view of what was read. Ranges of other buffers,
 * which their owner uses again, are copied out.
 */
export class RelayBuffer {
  #bytes: Uint8Array | null = null;
  #start = 0;
  #end = 0;
  #parts: Uint8Array[] = [];

  add(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    if (this.#bytes === bytes && this.#end === start) {
      this.#end = end;
      return;
    }
    if (this.#bytes !== null) this.#parts.push(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /**
   * Everything added since the last call; null when there is nothing.
   *
   * @param read a buffer that nobody writes to again. A small part of it is copied nevertheless: a view keeps all of it.
   */
  take(read: Uint8Array | null): Uint8Array | null {
    const bytes = this.#bytes;
    if (bytes === null) return null;
    this.#bytes = null;
    const last = bytes.subarray(this.#start, this.#end);
    if (this.#parts.length === 0)
      return bytes === read && last.length * 2 >= bytes.length ? last : Uint8Array.from(last);
    this.#parts.push(last);
    const whole = Buffer.concat(this.#parts);
    this.#parts.length = 0;
    return whole;
  }
}
