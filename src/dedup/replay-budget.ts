/** All replay buffers of one process together: beyond it calls are made that can no longer be joined. */
const PROCESS_LIMIT_BYTES = 256 * 1024 * 1024;

/**
 * What the replay buffers of one thread hold, in its word of shared memory.
 *
 * Each thread has an equal share of the process's limit: a shared total would have more than one writer.
 */
export class ReplayBudget {
  readonly #words: Float64Array;
  readonly #worker: number;
  readonly #limitBytes: number;

  constructor(words: Float64Array, worker: number, limitBytes = PROCESS_LIMIT_BYTES) {
    this.#words = words;
    this.#worker = worker;
    this.#limitBytes = limitBytes / words.length;
  }

  get exceeded(): boolean {
    return this.#words[this.#worker]! > this.#limitBytes;
  }

  add(bytes: number): void {
    this.#words[this.#worker]! += bytes;
  }
}
