import { messageOf } from '../std/thrown.ts';
import type { Log } from '../telemetry/logging.ts';

/** How a thread is watched; all times in ms. */
export interface Watch {
  /** No beat for this long, of which it was given the processor as long: a loop that does not end. */
  readonly stuckMs: number;
  /** No beat for this long, whatever it was given: it waits for something that does not come. */
  readonly blockedMs: number;
  /** A thread may take this long to load its code and to say that it works; whether it beats meanwhile counts for nothing. */
  readonly startMs: number;
}

export interface WatchedThreadOptions<Outgoing, Incoming> {
  readonly name: string;
  readonly watch: Watch;
  /** May throw. */
  readonly spawn: () => Worker;
  /** The word the thread counts up; any change is life. */
  readonly heartbeat: () => number;
  /** Processor time that the thread has had, in ms; null: not known, and every silence counts as work. */
  readonly cpuMs: () => number | null;
  /** A new thread: gives it its first message. Called at the start and for each successor; may throw. */
  readonly onSpawn: (thread: WatchedThread<Outgoing, Incoming>) => void;
  readonly onMessage: (message: Incoming) => void;
  /** The thread cannot do its work, or could not even be made; its end and its successor follow. */
  readonly onFailed: (reason: string) => void;
  /** The thread is gone and writes nothing more; called before its successor is spawned. */
  readonly onClose: () => void;
  readonly log: Log;
}

const RESTART_MS = 50;
const MAX_RESTART_MS = 5_000;
/** A thread that has worked and lived this long has not died of its start. */
const HEALTHY_MS = 10_000;

/**
 * A thread that is replaced when it dies, and ended when it is stuck or says that it has failed.
 *
 * On a machine that is busy with other things a thread can be silent for seconds without having had its turn: only what it did with
 * the processor counts against it.
 *
 * ```
 *   spawn ──► running() ──► beats ──► close ──► (50 ms, doubling to 5 s while it dies young) ──► spawn …
 *     │  │                    └─ no beat within stuckMs ──► terminate ──► close
 *     │  └─ failed(), or not running within startMs ──────► terminate ──► close
 *     └─ throws ──────────────────────────────────────────────────────────► (the same wait) ──► spawn …
 * ```
 */
export class WatchedThread<Outgoing, Incoming> {
  readonly #options: WatchedThreadOptions<Outgoing, Incoming>;
  #thread: Worker | null = null;
  /** The heartbeat as the predecessor left it. */
  #beatBefore = 0;
  #lastBeat = 0;
  #lastBeatAtMs = 0;
  #cpuAtBeatMs: number | null = null;
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

  /** It lives and has said that it works. */
  get works(): boolean {
    return this.#thread !== null && this.#running;
  }

  /** It lives and has beaten; a proxy thread that has not has never let a request in. */
  get begun(): boolean {
    return this.#thread !== null && this.#options.heartbeat() !== this.#beatBefore;
  }

  start(): void {
    this.#running = false;
    this.#startedAtMs = this.#lastBeatAtMs = performance.now();
    this.#beatBefore = this.#lastBeat = this.#options.heartbeat();
    try {
      this.#thread = this.#spawn();
      this.#options.onSpawn(this);
    } catch (error) {
      this.failed(messageOf(error));
      if (this.#thread === null) this.#startLater();
    }
  }

  post(message: Outgoing, transfer: readonly unknown[] = []): void {
    this.#thread?.postMessage(message, transfer as never);
  }

  /** The thread says that it works: from now on it must beat. */
  running(): void {
    this.#running = true;
    this.#noteLife(performance.now());
  }

  /** The thread cannot do its work, as it says itself or as others see: it ends, and a successor comes. */
  failed(reason: string): void {
    this.#options.onFailed(reason);
    this.#thread?.terminate();
  }

  /** The watcher itself was held up: nobody can be blamed for missing beats. */
  forgive(nowMs: number): void {
    this.#noteLife(nowMs);
  }

  check(nowMs: number): void {
    if (this.#thread === null) return;
    const beat = this.#options.heartbeat();
    if (this.#running && beat !== this.#lastBeat) {
      this.#lastBeat = beat;
      this.#noteLife(nowMs);
      return;
    }
    const silentMs = nowMs - this.#lastBeatAtMs;
    const { blockedMs, stuckMs, startMs } = this.#options.watch;
    if (silentMs < (this.#running ? stuckMs : startMs)) return;
    if (this.#running && silentMs < blockedMs && this.#workedMs() < stuckMs) return;
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

  #noteLife(nowMs: number): void {
    this.#lastBeatAtMs = nowMs;
    this.#cpuAtBeatMs = this.#options.cpuMs();
  }

  /** Processor time since the last beat, in ms; Infinity where that is not known. */
  #workedMs(): number {
    const cpuMs = this.#options.cpuMs();
    return cpuMs === null || this.#cpuAtBeatMs === null ? Infinity : cpuMs - this.#cpuAtBeatMs;
  }

  #spawn(): Worker {
    const { log, name, onMessage, spawn } = this.#options;
    const thread = spawn();
    thread.addEventListener('message', (event: MessageEvent<Incoming>) => {
      if (this.#thread === thread) onMessage(event.data);
    });
    thread.addEventListener('error', (event) =>
      log.error({ thread: name, reason: event.message }, 'a thread has failed'),
    );
    thread.addEventListener('close', () => this.#closed(thread));
    return thread;
  }

  #closed(thread: Worker): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    this.#options.onClose();
    this.#startLater();
  }

  #startLater(): void {
    if (this.#stopping) return;
    const young = !this.#running || performance.now() - this.#startedAtMs < HEALTHY_MS;
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
