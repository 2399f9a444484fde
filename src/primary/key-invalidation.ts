interface Pending {
  readonly waiting: Set<number>;
  readonly done: () => void;
}

/** Tells every proxy thread to forget a key, and knows when all have. A thread that dies meanwhile remembers nothing. */
export class KeyInvalidation {
  readonly #broadcast: (keyId: string, ack: number) => void;
  readonly #pending = new Map<number, Pending>();
  #nextAck = 1;

  constructor(broadcast: (keyId: string, ack: number) => void) {
    this.#broadcast = broadcast;
  }

  run(keyId: string, workers: readonly number[]): Promise<void> {
    if (workers.length === 0) return Promise.resolve();
    const ack = this.#nextAck++;
    return new Promise((done) => {
      this.#pending.set(ack, { waiting: new Set(workers), done });
      this.#broadcast(keyId, ack);
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
}
