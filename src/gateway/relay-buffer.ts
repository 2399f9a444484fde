/**
 * Gathers the byte ranges of one tick that go to clients, and copies them out in one piece.
 *
 * Ranges point into the socket's buffer, which is valid only during the call that brought it. Neighbours are one range,
 * so that a read whose events all pass costs one copy.
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

  /** A copy of everything added since the last call; null when there is nothing. */
  take(): Uint8Array | null {
    const bytes = this.#bytes;
    if (bytes === null) return null;
    this.#bytes = null;
    if (this.#parts.length === 0) {
      const copy = new Uint8Array(this.#end - this.#start);
      copy.set(bytes.subarray(this.#start, this.#end));
      return copy;
    }
    this.#parts.push(bytes.subarray(this.#start, this.#end));
    const whole = Buffer.concat(this.#parts);
    this.#parts.length = 0;
    return whole;
  }
}
