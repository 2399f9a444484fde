import type { BodyReader } from './body-reader.ts';
import type { ConnectionHost } from './connection-host.ts';
import { PHASE, type Phase } from './phase.ts';

/** How long a client may take to read a last answer and close, or to send what is dropped. */
const LINGER_MS = 5_000;
/** A body may take a second more for so many bytes of it that have come. */
const BYTES_A_SECOND = 64 * 1024;

/** What to do with a connection. Reset: what is under way for it will not be taken. */
export const Verdict = { Wait: 0, End: 1, Reset: 2, LateBody: 3 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** How long a connection waits for its client, by what it waits for. */
export class Patience {
  readonly #host: ConnectionHost;
  /** Last time the client did its part, or since when it is its turn. */
  #sinceMs: number;
  /** Since when the body of the request is coming. */
  #bodySinceMs = 0;

  constructor(host: ConnectionHost) {
    this.#host = host;
    this.#sinceMs = host.now();
  }

  /** The client has just done its part, or from here on it is its turn. */
  clientsTurn(): void {
    this.#sinceMs = this.#host.now();
  }

  bodyBegins(): void {
    this.#bodySinceMs = this.#host.now();
  }

  /** How long ago the client last did its part, or its turn began. */
  silentMs(nowMs: number): number {
    return nowMs - this.#sinceMs;
  }

  /** @param sent everything that was written has left. */
  verdict(phase: Phase, nowMs: number, body: BodyReader, sent: boolean): Verdict {
    const { closing, idleMs } = this.#host;
    const silentMs = this.silentMs(nowMs);
    switch (phase) {
      case PHASE.Waiting:
        return silentMs > idleMs ? Verdict.End : Verdict.Wait;
      case PHASE.Head:
        // Half a request holds up no stop.
        return silentMs > (closing ? LINGER_MS : idleMs) ? Verdict.End : Verdict.Wait;
      case PHASE.Busy:
        return this.#busy(nowMs, silentMs, body, sent);
      case PHASE.Closed:
        return Verdict.Wait;
      case PHASE.Dropping:
      case PHASE.Closing:
      case PHASE.Lingering:
        return silentMs > LINGER_MS && (sent || silentMs > idleMs) ? Verdict.Reset : Verdict.Wait;
      default:
        return phase satisfies never;
    }
  }

  /** The gateway's own work has deadlines elsewhere. */
  #busy(nowMs: number, silentMs: number, body: BodyReader, sent: boolean): Verdict {
    const { bodyMs, idleMs, stopping } = this.#host;
    if (!body.wanted) return silentMs > idleMs && !sent ? Verdict.Reset : Verdict.Wait;
    // A stop waits for no client that has fallen silent.
    if (silentMs > (stopping ? Math.min(idleMs, LINGER_MS) : idleMs)) return Verdict.Reset;
    const mayTakeMs = bodyMs + (body.heldBytes / BYTES_A_SECOND) * 1_000;
    return nowMs - this.#bodySinceMs > mayTakeMs ? Verdict.LateBody : Verdict.Wait;
  }
}
