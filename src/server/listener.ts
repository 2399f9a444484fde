import type { Socket, SocketHandler, TCPSocketListenOptions } from 'bun';
import type { ProtocolError } from '../http1/protocol-error.ts';
import { ClientConnection } from './client-connection.ts';
import type { ConnectionHost, Refusal } from './connection-host.ts';
import type { Incoming } from './incoming.ts';
import { setDate } from './reply-head.ts';

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** How long a client may be silent while it sends its request, takes its answer, or between two requests; ms. */
  readonly idleMs: number;
  /** How long a request's body may take, in ms, besides a second for every 64 KiB of it. */
  readonly bodyMs: number;
  readonly maxHeadBytes: number;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly wallClockMs: () => number;
  /** Clients should come back on a new connection. */
  readonly shedding: () => boolean;
  readonly onRequest: (request: Incoming) => void;
  readonly refusal: (error: ProtocolError | 'head_too_large') => Refusal;
  readonly onDefect: (error: unknown, request: Incoming | null) => void;
}

/**
 * An HTTP/1.1 server on plain sockets (RFC 9112).
 *
 * Several threads may listen on one port; the kernel spreads the connections. It costs two thirds of what Bun's own server
 * does per request, since nothing is made of a request but what is asked for, and tells a client's leaving and its
 * backpressure for nothing.
 */
export class HttpListener implements ConnectionHost {
  readonly #options: ListenerOptions;
  readonly #connections: ClientConnection[] = [];
  readonly #listener: Bun.TCPSocketListener<ClientConnection>;
  readonly maxHeadBytes: number;
  readonly idleMs: number;
  readonly bodyMs: number;
  readonly now: () => number;
  #stopping = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.maxHeadBytes = options.maxHeadBytes;
    this.idleMs = options.idleMs;
    this.bodyMs = options.bodyMs;
    this.now = options.now;
    setDate(options.wallClockMs());
    // The types know `reusePort` for UDP alone.
    const listenOptions: TCPSocketListenOptions<ClientConnection> & { readonly reusePort: boolean } = {
      hostname: options.host,
      port: options.port,
      reusePort: true,
      socket: this.#handlers(),
    };
    try {
      this.#listener = Bun.listen(listenOptions);
    } catch (cause) {
      // Bun's own message names neither port nor reason.
      const { code } = cause as { readonly code?: string };
      throw new Error(`cannot listen on ${options.host}:${options.port}: ${code ?? String(cause)}`, {
        cause,
      });
    }
  }

  get closing(): boolean {
    return this.#stopping || this.#options.shedding();
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  get port(): number {
    return this.#listener.port;
  }

  /** Connections that carry a request, or part of one, or the rest of an answer. */
  get busy(): number {
    let busy = 0;
    for (const connection of this.#connections) if (connection.busy) busy++;
    return busy;
  }

  get connections(): number {
    return this.#connections.length;
  }

  /** Ends connections whose client does not do its part; to be called every second or so. */
  sweep(): void {
    setDate(this.#options.wallClockMs());
    const nowMs = this.now();
    for (const connection of this.#connections.slice()) connection.sweep(nowMs);
  }

  /** Takes no more connections; those that are idle close, others after their answer. */
  stop(): void {
    this.#stopping = true;
    this.#listener.stop(false);
    for (const connection of this.#connections.slice()) connection.closeIfIdle();
  }

  /** Ends every connection at once. */
  close(): void {
    this.stop();
    for (const connection of this.#connections.slice()) connection.gone(true);
  }

  onRequest(request: Incoming): void {
    this.#options.onRequest(request);
  }

  refusal(error: ProtocolError | 'head_too_large'): Refusal {
    return this.#options.refusal(error);
  }

  onDefect(error: unknown, request: Incoming): void {
    this.#options.onDefect(error, request);
    request.keepAlive = false;
    request.send(500, '', '');
  }

  #handlers(): SocketHandler<ClientConnection> {
    return {
      binaryType: 'buffer',
      open: (socket) => this.#opened(socket),
      data: (socket, chunk) => socket.data.received(chunk),
      drain: (socket) => socket.data.drained(),
      end: (socket) => socket.data.gone(),
      close: (socket) => this.#closed(socket.data),
      error: (socket, error) => {
        this.#options.onDefect(error, null);
        socket.data.gone();
      },
    };
  }

  #opened(socket: Socket<ClientConnection>): void {
    socket.setNoDelay(true);
    const connection = new ClientConnection(socket, this);
    socket.data = connection;
    connection.place = this.#connections.length;
    this.#connections.push(connection);
  }

  #closed(connection: ClientConnection): void {
    connection.gone();
    const { place } = connection;
    if (place < 0) return;
    connection.place = -1;
    const last = this.#connections.pop()!;
    if (last === connection) return;
    this.#connections[place] = last;
    last.place = place;
  }
}
