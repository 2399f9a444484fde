import { connect, type Socket } from 'node:net';

/** Everything a connection has brought back, and how it stands. */
export interface RawAnswer {
  /** Latin1, so that no byte is lost. */
  readonly text: string;
  readonly closed: boolean;
}

/** A connection that sends exactly the bytes a test wants: what no HTTP client would. */
export class RawConnection implements AsyncDisposable {
  readonly #socket: Socket;
  #text = '';
  #closed = false;
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#notify();
    });
    socket.on('close', () => {
      this.#closed = true;
      this.#notify();
    });
    // A reset is a way of closing; `close` follows.
    socket.on('error', () => {});
  }

  get answer(): RawAnswer {
    return { text: this.#text, closed: this.#closed };
  }

  /** Resolves once the system has taken the bytes. Bytes for a connection that is gone are dropped. */
  send(bytes: string | Uint8Array): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve) => {
      if (this.#closed) resolve();
      else this.#socket.write(data, () => resolve());
    });
  }

  /** Waits until the condition holds, the connection closes, or the deadline passes; answers what there is then. */
  async until(condition: (text: string) => boolean, deadlineMs = 10_000): Promise<RawAnswer> {
    const deadline = performance.now() + deadlineMs;
    while (!this.#closed && !condition(this.#text)) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.answer;
  }

  /** FIN; the other side may still answer. */
  finish(): void {
    this.#socket.end();
  }

  /** RST: the client is gone. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

export function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new RawConnection(socket));
    });
  });
}

/** The first answer that is not interim has come whole. */
const whole = (text: string): boolean => {
  const start = text.search(/^HTTP\/1\.[01] [2-9]/m);
  const end = start < 0 ? -1 : text.indexOf('\r\n\r\n', start);
  if (end < 0) return false;
  const length = /^content-length: *(\d+)\r?$/im.exec(text.slice(start, end))?.[1];
  return length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= end + 4 + Number(length);
};

/** Sends the bytes on a connection of their own and waits for one whole answer, or for the end of the connection. */
export async function sendRaw(
  url: string,
  bytes: string | Uint8Array,
  deadlineMs = 10_000,
): Promise<RawAnswer> {
  await using connection = await openRaw(url);
  await connection.send(bytes);
  return await connection.until(whole, deadlineMs);
}

/** Status of the first answer that is not interim, null when there is none. */
export function statusOf({ text }: RawAnswer): number | null {
  for (const [, status] of text.matchAll(/^HTTP\/1\.[01] (\d{3})/gm))
    if (Number(status) >= 200) return Number(status);
  return null;
}

/** What follows the head, as text. */
export function bodyOf({ text }: RawAnswer): string {
  const end = text.indexOf('\r\n\r\n');
  return end < 0 ? '' : Buffer.from(text.slice(end + 4), 'latin1').toString('utf8');
}

/** A chat request up to its body; `fields` are more header lines. */
export const rawChat = (key: string, fields: string, body: string): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${key}\r\n` +
  `Content-Type: application/json\r\n${fields}\r\n${body}`;
