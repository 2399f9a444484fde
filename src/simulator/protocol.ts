import type { SimulatorStats } from './stats.ts';

/** Flags of `tokenrouter simulate`. */
export interface SimulatorFlags {
  readonly port: number;
  readonly host: string;
  readonly fast?: boolean;
  /** Simulators on the one port, a thread each. */
  readonly threads?: number;
}

/** What `/_sim/…` asks of every thread. */
export type Command =
  | { readonly name: 'stats' }
  | { readonly name: 'reset' }
  | { readonly name: 'advance'; readonly byMs: number };

/** First thread → another one. */
export type ToThread =
  | { readonly kind: 'start'; readonly port: number; readonly host: string; readonly fast: boolean }
  /** Do it and answer. */
  | { readonly kind: 'command'; readonly id: number; readonly command: Command }
  /** Answer to the thread's own `ask`. */
  | { readonly kind: 'result'; readonly id: number; readonly stats: readonly SimulatorStats[] };

/** Another thread → the first one. */
export type FromThread =
  | { readonly kind: 'listening' }
  | { readonly kind: 'done'; readonly id: number; readonly stats: SimulatorStats }
  /** A client asked this thread: let all do it. */
  | { readonly kind: 'ask'; readonly id: number; readonly command: Command };
