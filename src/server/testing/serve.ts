import { connect, type Socket } from 'node:net';
import { HttpListener } from '../listener.ts';
import type { Incoming } from '../incoming.ts';

/** A listener on any port, and a clock that stands until it is moved. */
export class TestServer implements Disposable {
  readonly listener: HttpListener;
  readonly defects: unknown[] = [];
  nowMs = 0;
  shedding = false;

  constructor(onRequest: (request: Incoming) => void, idleMs = 1_000, bodyMs = 1_000) {
    this.listener = new HttpListener({
      host: '127.0.0.1',
      port: 0,
      idleMs,
      bodyMs,
      maxHeadBytes: 2_048,
      now: () => this.nowMs,
      wallClockMs: () => 0,
      shedding: () => this.shedding,
      onRequest,
      refusal: (error) => ({
        status: error === 'head_too_large' ? 431 : 400,
        fields: '',
        body: typeof error === 'string' ? error : error.message,
      }),
      onDefect: (error) => this.defects.push(error),
    });
  }

  client(): Promise<TestClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: this.listener.port }, () =>
        resolve(new TestClient(socket)),
      );
      socket.once('error', reject);
    });
  }

  /** Time passes, and the listener looks round. */
  pass(ms: number): void {
    this.nowMs += ms;
    this.listener.sweep();
  }

  [Symbol.dispose](): void {
    this.listener.close();
  }
}

const DEADLINE_MS = 5_000;

/** A client that says when the server has taken its bytes, and reads only when told to. */
export class TestClient {
  readonly socket: Socket;
  text = '';
  closed = false;
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      this.#notify();
    });
    socket.on('close', () => {
      this.closed = true;
      this.#notify();
    });
    socket.on('error', () => {});
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves with everything received once it satisfies the condition; rejects after a deadline. */
  async until(condition: (text: string, closed: boolean) => boolean): Promise<string> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (!condition(this.text, this.closed)) {
      if (deadline.aborted) throw new Error(`never came; so far: ${JSON.stringify(this.text.slice(0, 500))}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return this.text;
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
