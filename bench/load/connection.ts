import type { Socket } from 'bun';
import { AnswerParser, fieldOf, type AnswerSink } from './answer-parser.ts';
import { EventMeter } from './event-meter.ts';

export type DedupRole = 'leader' | 'follower' | 'off' | 'none';

/** Who a connection works for. */
export interface ConnectionOwner {
  opened(connection: Connection): void;
  /** The first event of a stream has come. */
  firstEvent(connection: Connection): void;
  /** `stampUs`: when the upstream sent it, 0 where unknown. */
  event(stampUs: number): void;
  received(bytes: number): void;
  answered(connection: Connection): void;
  /** The request under way failed; `kind` names how. */
  failed(connection: Connection, kind: string): void;
  /** Bytes came that nobody asked for. */
  strayed(connection: Connection): void;
  /** The connection is gone; what was under way on it has been told before. */
  closed(connection: Connection): void;
}

/** One in so many plain answers is parsed whole; all are looked at. */
const PARSE_ONE_IN = 256;

/** One keep-alive client connection with at most one request under way. */
export class Connection implements AnswerSink {
  readonly #owner: ConnectionOwner;
  readonly #streamed: boolean;
  readonly #parser: AnswerParser;
  readonly #meter: EventMeter;
  #socket: Socket<Connection> | null = null;
  #unwritten: Uint8Array | null = null;
  #status = 0;
  #body = '';
  #answers = 0;
  busy = false;
  open = false;
  /** Waits in the owner's list of free connections. */
  queued = false;
  /** When the request was due and when it was written, by `performance.now()`. */
  dueMs = 0;
  sentMs = 0;
  /** When the request that this one repeats was due, or -1. */
  leaderDueMs = -1;
  /** What the answer's head says. */
  upstreamMs = 0;
  role: DedupRole = 'none';
  /** Set by the owner for clients that misbehave on this request. */
  leavesEarly = false;
  stallMs = 0;

  constructor(streamed: boolean, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#streamed = streamed;
    this.#parser = new AnswerParser(this);
    this.#meter = new EventMeter((stampUs) => this.#onEvent(stampUs));
  }

  async connect(port: number): Promise<void> {
    await Bun.connect<Connection>({ hostname: '127.0.0.1', port, data: this, socket: HANDLERS });
  }

  /** Sends one request; the bytes may be reused at once. */
  send(bytes: Uint8Array, dueMs: number, nowMs: number, leaderDueMs: number): void {
    this.busy = true;
    this.dueMs = dueMs;
    this.sentMs = nowMs;
    this.leaderDueMs = leaderDueMs;
    this.#parser.reset();
    if (this.#streamed) this.#meter.reset();
    this.#body = '';
    const written = Math.max(0, this.#socket?.write(bytes) ?? 0);
    if (written < bytes.length) this.#unwritten = bytes.slice(written);
  }

  /** Ends the connection at once, whatever is under way, without telling the owner. */
  destroy(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.open = false;
    this.busy = false;
    this.#unwritten = null;
    socket?.terminate();
  }

  head(status: number, head: string): void {
    this.#status = status;
    this.upstreamMs = Number(fieldOf(head, 'x-sim-upstream-ms')) || 0;
    const role = fieldOf(head, 'x-tokenrouter-dedup');
    this.role = role === 'leader' || role === 'follower' || role === 'off' ? role : 'none';
  }

  payload(bytes: Buffer, from: number, to: number): void {
    if (this.#streamed && this.#status === 200) this.#meter.push(bytes, from, to);
    else this.#body += bytes.toString('latin1', from, to);
  }

  #onEvent(stampUs: number): void {
    if (this.#meter.events === 1) this.#owner.firstEvent(this);
    this.#owner.event(stampUs);
  }

  onOpen(socket: Socket<Connection>): void {
    this.#socket = socket;
    this.open = true;
    this.#owner.opened(this);
  }

  onDrain(): void {
    const rest = this.#unwritten;
    if (rest === null || this.#socket === null) return;
    const written = Math.max(0, this.#socket.write(rest));
    this.#unwritten = written < rest.length ? rest.slice(written) : null;
  }

  onData(socket: Socket<Connection>, chunk: Buffer): void {
    if (socket !== this.#socket) return;
    if (!this.busy) {
      this.destroy();
      this.#owner.strayed(this);
      this.#owner.closed(this);
      return;
    }
    this.#owner.received(chunk.length);
    const wrong = this.#parser.push(chunk);
    if (wrong !== '') {
      this.destroy();
      this.#owner.failed(this, `protocol: ${wrong}`);
      this.#owner.closed(this);
    } else if (this.#parser.done) {
      this.#finish();
    } else if (this.leavesEarly) {
      this.destroy();
      this.#owner.answered(this);
      this.#owner.closed(this);
    } else if (this.stallMs > 0) {
      socket.pause();
      setTimeout(() => socket.resume(), this.stallMs);
      this.stallMs = 0;
    }
  }

  onClose(socket: Socket<Connection>): void {
    if (socket !== this.#socket) return;
    const { busy } = this;
    const ended = busy && this.#parser.end();
    this.destroy();
    if (ended) this.#conclude();
    else if (busy)
      this.#owner.failed(this, this.#parser.untouched ? 'closed_before_answer' : 'closed_in_answer');
    this.#owner.closed(this);
  }

  #finish(): void {
    if (!this.#parser.closes) {
      this.busy = false;
      this.#conclude();
      return;
    }
    // Out of use before the owner hears of it, or it would send the next request here.
    this.destroy();
    this.#conclude();
    this.#owner.closed(this);
  }

  #conclude(): void {
    const wrong = this.#judge();
    if (wrong === '') this.#owner.answered(this);
    else this.#owner.failed(this, wrong);
  }

  /** '' for a right answer, else the kind of error. */
  #judge(): string {
    if (this.#status !== 200) return `status_${this.#status}`;
    if (this.#streamed) {
      if (this.#meter.failed) return 'error_event';
      if (!this.#meter.done) return 'stream_without_done';
      return this.#meter.events > 0 ? '' : 'stream_without_events';
    }
    if (!this.#body.includes('"choices"') || !this.#body.trimEnd().endsWith('}')) return 'bad_shape';
    if (++this.#answers % PARSE_ONE_IN !== 1) return '';
    try {
      const answer = JSON.parse(this.#body) as { choices?: { message?: { content?: unknown } }[] };
      return typeof answer.choices?.[0]?.message?.content === 'string' ? '' : 'bad_shape';
    } catch {
      return 'bad_json';
    }
  }
}

const HANDLERS = {
  open: (socket: Socket<Connection>): void => socket.data.onOpen(socket),
  data: (socket: Socket<Connection>, chunk: Buffer): void => socket.data.onData(socket, chunk),
  drain: (socket: Socket<Connection>): void => socket.data.onDrain(),
  close: (socket: Socket<Connection>): void => socket.data.onClose(socket),
  // A reset is followed by `close`, which tells the owner.
  error: (): void => {},
};
