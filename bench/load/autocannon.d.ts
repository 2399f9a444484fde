/** The part of autocannon's programmatic interface that is used here; the package brings no types. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  export interface AutocannonClient extends EventEmitter {
    readonly requestIterator: { readonly currentRequest: { readonly requestBuffer: Buffer } };
  }

  export interface AutocannonOptions {
    readonly url: string;
    readonly method: 'POST';
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    /** Seconds. */
    readonly timeout: number;
    readonly setupClient: (client: AutocannonClient) => void;
  }

  export default function autocannon(
    options: AutocannonOptions,
    done: (error: Error | null) => void,
  ): EventEmitter;
}
