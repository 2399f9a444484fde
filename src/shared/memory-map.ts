/** Words of the claim table: 16,384 buckets of 8, several times the calls that can be in flight. */
const CLAIM_WORDS = 1 << 17;
/** The threads that are no proxies; they beat behind them, in this order. */
const CONTROL_THREADS = ['storage', 'metrics', 'preparer'] as const;
export type ControlThread = (typeof CONTROL_THREADS)[number];
/** API keys that can be in use by one process; more threads make room for fewer. */
const MAX_KEYS = 1 << 20;
const MONEY_BYTES = 256 * 1024 * 1024;
/** Room at the start. The tables grow: what they span counts as used memory for the collector of every thread. */
const FIRST_KEYS = 1 << 10;

/** Words of one (worker, key) in the money table. */
export const KEY_WORDS = {
  spent: 0,
  held: 1,
  lastUsedMs: 2,
  /** Rate window: minutes since 1970 of the current one, its counts, and those of the one before. */
  minute: 3,
  requests: 4,
  tokens: 5,
  lastRequests: 6,
  lastTokens: 7,
  /** One cache line. */
  words: 8,
} as const;
/** Words of one key in the slot table. */
export const SLOT = {
  /** What the key had spent before this process used it. */
  baseSpent: 0,
  /** What of this process's spending stands in the store. */
  stored: 1,
  storedLastUsedMs: 2,
  /** What `stored` becomes once the store holds the batch of this number. */
  pending: 3,
  pendingBatch: 4,
  words: 5,
} as const;
/** Words of one large body that is still coming, or has not been worked on yet (src/limits/unfinished-bodies.ts). */
export const BODY = {
  /** Key slot + 1; 0: the row is free. */
  owner: 0,
  bytes: 1,
  /** Which of the thread's bodies it is, counted from 1. */
  birth: 2,
  /** The `birth` of the one that another thread wants ended. */
  doomed: 3,
  words: 4,
} as const;
/** Of one thread: 1 GiB of the smallest bodies that are counted at all. Room for some at the start; it grows. */
export const MAX_BODY_ROWS = 16_384;
const FIRST_BODY_ROWS = 256;
export const KEY_ID_BYTES = 16;
/** Providers a configuration may name; bounds the connection gauges. */
export const MAX_PROVIDERS = 64;

/**
 * Everything the threads share; a plain record of typed views, so that it can be posted to a worker.
 *
 * ```
 *  view         type     layout                               writer
 *  heartbeats   Int32    [proxies | storage | metrics | preparer] the thread that beats
 *  threadIds    Int32    as heartbeats; 0: not known          that thread, once (src/shared/thread-clock.ts)
 *  inFlight     Int32    [worker][non_stream, stream]         proxy `worker`
 *  providerCalls Int32   [worker][provider]                   proxy `worker`
 *  replayBytes  Float64  [worker]                             proxy `worker`
 *  connections  Float64  [worker][provider][state]            proxy `worker`
 *  claims       Uint32   [2^17], buckets of 8                 the claim's owner (src/dedup/claim-table.ts)
 *  money        Float64  [slot][worker][8: KEY_WORDS]  grows       proxy `worker` (src/limits/quota.ts, rate.ts)
 *  slotKeys     Uint8    [slot][16]  the key's UUID  grows    storage
 *  slotMoney    Float64  [slot][5: SLOT]           grows       storage (src/storage/spend-sweep.ts)
 *  slotCount    Int32    [1]                                  storage
 *  bodies       Float64  [worker] → [row][4: BODY]  grows     proxy `worker`; `doomed`: any
 *  bodyRows     Int32    [worker]  rows up to the last used   proxy `worker`
 *  bodyBytes    Float64  [worker]  sum of its rows            proxy `worker`
 *  bodiesOpen   Int32    [worker]  small ones, too            proxy `worker`
 *  metrics      Float64  [worker][words]                      proxy `worker` (src/shared/counters.ts)
 *  labels       Uint8    [worker][row][bytes]                 proxy `worker`
 * ```
 *
 * One writer per word; readers sum. `claims` alone is contended, and touched through Atomics only; `doomed` is a request to the
 * row's owner, which any thread may make and none but it obeys. When a thread dies the
 * primary zeroes its gauges and holds ({@link releaseWorker}); its counters go on in its successor.
 */
export interface SharedMemory {
  /** Of this life of the process: whose spending the tables hold. */
  readonly runId: string;
  readonly workers: number;
  readonly maxKeys: number;
  readonly heartbeats: Int32Array<SharedArrayBuffer>;
  readonly threadIds: Int32Array<SharedArrayBuffer>;
  readonly inFlight: Int32Array<SharedArrayBuffer>;
  readonly providerCalls: Int32Array<SharedArrayBuffer>;
  readonly replayBytes: Float64Array<SharedArrayBuffer>;
  readonly connections: Float64Array<SharedArrayBuffer>;
  readonly claims: Uint32Array<SharedArrayBuffer>;
  readonly money: Float64Array<SharedArrayBuffer>;
  readonly slotKeys: Uint8Array<SharedArrayBuffer>;
  readonly slotMoney: Float64Array<SharedArrayBuffer>;
  readonly slotCount: Int32Array<SharedArrayBuffer>;
  readonly bodies: readonly Float64Array<SharedArrayBuffer>[];
  readonly bodyRows: Int32Array<SharedArrayBuffer>;
  readonly bodyBytes: Float64Array<SharedArrayBuffer>;
  readonly bodiesOpen: Int32Array<SharedArrayBuffer>;
  readonly metrics: Float64Array<SharedArrayBuffer>;
  readonly labels: Uint8Array<SharedArrayBuffer>;
}

export interface MemoryOptions {
  readonly workers: number;
  /** Size of one worker's counters and label texts (src/shared/counters.ts). */
  readonly metricWords: number;
  readonly labelBytes: number;
  /** Tests make small tables. */
  readonly maxKeys?: number;
}

const float64 = (words: number) => new Float64Array(new SharedArrayBuffer(words * 8));
const int32 = (words: number) => new Int32Array(new SharedArrayBuffer(words * 4));
const uint8 = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes));
/** Room for some rows now and for more later; a view over the whole of it sees it grow, on every thread. */
const growable = (bytesPerRow: number, rows: number, maxRows: number) =>
  new SharedArrayBuffer(bytesPerRow * rows, { maxByteLength: bytesPerRow * maxRows });

/** The tables of one process. */
export function createMemory(options: MemoryOptions): SharedMemory {
  const { workers } = options;
  const maxKeys =
    options.maxKeys ?? Math.min(MAX_KEYS, Math.floor(MONEY_BYTES / (workers * KEY_WORDS.words * 8)));
  const keys = Math.min(FIRST_KEYS, maxKeys);
  return {
    runId: crypto.randomUUID(),
    workers,
    maxKeys,
    providerCalls: int32(workers * MAX_PROVIDERS),
    heartbeats: int32(workers + CONTROL_THREADS.length),
    threadIds: int32(workers + CONTROL_THREADS.length),
    inFlight: int32(workers * 2),
    replayBytes: float64(workers),
    connections: float64(workers * MAX_PROVIDERS * 3),
    claims: new Uint32Array(new SharedArrayBuffer(CLAIM_WORDS * 4)),
    money: new Float64Array(growable(workers * KEY_WORDS.words * 8, keys, maxKeys)),
    slotKeys: new Uint8Array(growable(KEY_ID_BYTES, keys, maxKeys)),
    slotMoney: new Float64Array(growable(SLOT.words * 8, keys, maxKeys)),
    slotCount: int32(1),
    bodies: Array.from(
      { length: workers },
      () => new Float64Array(growable(BODY.words * 8, FIRST_BODY_ROWS, MAX_BODY_ROWS)),
    ),
    bodyRows: int32(workers),
    bodyBytes: float64(workers),
    bodiesOpen: int32(workers),
    metrics: float64(workers * options.metricWords),
    labels: uint8(workers * options.labelBytes),
  };
}

/** Makes room for `keys` keys, by doubling; called by the storage thread before it gives a slot away. */
export function growKeys(memory: SharedMemory, keys: number): void {
  const { slotKeys } = memory;
  const room = slotKeys.byteLength / KEY_ID_BYTES;
  if (keys <= room) return;
  const next = Math.min(memory.maxKeys, Math.max(keys, room * 2));
  memory.money.buffer.grow(next * memory.workers * KEY_WORDS.words * 8);
  memory.slotMoney.buffer.grow(next * SLOT.words * 8);
  slotKeys.buffer.grow(next * KEY_ID_BYTES);
}

/** Where the words of a (key, worker) begin in the money table. */
export const moneyIndex = (workers: number, slot: number, worker: number): number =>
  (slot * workers + worker) * KEY_WORDS.words;

/** Index of the heartbeat of a thread that is no proxy. */
export const heartbeatOf = (memory: SharedMemory, thread: ControlThread): number =>
  memory.workers + CONTROL_THREADS.indexOf(thread);

/** Gives back what a dead proxy thread held: its gauges and holds. Called by the primary after the thread has closed. */
export function releaseWorker(memory: SharedMemory, worker: number): void {
  Atomics.store(memory.inFlight, worker * 2, 0);
  Atomics.store(memory.inFlight, worker * 2 + 1, 0);
  memory.replayBytes[worker] = 0;
  memory.bodies[worker]!.fill(0);
  memory.bodyRows[worker] = 0;
  memory.bodyBytes[worker] = 0;
  memory.bodiesOpen[worker] = 0;
  memory.providerCalls.fill(0, worker * MAX_PROVIDERS, (worker + 1) * MAX_PROVIDERS);
  memory.connections.fill(0, worker * MAX_PROVIDERS * 3, (worker + 1) * MAX_PROVIDERS * 3);
  const slots = Atomics.load(memory.slotCount, 0);
  for (let slot = 0; slot < slots; slot++)
    memory.money[moneyIndex(memory.workers, slot, worker) + KEY_WORDS.held] = 0;
}
