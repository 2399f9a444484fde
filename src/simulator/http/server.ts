import { Reply, type ReplyChannel } from './reply.ts';
import { type HttpRequest, isRequest, RequestReader } from './request-reader.ts';

export type HttpHandler = (request: HttpRequest, reply: Reply) => void;

export interface HttpServerOptions {
  readonly hostname: string;
  /** 0: any free port. */
  readonly port: number;
  /** Several listeners on one port share its connections. */
  readonly reusePort: boolean;
  readonly handler: HttpHandler;
}

export interface HttpServer {
  readonly port: number;
  /** Closes the listener and every connection. */
  stop(): void;
}

type Socket = Bun.Socket<Connection>;

const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** Pipelined bytes kept while an answer is under way. */
const MAX_AHEAD_BYTES = 1024 * 1024;
/** A request that has begun must be whole within this. */
const REQUEST_DEADLINE_S = 60;

/**
 * One client connection: requests are answered one after the other, in order (RFC 9112 §9.3.2).
 *
 *   data ─► RequestReader ─► handler(request, reply) ─► write ─► socket
 *                ▲                        │                └─► #unsent ─► (drain) ─► socket
 *                └───── finished ◄────────┘
 */
class Connection implements ReplyChannel {
  readonly #socket: Socket;
  readonly #handler: HttpHandler;
  readonly #reader: RequestReader;
  #reply: Reply | null = null;
  /** What the socket would not take; the producer has been told to wait. */
  #unsent: Buffer | null = null;
  #closeWhenSent = false;
  #pumping = false;
  #paused = false;
  #timed = false;

  constructor(socket: Socket, handler: HttpHandler) {
    this.#socket = socket;
    this.#handler = handler;
    this.#reader = new RequestReader(MAX_BODY_BYTES, () => void this.write('HTTP/1.1 100 Continue\r\n\r\n'));
  }

  data(bytes: Buffer): void {
    if (this.#closeWhenSent) return;
    this.#reader.push(bytes);
    if (this.#reply === null) this.#pump();
    else if (this.#reader.buffered > MAX_AHEAD_BYTES && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  write(data: Uint8Array | string): boolean {
    if (this.#unsent !== null) {
      this.#unsent = Buffer.concat([this.#unsent, typeof data === 'string' ? Buffer.from(data) : data]);
      return false;
    }
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    const sent = Math.max(0, this.#socket.write(data));
    if (sent === length) return true;
    this.#unsent = (typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)).subarray(sent);
    return false;
  }

  drain(): void {
    if (this.#unsent === null) return;
    const sent = Math.max(0, this.#socket.write(this.#unsent));
    if (sent < this.#unsent.length) {
      this.#unsent = this.#unsent.subarray(sent);
      return;
    }
    this.#unsent = null;
    if (this.#closeWhenSent) this.#socket.end();
    else this.#reply?.drained();
  }

  finished(reply: Reply): void {
    this.#reply = null;
    if (!reply.keepAlive) {
      this.close(false);
      return;
    }
    if (this.#paused) {
      this.#paused = false;
      this.#socket.resume();
    }
    if (!this.#pumping && this.#reader.buffered > 0) this.#pump();
  }

  close(reset: boolean): void {
    this.#reply = null;
    this.#closeWhenSent = true;
    if (reset) this.#socket.terminate();
    else if (this.#unsent === null) this.#socket.end();
  }

  /** The deadline of a request that has begun; one that has become whole since is not to blame. */
  timedOut(): void {
    if (this.#timed) this.close(true);
  }

  /** The socket is gone. */
  gone(): void {
    const reply = this.#reply;
    this.#reply = null;
    this.#unsent = null;
    this.#closeWhenSent = true;
    reply?.abort();
  }

  #pump(): void {
    this.#pumping = true;
    while (this.#reply === null && !this.#closeWhenSent) {
      const request = this.#reader.next();
      if (request === null) break;
      if (!isRequest(request)) {
        const reply = new Reply(this, false);
        const error = { message: request.reason, type: 'invalid_request_error', param: null, code: null };
        reply.send(request.status, 'content-type: application/json\r\n', JSON.stringify({ error }));
        break;
      }
      const reply = new Reply(this, request.head.keepAlive);
      this.#reply = reply;
      this.#handler(request, reply);
    }
    this.#pumping = false;
    const waiting = this.#reply === null && this.#reader.buffered > 0;
    if (waiting !== this.#timed) {
      this.#timed = waiting;
      this.#socket.timeout(waiting ? REQUEST_DEADLINE_S : 0);
    }
  }
}

/** An HTTP/1.1 server on a plain socket: exact control over bytes, breaks and back-pressure, half the cost of `Bun.serve`. */
export function listen(options: HttpServerOptions): HttpServer {
  const sockets = new Set<Socket>();
  // The types know `reusePort` for UDP alone.
  const listenOptions: Bun.TCPSocketListenOptions<Connection> & { readonly reusePort: boolean } = {
    hostname: options.hostname,
    port: options.port,
    reusePort: options.reusePort,
    socket: {
      binaryType: 'buffer',
      open: (socket) => {
        socket.setNoDelay(true);
        socket.data = new Connection(socket, options.handler);
        sockets.add(socket);
      },
      data: (socket, bytes: Buffer) => socket.data.data(bytes),
      drain: (socket) => socket.data.drain(),
      timeout: (socket) => socket.data.timedOut(),
      close: (socket) => {
        sockets.delete(socket);
        socket.data.gone();
      },
      // A handler threw: that is a bug of the simulator.
      error: (socket, error) => {
        console.error(error);
        socket.terminate();
      },
    },
  };
  const listener = Bun.listen<Connection>(listenOptions);
  return {
    port: listener.port,
    stop: () => {
      listener.stop(true);
      for (const socket of sockets) socket.terminate();
    },
  };
}
