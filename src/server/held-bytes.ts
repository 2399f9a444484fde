const FIRST_BYTES = 1_024;

/** What has come and cannot be read yet: an unfinished head, or requests behind the one that is answered. */
export class HeldBytes {
  #bytes: Buffer | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * Keeps `bytes` from `from` on, behind what is here. The buffer itself is kept where that is most of it: of many requests
   * sent together each leaves the rest of them, and copied every time that would be quadratic.
   */
  add(bytes: Buffer, from: number): void {
    const more = bytes.length - from;
    if (this.#bytes === null && 2 * more >= bytes.buffer.byteLength) {
      this.#bytes = bytes.subarray(from);
      this.#size = more;
      return;
    }
    const needed = this.#size + more;
    if (this.#bytes === null || needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * this.#size, needed));
      this.#bytes?.copy(grown, 0, 0, this.#size);
      this.#bytes = grown;
    }
    bytes.copy(this.#bytes, this.#size, from);
    this.#size = needed;
  }

  /** Everything; from then on it is the caller's. */
  take(): Buffer | null {
    const bytes = this.#bytes?.subarray(0, this.#size) ?? null;
    this.clear();
    return bytes;
  }

  clear(): void {
    this.#bytes = null;
    this.#size = 0;
  }
}
