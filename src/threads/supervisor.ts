import type { AdminAccess } from '../admin/access.ts';
import type { Config } from '../config/load.ts';
import type { FromPreparer, ToPreparer } from '../preparer/thread.ts';
import { heartbeatOf, type ControlThread, type SharedMemory } from '../shared/memory-map.ts';
import { isRunnable, threadCpuMs } from '../shared/thread-clock.ts';
import type { FromStorage, ToStorage } from '../storage/thread.ts';
import type { Log } from '../telemetry/logging.ts';
import type { FromMetrics, ToMetrics } from '../telemetry/thread.ts';
import { giveBack } from './dead-thread.ts';
import type { Capacity } from './capacity.ts';
import { KeyInvalidation } from './key-invalidation.ts';
import type { AdminCall, FromProxy, ToProxy } from './messages.ts';
import type { ThreadName } from './spawn.ts';
import { WatchedThread } from './watched-thread.ts';

const CHECK_MS = 250;
/** A check this late says that the whole process stood still. */
const HELD_UP_MS = 500;
/** A proxy that works for a second without a beat is stuck: the kernel goes on giving it connections, which hang. */
const PROXY_WATCH = { stuckMs: 1_000, blockedMs: 10_000, startMs: 10_000 };
/** A query or a scrape may take long, and nobody hangs meanwhile. Storage waits half a minute for a locked database to open it. */
const CONTROL_WATCH = { stuckMs: 10_000, blockedMs: 30_000, startMs: 40_000 };
/** One step of the oddest large body may take seconds on a slow machine, and nobody else's requests wait for it. */
const PREPARER_WATCH = { stuckMs: 20_000, blockedMs: 60_000, startMs: 40_000 };
/** Twelve bits of a claim word. */
const MAX_INCARNATION = 4_095;
/** A thread handles messages between requests; one that takes longer is as good as stuck. */
const ACKNOWLEDGE_MS = 2_000;
/** A thread keeps its own deadline when it drains; this is for one that is stuck. */
const DRAIN_GRACE_MS = 2_000;

const NO_INCARNATION = 'too many proxy threads have been replaced: no incarnation is left for another one';

export interface SupervisorOptions {
  readonly config: Config;
  readonly capacity: Capacity;
  readonly memory: SharedMemory;
  readonly hashSecret: Uint8Array;
  readonly admin: AdminAccess;
  readonly log: Log;
  readonly spawn: (name: ThreadName) => Worker;
  readonly onAdmin: (worker: number, call: AdminCall) => void;
  /** A storage thread has started; the port is the primary's own way to it. */
  readonly onStorage: (port: MessagePort) => void;
  /** A proxy thread has ended and none can ever follow it: the process should finish what runs, and end. */
  readonly onExhausted: (reason: string) => void;
  /** Tests run out of incarnations sooner. */
  readonly maxIncarnation?: number | undefined;
  /** How long a proxy thread may take to acknowledge that a key has changed before it is ended; ms. */
  readonly acknowledgeMs?: number | undefined;
}

type FromControl = FromStorage | FromMetrics | FromPreparer;
type ToControl = ToStorage | ToMetrics | ToPreparer;
type Connect = Extract<ToControl, { readonly type: 'connect' }>;

interface Proxy {
  readonly worker: number;
  readonly thread: WatchedThread<ToProxy, FromProxy>;
  incarnation: number;
  listening: boolean;
  onDrained: ((left: number) => void) | null;
}

/**
 * Owns the threads: starts them, watches their heartbeats, replaces one that is dead, stuck or of no use, and gives back
 * what it held.
 *
 * ```
 *  primary ──start(ports, memory)──► proxy i ◄──peer port──► proxy j        each proxy ◄─port─► storage, metrics, preparer
 *     │ every 250 ms: has each heartbeat moved?  no → terminate()
 *     └ on close of a proxy: all that it held is given back (dead-thread.ts), then its successor starts
 *       on close of storage, metrics or preparer: its successor gets a new port from every proxy
 * ```
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #proxies: Proxy[] = [];
  readonly #storage: WatchedThread<ToStorage, FromStorage>;
  readonly #metrics: WatchedThread<ToMetrics, FromMetrics>;
  readonly #preparer: WatchedThread<ToPreparer, FromPreparer>;
  readonly #invalidation: KeyInvalidation;
  #nextIncarnation = 1;
  #watch: ReturnType<typeof setInterval> | null = null;
  #port: number;
  #ready = { ready: false, reason: 'starting' };
  /** Set while starting: what is waited for, and how it fails. */
  #starting: { readonly done: () => void; readonly failed: (error: Error) => void } | null = null;
  #storageStarted = false;
  /** No thread is replaced any more. */
  #ending = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#port = options.config.env.PORT;
    this.#invalidation = new KeyInvalidation({
      deadlineMs: options.acknowledgeMs ?? ACKNOWLEDGE_MS,
      broadcast: (keyId, ack) => this.#broadcast({ type: 'invalidate-key', keyId, ack }),
      runnable: (worker) => isRunnable(options.memory.threadIds[worker]!) === true,
      onLate: (worker) => this.#proxies[worker]?.thread.failed('it does not say that it has forgotten a key'),
    });
    this.#storage = this.#controlThread<ToStorage, FromStorage>('storage', {
      type: 'start',
      dataDir: options.config.env.DATA_DIR,
      memory: options.memory,
    });
    this.#metrics = this.#controlThread<ToMetrics, FromMetrics>('metrics', {
      type: 'start',
      memory: options.memory,
      providers: options.config.routing.providers.map((provider) => provider.id),
    });
    this.#preparer = this.#controlThread<ToPreparer, FromPreparer>('preparer', {
      type: 'start',
      config: options.config,
      memory: options.memory,
      hashSecret: options.hashSecret,
    });
    for (let worker = 0; worker < options.config.env.WORKERS; worker++)
      this.#proxies.push(this.#proxy(worker));
  }

  /** Starts every thread; resolves with the port once storage works and all proxies listen. */
  async start(): Promise<number> {
    const started = new Promise<void>((done, failed) => {
      this.#starting = { done, failed };
    });
    this.#storage.start();
    // With `PORT=0` the first proxy picks the port and the others join it.
    const first = this.#port === 0 ? 1 : this.#proxies.length;
    for (const proxy of this.#proxies.slice(0, first)) proxy.thread.start();
    this.#watchBeats();
    await started;
    this.#starting = null;
    // Nobody waits for these: they connect to the proxies as successors would.
    this.#metrics.start();
    this.#preparer.start();
    return this.#port;
  }

  setReady(ready: boolean, reason: string): void {
    this.#ready = { ready, reason };
    this.#broadcast({ type: 'ready', ready, reason });
  }

  reply(worker: number, id: number, status: number, body: string): void {
    this.#proxies[worker]?.thread.post({ type: 'admin-reply', id, status, body });
  }

  /**
   * Resolves when no thread goes by the old record of the key any more, which storage has replaced by now. A thread that
   * has not beaten yet is not waited for: it beats before it handles its first request, so it has looked up no key.
   */
  invalidateKey(keyId: string): Promise<void> {
    const begun = this.#proxies.filter((proxy) => proxy.thread.begun);
    return this.#invalidation.run(
      keyId,
      begun.map((proxy) => proxy.worker),
    );
  }

  /** Stops accepting, waits for what runs, then ends the proxies. Answers how many requests were cut off. */
  async drain(timeoutMs: number): Promise<number> {
    this.#ending = true;
    const drains = this.#proxies.map(async (proxy) => {
      proxy.thread.retire();
      // One that has not begun has let nobody in, and may never hear of it.
      if (!proxy.thread.begun) {
        proxy.thread.stop();
        return 0;
      }
      const drained = new Promise<number>((resolve) => {
        proxy.onDrained = resolve;
      });
      proxy.thread.post({ type: 'drain', deadlineMs: timeoutMs });
      const left = await Promise.race([drained, Bun.sleep(timeoutMs + DRAIN_GRACE_MS).then(() => 0)]);
      proxy.thread.stop();
      return left;
    });
    const lefts = await Promise.all(drains);
    return lefts.reduce((sum, left) => sum + left, 0);
  }

  /** Ends the other threads; the last, because storage still takes what the proxies have spent. */
  stop(): void {
    this.#ending = true;
    if (this.#watch !== null) clearInterval(this.#watch);
    for (const proxy of this.#proxies) proxy.thread.stop();
    this.#preparer.stop();
    this.#metrics.stop();
    this.#storage.stop();
  }

  #watchBeats(): void {
    let checkedAtMs = performance.now();
    this.#watch = setInterval(() => {
      const nowMs = performance.now();
      const heldUp = nowMs - checkedAtMs > HELD_UP_MS;
      checkedAtMs = nowMs;
      const control = [this.#storage, this.#metrics, this.#preparer];
      for (const thread of [...this.#proxies.map((proxy) => proxy.thread), ...control]) {
        if (heldUp) thread.forgive(nowMs);
        thread.check(nowMs);
      }
      if (heldUp) this.#invalidation.forgive(nowMs);
      this.#invalidation.check(nowMs);
    }, CHECK_MS);
  }

  #controlThread<Outgoing extends ToControl, Incoming extends FromControl>(
    name: ControlThread,
    startMessage: Outgoing,
  ): WatchedThread<Outgoing | Connect, Incoming> {
    const { memory, log, spawn } = this.#options;
    const control: WatchedThread<Outgoing | Connect, Incoming> = new WatchedThread({
      name,
      watch: name === 'preparer' ? PREPARER_WATCH : CONTROL_WATCH,
      spawn: () => spawn(name),
      heartbeat: () => Atomics.load(memory.heartbeats, heartbeatOf(memory, name)),
      cpuMs: () => threadCpuMs(memory.threadIds[heartbeatOf(memory, name)]!),
      onSpawn: (thread) => {
        thread.post(startMessage);
        // What the preparer is given is lost with it: it has to work first.
        if (name !== 'preparer') for (const proxy of this.#proxies) this.#connectTo(name, thread, proxy);
        if (name === 'storage') this.#options.onStorage(this.#connect(thread));
      },
      onMessage: (message) => {
        if (message.type === 'started') {
          control.running();
          if (name === 'preparer') for (const proxy of this.#proxies) this.#connectTo(name, control, proxy);
          if (name === 'storage') this.#storageStarted = true;
          this.#checkStarted();
        } else if (message.type === 'failed') {
          control.failed(message.message);
        } else log.warn({ thread: name, reason: message.message }, 'spending could not be stored yet');
      },
      onFailed: (reason) => this.#failed(`the ${name} thread cannot start: ${reason}`),
      onClose: () => this.#starting?.failed(new Error(`the ${name} thread died while starting`)),
      log,
    });
    return control;
  }

  #connectTo(name: ControlThread, thread: Pick<WatchedThread<Connect, unknown>, 'post'>, proxy: Proxy): void {
    if (!proxy.thread.alive) return;
    const port = this.#connect(thread);
    proxy.thread.post({ type: 'reconnect', to: name, port }, [port]);
  }

  /** A new port to a control thread. */
  #connect(thread: Pick<WatchedThread<Connect, unknown>, 'post'>): MessagePort {
    const { port1, port2 } = new MessageChannel();
    thread.post({ type: 'connect', port: port2 }, [port2]);
    return port1;
  }

  #proxy(worker: number): Proxy {
    const { memory, spawn, log } = this.#options;
    const proxy: Proxy = {
      worker,
      incarnation: 0,
      listening: false,
      onDrained: null,
      thread: new WatchedThread<ToProxy, FromProxy>({
        name: `proxy-${worker}`,
        watch: PROXY_WATCH,
        spawn: () => spawn('proxy'),
        heartbeat: () => Atomics.load(memory.heartbeats, worker),
        cpuMs: () => threadCpuMs(memory.threadIds[worker]!),
        onSpawn: () => this.#startProxy(proxy),
        onMessage: (message) => this.#onMessage(proxy, message),
        onFailed: (reason) =>
          this.#failed(
            proxy.listening
              ? `proxy thread ${worker} is ended: ${reason}`
              : `proxy thread ${worker} cannot start: ${reason}`,
          ),
        onClose: () => this.#onClose(proxy),
        log,
      }),
    };
    return proxy;
  }

  #startProxy(proxy: Proxy): void {
    const { config, capacity, memory, hashSecret, admin } = this.#options;
    if (this.#exhausted) throw new Error(NO_INCARNATION);
    proxy.incarnation = this.#nextIncarnation++;
    const peers = this.#proxies
      .filter((other) => other !== proxy && other.thread.alive && other.incarnation > 0)
      .map((other) => {
        const { port1, port2 } = new MessageChannel();
        other.thread.post({ type: 'peer', peer: { incarnation: proxy.incarnation, port: port2 } }, [port2]);
        return { incarnation: other.incarnation, port: port1 };
      });
    const storage = this.#connect(this.#storage);
    const metrics = this.#connect(this.#metrics);
    proxy.thread.post(
      {
        type: 'start',
        worker: proxy.worker,
        incarnation: proxy.incarnation,
        config,
        capacity,
        port: this.#port,
        memory,
        storage,
        metrics,
        peers,
        hashSecret,
        admin,
      },
      [storage, metrics, ...peers.map((peer) => peer.port)],
    );
    if (this.#preparer.works) this.#connectTo('preparer', this.#preparer, proxy);
    proxy.thread.post({ type: 'ready', ...this.#ready });
  }

  #onMessage(proxy: Proxy, message: FromProxy): void {
    switch (message.type) {
      case 'listening': {
        proxy.listening = true;
        proxy.thread.running();
        const chosen = this.#port === 0;
        this.#port = message.port;
        if (chosen) for (const other of this.#proxies) if (other !== proxy) other.thread.start();
        this.#checkStarted();
        break;
      }
      case 'failed':
        proxy.thread.failed(message.message);
        break;
      case 'invalidated':
        this.#invalidation.acknowledge(message.ack, proxy.worker);
        break;
      case 'drained':
        proxy.onDrained?.(message.leftInFlight);
        break;
      case 'admin':
        this.#options.onAdmin(proxy.worker, message);
        break;
      default:
        message satisfies never;
    }
  }

  #onClose(proxy: Proxy): void {
    proxy.listening = false;
    giveBack(proxy, {
      memory: this.#options.memory,
      tellPeers: (incarnation) => this.#broadcast({ type: 'peer-dead', incarnation }),
      invalidation: this.#invalidation,
    });
    proxy.onDrained?.(0);
    if (this.#starting !== null)
      this.#starting.failed(new Error(`proxy thread ${proxy.worker} died while starting`));
    else if (this.#exhausted && !this.#ending) {
      // To live on with fewer and fewer threads, and in the end with none, would look like health from outside.
      proxy.thread.retire();
      this.#options.onExhausted(NO_INCARNATION);
    }
  }

  /** Incarnations are never reused: a word of an earlier one must not look like one of a later thread. */
  get #exhausted(): boolean {
    return this.#nextIncarnation > (this.#options.maxIncarnation ?? MAX_INCARNATION);
  }

  #checkStarted(): void {
    if (this.#storageStarted && this.#proxies.every((proxy) => proxy.listening)) this.#starting?.done();
  }

  #failed(message: string): void {
    this.#options.log.error({}, message);
    this.#starting?.failed(new Error(message));
  }

  #broadcast(message: ToProxy): void {
    for (const proxy of this.#proxies) proxy.thread.post(message);
  }
}
