/** A request that runs. */
export interface Running {
  readonly startedAtMs: number;
  /** Index in {@link SlowRequests}; -1 outside. */
  place: number;
  /** It has run for a while. Called once. */
  onSlow(): void;
}

/** A request is slow from here on. */
const SLOW_MS = 50;

/**
 * Tells requests that they have run for a while.
 *
 * To watch a client for leaving, and to lift the deadline on its silence, costs microseconds; most requests of a fast
 * vendor end before either matters. So it is done for those that still run when the thread looks, every 100 ms. A client
 * that left before is found then.
 */
export class SlowRequests {
  readonly #running: Running[] = [];

  add(request: Running): void {
    request.place = this.#running.length;
    this.#running.push(request);
  }

  /** Twice is harmless. */
  remove(request: Running): void {
    const { place } = request;
    if (place < 0) return;
    request.place = -1;
    const last = this.#running.pop()!;
    if (last === request) return;
    this.#running[place] = last;
    last.place = place;
  }

  sweep(nowMs: number): void {
    const slow = this.#running.filter((request) => nowMs - request.startedAtMs >= SLOW_MS);
    for (const request of slow) {
      // One that was told may have ended others.
      if (request.place < 0) continue;
      this.remove(request);
      request.onSlow();
    }
  }
}
