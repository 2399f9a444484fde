import type { ProtocolError } from '../http1/protocol-error.ts';
import type { Incoming } from './incoming.ts';

/** What a connection needs of its listener. */
export interface ConnectionHost {
  readonly maxHeadBytes: number;
  /** How long a client may be silent where it is its turn, in ms. */
  readonly idleMs: number;
  /** How long a request's body may take, in ms, besides a second for every 64 KiB of it. */
  readonly bodyMs: number;
  /** True once clients should not come back on their connections. */
  readonly closing: boolean;
  /** No more connections are taken, and what waits for clients alone is not waited for. */
  readonly stopping: boolean;
  now(): number;
  onRequest(request: Incoming): void;
  /** Renders the refusal of a request that cannot be read; the connection closes after it. */
  refusal(error: ProtocolError | 'head_too_large'): Refusal;
  /** A handler threw, which is its defect; the client gets a 500. */
  onDefect(error: unknown, request: Incoming): void;
}

export interface Refusal {
  readonly status: number;
  readonly fields: string;
  readonly body: string;
}
