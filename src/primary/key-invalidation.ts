interface Pending {
  readonly waiting: Set<number>;
  readonly done: () => void;
  sinceMs: number;
  /** Who still owes an acknowledgement has been reported. */
  late: boolean;
}

export interface KeyInvalidationOptions {
  /** How long a thread may take to acknowledge; ms. */
  readonly deadlineMs: number;
  readonly broadcast: (keyId: string, ack: number) => void;
  /** A thread is past the deadline and may go by the old record: it must be ended. Then {@link KeyInvalidation.gone}. */
  readonly onLate: (worker: number) => void;
}

/**
 * Tells every proxy thread to forget a key, and knows when all have. A thread that dies meanwhile remembers nothing; one
 * that does not answer in time is ended, because nobody could say whom it lets in.
 */
export class KeyInvalidation {
  readonly #options: KeyInvalidationOptions;
  readonly #pending = new Map<number, Pending>();
  #nextAck = 1;

  constructor(options: KeyInvalidationOptions) {
    this.#options = options;
  }

  /** Resolves when none of the threads goes by the old record any more. */
  run(keyId: string, workers: readonly number[]): Promise<void> {
    const ack = this.#nextAck++;
    return new Promise((done) => {
      if (workers.length === 0) done();
      else
        this.#pending.set(ack, {
          waiting: new Set(workers),
          done,
          sinceMs: performance.now(),
          late: false,
        });
      this.#options.broadcast(keyId, ack);
    });
  }

  acknowledge(ack: number, worker: number): void {
    const pending = this.#pending.get(ack);
    if (pending === undefined) return;
    pending.waiting.delete(worker);
    if (pending.waiting.size > 0) return;
    this.#pending.delete(ack);
    pending.done();
  }

  /** The thread has closed: it owes no acknowledgement. */
  gone(worker: number): void {
    for (const ack of this.#pending.keys()) this.acknowledge(ack, worker);
  }

  /** The process stood still: nobody can be blamed for being late. */
  forgive(nowMs: number): void {
    for (const pending of this.#pending.values()) pending.sinceMs = nowMs;
  }

  /** Looks for threads that are late; to be called every so often. */
  check(nowMs: number): void {
    for (const pending of this.#pending.values()) {
      if (pending.late || nowMs - pending.sinceMs < this.#options.deadlineMs) continue;
      pending.late = true;
      for (const worker of pending.waiting) this.#options.onLate(worker);
    }
  }
}
