import type { UpstreamFailure } from './failure.ts';
import type { UpstreamTimeouts } from './call.ts';

/** Where a call is; each phase has its own deadline beside the total one. */
export const PHASE = { Queued: 0, Connecting: 1, Sent: 2, Answering: 3 } as const;
export type DeadlinePhase = (typeof PHASE)[keyof typeof PHASE];

/** A call as its deadlines see it. */
export interface Timed {
  readonly startedAtMs: number;
  phase: DeadlinePhase;
  /** Start of the phase, or its last progress. */
  sinceMs: number;
  paused: boolean;
  /** Index in {@link Deadlines}; -1 outside. */
  slot: number;
  /** Ends the call; it leaves {@link Deadlines} thereby. */
  expire(kind: UpstreamFailure['kind'], message: string): void;
}

/** Deadlines of all open calls, checked by one sweep, so that a call costs no timer. */
export class Deadlines<T extends Timed> {
  readonly #timeouts: UpstreamTimeouts;
  readonly #open: T[] = [];

  constructor(timeouts: UpstreamTimeouts) {
    this.#timeouts = timeouts;
  }

  get size(): number {
    return this.#open.length;
  }

  add(call: T): void {
    call.slot = this.#open.length;
    this.#open.push(call);
  }

  remove(call: T): void {
    const last = this.#open.pop();
    if (last !== undefined && last !== call) {
      this.#open[call.slot] = last;
      last.slot = call.slot;
    }
    call.slot = -1;
  }

  sweep(nowMs: number): void {
    // A handler told of its end may start or end other calls, which moves entries: the list is read first.
    const expired = this.#open.filter((call) => this.#isOver(call, nowMs));
    for (const call of expired) if (call.slot >= 0) this.#end(call, nowMs);
  }

  /** Tells every open call the same end. */
  endAll(kind: UpstreamFailure['kind'], message: string): void {
    const open = this.#open.slice();
    for (const call of open) if (call.slot >= 0) call.expire(kind, message);
  }

  #isOver(call: T, nowMs: number): boolean {
    return nowMs - call.startedAtMs > this.#timeouts.totalMs || nowMs - call.sinceMs > this.#phaseMs(call);
  }

  #phaseMs(call: T): number {
    if (call.phase === PHASE.Queued || call.phase === PHASE.Connecting) return this.#timeouts.connectMs;
    // Nobody reads while the call is paused, so nothing can come.
    if (call.paused) return Number.POSITIVE_INFINITY;
    return call.phase === PHASE.Sent ? this.#timeouts.firstByteMs : this.#timeouts.idleMs;
  }

  #end(call: T, nowMs: number): void {
    // Ending one call may have moved another on, e.g. from the queue to a connection.
    if (!this.#isOver(call, nowMs)) return;
    if (nowMs - call.startedAtMs > this.#timeouts.totalMs) {
      call.expire('total_timeout', 'the answer took too long');
      return;
    }
    switch (call.phase) {
      case PHASE.Queued:
        call.expire('pool_full', 'no connection became free in time');
        break;
      case PHASE.Connecting:
        call.expire('connect_timeout', 'no connection in time');
        break;
      case PHASE.Sent:
        call.expire('first_byte_timeout', 'no answer in time');
        break;
      case PHASE.Answering:
        call.expire('idle_timeout', 'the answer stopped coming');
        break;
    }
  }
}
