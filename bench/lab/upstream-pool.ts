import type { Socket } from 'bun';
import { AnswerParser, type AnswerSink } from '../load/answer-parser.ts';

/** Told of one answer's body as it comes. Bytes are only valid during the call. */
export interface AnswerListener {
  piece(bytes: Buffer): void;
  end(): void;
}

/** One keep-alive connection to the upstream, at most one call at a time. */
class PooledConnection implements AnswerSink {
  readonly #free: PooledConnection[];
  readonly #parser = new AnswerParser(this);
  #listener: AnswerListener | null = null;
  socket: Socket<PooledConnection> | null = null;

  constructor(free: PooledConnection[]) {
    this.#free = free;
  }

  send(request: Uint8Array, listener: AnswerListener): void {
    this.#listener = listener;
    this.#parser.reset();
    this.socket?.write(request);
  }

  head(): void {}

  payload(bytes: Buffer, from: number, to: number): void {
    this.#listener?.piece(bytes.subarray(from, to));
  }

  data(chunk: Buffer): void {
    const wrong = this.#parser.push(chunk);
    if (wrong !== '') throw new Error(`the upstream answered wrongly: ${wrong}`);
    if (!this.#parser.done) return;
    const listener = this.#listener;
    this.#listener = null;
    this.#free.push(this);
    listener?.end();
  }
}

/** Just enough of a client for the lab: no deadlines, no retries, no limits. */
export class UpstreamPool {
  readonly #port: number;
  readonly #free: PooledConnection[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  async call(body: Uint8Array, listener: AnswerListener): Promise<void> {
    let connection = this.#free.pop();
    if (connection === undefined) {
      connection = new PooledConnection(this.#free);
      connection.socket = await Bun.connect<PooledConnection>({
        hostname: '127.0.0.1',
        port: this.#port,
        data: connection,
        socket: { data: (socket, chunk) => socket.data.data(chunk) },
      });
    }
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-lab\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    connection.send(Buffer.concat([Buffer.from(head), body]), listener);
  }
}
