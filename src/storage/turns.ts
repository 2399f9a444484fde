/** First and longest pause before a locked database is tried again. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 25;

/** The database was locked for as long as a call may wait. Nothing was changed. */
export class LockedError extends Error {
  override readonly name = 'LockedError';

  constructor(cause: unknown) {
    super('the database is locked by another process', { cause });
  }
}

/**
 * Calls that may meet a lock, one after another.
 *
 * SQLite's own wait for a lock stands still with its whole thread. Here a call that is refused is tried again after a
 * pause, in which the thread does everything else. Only the first in the row tries: a thousand that wait cost no more than
 * one.
 */
export class Turns {
  readonly #isLock: (error: unknown) => boolean;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** @param isLock tells a refusal, which left everything as it was, from any other error. */
  constructor(isLock: (error: unknown) => boolean) {
    this.#isLock = isLock;
  }

  /**
   * At once where nothing stands in the way. Rejects with {@link LockedError} once `untilMs` has come.
   *
   * @param untilMs of `performance.now()`
   */
  run<T>(work: () => T, untilMs: number): T | Promise<T> {
    if (this.#waiting > 0) return this.#queue(work, untilMs, null);
    try {
      return work();
    } catch (error) {
      if (!this.#isLock(error)) throw error;
      return this.#queue(work, untilMs, error);
    }
  }

  async #queue<T>(work: () => T, untilMs: number, refusal: unknown): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    this.#waiting++;
    try {
      await before;
      return await this.#insist(work, untilMs, refusal);
    } finally {
      this.#waiting--;
      resolve();
    }
  }

  async #insist<T>(work: () => T, untilMs: number, refusal: unknown): Promise<T> {
    let reason = refusal;
    let pauseMs = reason === null ? 0 : FIRST_PAUSE_MS;
    for (;;) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw new LockedError(reason);
      if (pauseMs > 0) await Bun.sleep(Math.min(pauseMs, leftMs));
      try {
        return work();
      } catch (error) {
        if (!this.#isLock(error)) throw error;
        reason = error;
        pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2));
      }
    }
  }
}
