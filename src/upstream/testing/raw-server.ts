import type { Socket, TLSOptions } from 'bun';
import type { Origin } from '../../providers/types.ts';

/** A server's side of one connection; writes what it is told, as fast as the client takes it. */
export class RawConnection {
  readonly index: number;
  /** All bytes that came, latin1; left empty by servers that do not `keep`. */
  text = '';
  receivedBytes = 0;
  closed = false;
  /** Bytes the socket has taken. */
  sentBytes = 0;
  #socket: Socket<RawConnection> | null = null;
  readonly #queue: Uint8Array[] = [];
  #endAfter = false;

  constructor(index: number) {
    this.index = index;
  }

  attach(socket: Socket<RawConnection>): void {
    this.#socket = socket;
  }

  write(data: string | Uint8Array): void {
    this.#queue.push(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
    this.flush();
  }

  flush(): void {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const written = Math.max(0, this.#socket?.write(head, 0, head.length) ?? 0);
      this.sentBytes += written;
      if (written < head.length) {
        this.#queue[0] = head.subarray(written);
        return;
      }
      this.#queue.shift();
    }
    if (this.#endAfter) this.#socket?.end();
  }

  /** Closes in order, after everything written. */
  end(): void {
    this.#endAfter = true;
    this.flush();
  }

  reset(): void {
    this.#socket?.terminate();
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }
}

export interface RawServerOptions {
  readonly onOpen?: (connection: RawConnection) => void;
  readonly onData?: (connection: RawConnection, chunk: Buffer) => void;
  /** After every chunk that ends a request without a body; `request` counts from 1 on its connection. */
  readonly onRequest?: (connection: RawConnection, request: number) => void;
  readonly tls?: TLSOptions;
  /** Origin's host; the server listens on loopback. */
  readonly host?: string;
  /** Keep what came in `text`. Default true. */
  readonly keep?: boolean;
}

export interface RawServer extends Disposable {
  readonly origin: Origin;
  readonly port: number;
  readonly connections: readonly RawConnection[];
}

/** A TCP server that answers by script: whatever bytes a test wants, in whatever pieces. */
export function startRawServer(options: RawServerOptions): RawServer {
  const connections: RawConnection[] = [];
  const requests = new Map<RawConnection, number>();
  const host = options.host ?? '127.0.0.1';
  const server = Bun.listen<RawConnection>({
    hostname: host === '::1' ? '::1' : '127.0.0.1',
    port: 0,
    data: undefined as unknown as RawConnection,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    socket: {
      open(socket) {
        const connection = new RawConnection(connections.length);
        connection.attach(socket);
        socket.data = connection;
        connections.push(connection);
        options.onOpen?.(connection);
      },
      // With this, `open` comes with the connection and not after the TLS handshake, which may fail.
      handshake() {},
      data(socket, chunk) {
        const connection = socket.data;
        connection.receivedBytes += chunk.length;
        if (options.keep !== false) connection.text += chunk.toString('latin1');
        options.onData?.(connection, chunk);
        if (options.onRequest !== undefined && chunk.toString('latin1').endsWith('\r\n\r\n')) {
          const request = (requests.get(connection) ?? 0) + 1;
          requests.set(connection, request);
          options.onRequest(connection, request);
        }
      },
      drain(socket) {
        socket.data.flush();
      },
      close(socket) {
        socket.data.closed = true;
      },
      error() {},
    },
  });
  const tls = options.tls !== undefined;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    origin: { key: `${tls ? 'https' : 'http'}://${name}:${server.port}`, tls, host, port: server.port },
    port: server.port,
    connections,
    [Symbol.dispose]() {
      server.stop(true);
    },
  };
}
