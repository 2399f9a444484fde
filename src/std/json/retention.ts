/** How many uses in a row must have been small before memory goes back. */
const SMALL_USES = 32;

/**
 * Says when a reused buffer gives its memory back: it is larger than `kept`, and the last 32 uses would have fitted into
 * that. One huge request pins nothing for long, a row of large ones is served without allocating.
 */
export class Retention {
  readonly #kept: number;
  #smallUses = 0;

  /** `kept` in the buffer's own units (bytes, integers): a buffer up to this size is never given back. */
  constructor(kept: number) {
    this.#kept = kept;
  }

  /** To be asked once per use, with what that use needed. */
  shouldShrink(used: number, capacity: number): boolean {
    if (capacity <= this.#kept) return false;
    if (used > this.#kept) {
      this.#smallUses = 0;
      return false;
    }
    this.#smallUses++;
    if (this.#smallUses < SMALL_USES) return false;
    this.#smallUses = 0;
    return true;
  }
}
