import { ClientGoneError } from '../server/incoming.ts';

/** Bodies from this size on are worked on in steps: a smaller one takes some tens of milliseconds at the most. */
export const LARGE_BODY_BYTES = 1024 * 1024;

/** After so long others get their turn. */
const TURN_MS = 8;

/**
 * Runs what takes long in steps, so that the thread's other requests go on and its heart beats meanwhile. One at a time and in their
 * order: what a large body needs besides itself is several times its size.
 */
export class LargeBodies {
  readonly #now: () => number;
  #last: Promise<unknown> = Promise.resolve();

  /** @param now monotonic, ms; that it is asked for shows that the thread goes on. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Resolves with what the steps come to; rejects with what they throw, or with a ClientGoneError once nobody wants it any more. */
  run<Result>(steps: Generator<void, Result>, wanted: () => boolean): Promise<Result> {
    const next = this.#last.then(() => this.#run(steps, wanted));
    this.#last = next.catch(() => {});
    return next;
  }

  async #run<Result>(steps: Generator<void, Result>, wanted: () => boolean): Promise<Result> {
    let turnEndsMs = this.#now() + TURN_MS;
    while (wanted()) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (this.#now() < turnEndsMs) continue;
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      turnEndsMs = this.#now() + TURN_MS;
    }
    steps.return(undefined as Result);
    throw new ClientGoneError('the client left before its request was read');
  }
}
