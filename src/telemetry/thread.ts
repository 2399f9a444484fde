import { heartbeatOf, type SharedMemory } from '../shared/memory-map.ts';
import { ownThreadId } from '../shared/thread-clock.ts';
import { exposition } from './exposition.ts';

export type ToMetrics =
  | { readonly type: 'start'; readonly memory: SharedMemory; readonly providers: readonly string[] }
  | { readonly type: 'connect'; readonly port: MessagePort };

export type FromMetrics =
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly message: string };

/** Asked over a port of a proxy thread; the answer is {@link Scraped}. */
export interface Scrape {
  readonly id: number;
}
export interface Scraped {
  readonly id: number;
  readonly text: string;
}

const BEAT_MS = 250;
const STALE_MS = 1_500;

/** The metrics thread: reads shared memory when scraped. Answers the function that takes its messages. */
export function metricsThread(send: (message: FromMetrics) => void): (message: ToMetrics) => void {
  let memory: SharedMemory | null = null;
  let providers: readonly string[] = [];
  /** Each proxy's heartbeat and when it last changed. */
  const seen: { beat: number; atMs: number }[] = [];

  const watch = (): void => {
    if (memory === null) return;
    const nowMs = performance.now();
    for (let worker = 0; worker < memory.workers; worker++) {
      const beat = Atomics.load(memory.heartbeats, worker);
      const last = seen[worker];
      // The word wraps: any change is life, and only at first sight does 0 say that it has never beaten.
      if (last === undefined) seen[worker] = { beat, atMs: beat === 0 ? Number.NEGATIVE_INFINITY : nowMs };
      else if (last.beat !== beat) seen[worker] = { beat, atMs: nowMs };
    }
  };
  const scrape = async (id: number): Promise<Scraped> => {
    watch();
    const nowMs = performance.now();
    const alive = seen.map(({ atMs }) => nowMs - atMs < STALE_MS);
    const residentBytes = process.memoryUsage.rss();
    return { id, text: memory === null ? '' : await exposition({ memory, alive, providers, residentBytes }) };
  };
  return (message) => {
    if (message.type === 'connect') {
      const { port } = message;
      port.onmessage = (event: MessageEvent<Scrape>) =>
        void scrape(event.data.id).then((reply) => port.postMessage(reply));
      return;
    }
    memory = message.memory;
    providers = message.providers;
    const beat = heartbeatOf(memory, 'metrics');
    memory.threadIds[beat] = ownThreadId();
    setInterval(() => {
      watch();
      if (memory !== null) Atomics.add(memory.heartbeats, beat, 1);
    }, BEAT_MS);
    send({ type: 'started' });
  };
}
