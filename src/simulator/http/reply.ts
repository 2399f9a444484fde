/** Where a reply writes; the connection that owns it. */
export interface ReplyChannel {
  /** False: the client is slow, stop until drained. Bytes are kept either way. */
  write(data: Uint8Array | string): boolean;
  /** The answer is complete; the connection goes on or closes. */
  finished(reply: Reply): void;
  /** Closes after what is written has left; `reset` drops it and sends RST. */
  close(reset: boolean): void;
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Payload Too Large',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

/** Status line of an answer, with its line end. */
export const statusLine = (status: number): string => `HTTP/1.1 ${status} ${REASONS[status] ?? 'Status'}\r\n`;

/** Last chunk of a chunked body. */
export const LAST_CHUNK = '0\r\n\r\n';

/** `data` as one chunk of a chunked body (RFC 9112 §7.1); `data` is text in UTF-8. */
export const chunkOf = (data: string): string => `${Buffer.byteLength(data).toString(16)}\r\n${data}\r\n`;

/** The answer to one request. Every method is without effect once the client has left. */
export class Reply {
  /** The client left before the answer was complete. */
  aborted = false;
  /** Called at most once, when `aborted` becomes true. */
  onAbort: (() => void) | null = null;
  /** Called once, when a write that returned false has left; set it after that write. */
  onDrain: (() => void) | null = null;
  readonly keepAlive: boolean;
  #channel: ReplyChannel | null;

  constructor(channel: ReplyChannel, keepAlive: boolean) {
    this.#channel = channel;
    this.keepAlive = keepAlive;
  }

  /** Nothing more can be written: complete, closed or aborted. */
  get closed(): boolean {
    return this.#channel === null;
  }

  /** A whole answer. `headers`: rendered lines, each with its line end. */
  send(status: number, headers: string, body: string): void {
    const close = this.keepAlive ? '' : 'connection: close\r\n';
    this.write(
      `${statusLine(status)}${headers}${close}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    this.finish();
  }

  /** Head of a chunked answer, as text: it goes out with the first body bytes. */
  chunkedHead(status: number, headers: string): string {
    const close = this.keepAlive ? '' : 'connection: close\r\n';
    return `${statusLine(status)}${headers}${close}transfer-encoding: chunked\r\n\r\n`;
  }

  /** Raw bytes of the answer; false: wait for `onDrain`. */
  write(data: Uint8Array | string): boolean {
    return this.#channel === null ? false : this.#channel.write(data);
  }

  /** The answer is complete. */
  finish(): void {
    const channel = this.#channel;
    if (channel === null) return;
    this.#release();
    channel.finished(this);
  }

  /** Breaks the connection off: FIN after what was written, or RST. */
  breakOff(reset: boolean): void {
    const channel = this.#channel;
    if (channel === null) return;
    this.#release();
    channel.close(reset);
  }

  /** For the connection: what was written has left. */
  drained(): void {
    const { onDrain } = this;
    this.onDrain = null;
    onDrain?.();
  }

  /** For the connection: the client has left. */
  abort(): void {
    if (this.#channel === null) return;
    const { onAbort } = this;
    this.aborted = true;
    this.#release();
    onAbort?.();
  }

  #release(): void {
    this.#channel = null;
    this.onAbort = null;
    this.onDrain = null;
  }
}
