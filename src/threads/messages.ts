import type { AdminAccess } from '../admin/access.ts';
import type { Config } from '../config/load.ts';
import type { ControlThread, SharedMemory } from '../shared/memory-map.ts';
import type { Capacity } from './capacity.ts';

/** Another proxy thread as a new one learns of it, for its PeerHub. */
export interface PeerDescription {
  readonly incarnation: number;
  readonly port: MessagePort;
}

/** First message to a proxy thread. Ports are transferred. */
export interface ProxyStart {
  readonly type: 'start';
  readonly worker: number;
  readonly incarnation: number;
  readonly config: Config;
  readonly capacity: Capacity;
  /** Where to listen; differs from the configuration when that asks for any port. */
  readonly port: number;
  readonly memory: SharedMemory;
  readonly storage: MessagePort;
  readonly metrics: MessagePort;
  readonly peers: readonly PeerDescription[];
  readonly hashSecret: Uint8Array;
  readonly admin: AdminAccess;
}

/** An admin call that landed on a proxy thread and is allowed, for the primary to answer. */
export interface AdminCall {
  readonly type: 'admin';
  readonly id: number;
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}

export type ToProxy =
  | ProxyStart
  | { readonly type: 'peer'; readonly peer: PeerDescription }
  | { readonly type: 'peer-dead'; readonly incarnation: number }
  /** A thread that is no proxy has started, or was replaced. */
  | { readonly type: 'reconnect'; readonly to: ControlThread; readonly port: MessagePort }
  | { readonly type: 'invalidate-key'; readonly keyId: string; readonly ack: number }
  | { readonly type: 'admin-reply'; readonly id: number; readonly status: number; readonly body: string }
  | { readonly type: 'ready'; readonly ready: boolean; readonly reason: string }
  | { readonly type: 'drain'; readonly deadlineMs: number };

export type FromProxy =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'invalidated'; readonly ack: number }
  | { readonly type: 'drained'; readonly leftInFlight: number }
  | AdminCall;
