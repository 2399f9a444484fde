/** Woken when its time has come. */
export interface Sleeper {
  wake(): void;
}

/** Whatever waits for the same number of ms, first in first out: one timer for all of them. */
interface Line {
  readonly delayMs: number;
  sleepers: Sleeper[];
  dueMs: number[];
  /** First entry not yet woken. */
  head: number;
  timer: ReturnType<typeof setTimeout> | null;
}

/** Entries woken are cut off the front of a line once there are so many. */
const COMPACT_AT = 1024;

/**
 * Timers by the thousand at the price of a queue: everybody who waits for the same delay stands in one line, which is in order
 * of due time by construction, so only its first entry needs a timer. Nobody is woken early.
 */
export class Delays {
  readonly #lines = new Map<number, Line>();
  readonly #now: () => number;

  /** `now`: a monotonic clock in ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Wakes `sleeper` in `delayMs`. There is no way to cancel: a sleeper that lost interest ignores the call. */
  after(delayMs: number, sleeper: Sleeper): void {
    let line = this.#lines.get(delayMs);
    if (line === undefined) {
      line = { delayMs, sleepers: [], dueMs: [], head: 0, timer: null };
      this.#lines.set(delayMs, line);
    }
    line.sleepers.push(sleeper);
    line.dueMs.push(this.#now() + delayMs);
    if (line.timer === null) this.#arm(line, delayMs);
  }

  /** Drops everybody. */
  stop(): void {
    for (const line of this.#lines.values()) if (line.timer !== null) clearTimeout(line.timer);
    this.#lines.clear();
  }

  #arm(line: Line, inMs: number): void {
    line.timer = setTimeout(() => this.#fire(line), Math.max(1, Math.ceil(inMs)));
  }

  #fire(line: Line): void {
    const now = this.#now();
    // Those who come back during this loop are due later than `now`, so it ends.
    while (line.head < line.sleepers.length && (line.dueMs[line.head] ?? 0) <= now) {
      line.sleepers[line.head++]?.wake();
    }
    if (line.head === line.sleepers.length) {
      line.timer = null;
      this.#lines.delete(line.delayMs);
      return;
    }
    if (line.head >= COMPACT_AT) {
      line.sleepers = line.sleepers.slice(line.head);
      line.dueMs = line.dueMs.slice(line.head);
      line.head = 0;
    }
    this.#arm(line, (line.dueMs[line.head] ?? 0) - now);
  }
}
