import type { Sleeper } from './delays.ts';

/** Nobody waits longer for the others. */
const BARRIER_DEADLINE_MS = 30_000;

/** Holds requests until enough of them wait, or somebody opens it. One for all; the newest request's number decides. */
export class Barrier {
  readonly #waiting = new Map<Sleeper, ReturnType<typeof setTimeout>>();

  /** Wakes `sleeper` and all who wait once `count` do, or at the deadline. */
  wait(count: number, sleeper: Sleeper): void {
    const release = (): void => {
      if (this.#waiting.delete(sleeper)) sleeper.wake();
    };
    this.#waiting.set(sleeper, setTimeout(release, BARRIER_DEADLINE_MS));
    if (this.#waiting.size >= count) this.open();
  }

  /** Wakes all who wait now; who comes later waits anew. */
  open(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [released, timer] of waiting) {
      clearTimeout(timer);
      released.wake();
    }
  }

  /** A client left: it counts no more. */
  leave(sleeper: Sleeper): void {
    clearTimeout(this.#waiting.get(sleeper));
    this.#waiting.delete(sleeper);
  }

  /** Drops everybody. */
  stop(): void {
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
  }
}
