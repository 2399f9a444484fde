import type { Log } from '../telemetry/logging.ts';

/** How a thread is watched; all times in ms. */
export interface Watch {
  /** No beat for this long: stuck. */
  readonly stuckMs: number;
  /** A thread may take this long to load its code before it must beat. */
  readonly startMs: number;
}

export interface WatchedThreadOptions<Outgoing, Incoming> {
  readonly name: string;
  readonly watch: Watch;
  readonly spawn: () => Worker;
  /** The word the thread counts up. */
  readonly heartbeat: () => number;
  /** A new thread: gives it its first message. Called at the start and for each successor. */
  readonly onSpawn: (thread: WatchedThread<Outgoing, Incoming>) => void;
  readonly onMessage: (message: Incoming) => void;
  /** The thread is gone and writes nothing more; called before its successor is spawned. */
  readonly onClose: () => void;
  readonly log: Log;
}

const RESTART_MS = 50;
const MAX_RESTART_MS = 5_000;
/** A thread that has lived this long has not died of its start. */
const HEALTHY_MS = 10_000;

/**
 * A thread that is replaced when it dies, and ended when it is stuck.
 *
 * ```
 *   spawn ──► beats ──► close ──► (50 ms, doubling to 5 s while it dies young) ──► spawn …
 *               └─ no beat within stuckMs ──► terminate ──► close
 * ```
 */
export class WatchedThread<Outgoing, Incoming> {
  readonly #options: WatchedThreadOptions<Outgoing, Incoming>;
  #thread: Worker | null = null;
  #lastBeat = 0;
  #lastBeatAtMs = 0;
  #startedAtMs = 0;
  #running = false;
  #restartMs = RESTART_MS;
  #stopping = false;

  constructor(options: WatchedThreadOptions<Outgoing, Incoming>) {
    this.#options = options;
  }

  get alive(): boolean {
    return this.#thread !== null;
  }

  start(): void {
    const thread = this.#options.spawn();
    this.#thread = thread;
    this.#running = false;
    this.#startedAtMs = this.#lastBeatAtMs = performance.now();
    this.#lastBeat = this.#options.heartbeat();
    thread.addEventListener('message', (event: MessageEvent<Incoming>) =>
      this.#options.onMessage(event.data),
    );
    thread.addEventListener('error', (event) =>
      this.#options.log.error({ thread: this.#options.name, reason: event.message }, 'a thread has failed'),
    );
    thread.addEventListener('close', () => this.#closed(thread));
    this.#options.onSpawn(this);
  }

  post(message: Outgoing, transfer: readonly unknown[] = []): void {
    this.#thread?.postMessage(message, transfer as never);
  }

  /** The thread says that it works: from now on it must beat. */
  running(): void {
    this.#running = true;
    this.#lastBeatAtMs = performance.now();
  }

  /** The watcher itself was held up: nobody can be blamed for missing beats. */
  forgive(nowMs: number): void {
    this.#lastBeatAtMs = nowMs;
  }

  check(nowMs: number): void {
    if (this.#thread === null) return;
    const beat = this.#options.heartbeat();
    if (beat !== this.#lastBeat) {
      this.#lastBeat = beat;
      this.#lastBeatAtMs = nowMs;
      return;
    }
    const silentMs = nowMs - this.#lastBeatAtMs;
    const { stuckMs, startMs } = this.#options.watch;
    if (silentMs < (this.#running ? stuckMs : startMs)) return;
    this.#options.log.warn(
      { thread: this.#options.name, silentMs: Math.round(silentMs) },
      'a thread is stuck, ending it',
    );
    this.#lastBeatAtMs = nowMs;
    this.#thread.terminate();
  }

  /** Ends the thread for good. */
  stop(): void {
    this.#stopping = true;
    this.#thread?.terminate();
  }

  /** From now on the thread has no successor. */
  retire(): void {
    this.#stopping = true;
  }

  #closed(thread: Worker): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    this.#options.onClose();
    if (this.#stopping) return;
    const young = performance.now() - this.#startedAtMs < HEALTHY_MS;
    const delayMs = young ? this.#restartMs : RESTART_MS;
    this.#restartMs = young ? Math.min(MAX_RESTART_MS, this.#restartMs * 2) : RESTART_MS;
    this.#options.log.warn(
      { thread: this.#options.name, delayMs },
      'a thread is gone, starting its successor',
    );
    setTimeout(() => {
      if (!this.#stopping) this.start();
    }, delayMs);
  }
}
