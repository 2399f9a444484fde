const NO_BYTES = new Uint8Array(0);

/** Up to here a loop moves bytes faster than a call of the runtime's. */
const MOVED_BY_LOOP = 256;

/**
 * Gathers the byte ranges of one read that go to clients, as one range.
 *
 * What was read belongs to the relay, so its ranges are moved together where they lie, over what does not go to clients
 * (`x` below):
 *
 * ```
 *   read:  {event 1}xx{event 2}x{event 3}      ▶      {event 1}{event 2}{event 3}…
 * ```
 *
 * Ranges of other buffers, which their owner uses again, are copied. Nothing is kept between two reads, so that one does
 * for all streams of a thread.
 */
export class RelayBuffer {
  /** What was taken. */
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  end = 0;
  #read: Uint8Array | null = null;
  #bytes: Uint8Array | null = null;
  #start = 0;
  #end = 0;
  readonly #parts: Uint8Array[] = [];

  /** Begins a read: from now on ranges of this buffer may come; nobody else looks at what lies before the newest one. */
  open(read: Uint8Array | null): void {
    this.#read = read;
    this.#bytes = null;
    this.#parts.length = 0;
  }

  /** Ranges of one buffer come in their order. Valid until {@link take}. */
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
    if (this.#bytes !== null) this.#parts.push(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /**
   * Takes everything that was added out: it is `bytes[start, end)` until the next read. False: nothing was added.
   *
   * It calls nobody: who hands it on does so at a place of his own, which the compiler can then see through.
   */
  take(): boolean {
    const taken = this.#bytes;
    if (taken === null) return false;
    const read = this.#read;
    this.#bytes = this.#read = null;
    if (taken === read && this.#parts.length === 0) {
      this.bytes = taken;
      this.start = this.#start;
      this.end = this.#end;
      return true;
    }
    this.#parts.push(taken.subarray(this.#start, this.#end));
    const whole = Buffer.concat(this.#parts);
    this.#parts.length = 0;
    this.bytes = whole;
    this.start = 0;
    this.end = whole.length;
    return true;
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
