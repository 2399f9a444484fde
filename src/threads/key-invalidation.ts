interface Pending {
  readonly waiting: Set<number>;
  readonly done: () => void;
  sinceMs: number;
  /** Of those who still owe an acknowledgement, who has been reported. */
  readonly late: Set<number>;
}

/** On a busy machine a thread can be kept from the processor for seconds: it has so many times as long. */
const RUNNABLE_PATIENCE = 10;

export interface KeyInvalidationOptions {
  /** How long a thread may take to acknowledge; ms. */
  readonly deadlineMs: number;
  readonly broadcast: (keyId: string, ack: number) => void;
  /** The thread has something to do and waits for its turn, or is at it: it may get to the message yet. */
  readonly runnable: (worker: number) => boolean;
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
          late: new Set(),
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
    const { deadlineMs, onLate, runnable } = this.#options;
    for (const { late, sinceMs, waiting } of this.#pending.values()) {
      const waitedMs = nowMs - sinceMs;
      if (waitedMs < deadlineMs) continue;
      for (const worker of waiting) {
        if (late.has(worker) || (waitedMs < deadlineMs * RUNNABLE_PATIENCE && runnable(worker))) continue;
        late.add(worker);
        onLate(worker);
      }
    }
  }
}
