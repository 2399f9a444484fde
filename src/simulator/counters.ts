import type { Reply } from './http/reply.ts';

/** Chat requests as the vendor saw them. */
export interface Counts {
  readonly received: number;
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** Clients that left before their answer was complete. */
  readonly aborted: number;
}

export class Counters {
  #received = 0;
  #inFlight = 0;
  #maxInFlight = 0;
  #aborted = 0;

  arrived(): void {
    this.#received++;
    this.#inFlight++;
    if (this.#inFlight > this.#maxInFlight) this.#maxInFlight = this.#inFlight;
  }

  /** The request is over, one way or the other. */
  left(reply: Reply): void {
    this.#inFlight--;
    if (reply.aborted) this.#aborted++;
  }

  counts(): Counts {
    return {
      received: this.#received,
      inFlight: this.#inFlight,
      maxInFlight: this.#maxInFlight,
      aborted: this.#aborted,
    };
  }

  /** Requests in flight stay counted as such. */
  reset(): void {
    this.#received = this.#inFlight;
    this.#maxInFlight = this.#inFlight;
    this.#aborted = 0;
  }
}
