import {
  FIXED,
  histogramWords,
  LABEL_BYTES,
  MAX_ROWS,
  METRIC_WORDS,
  readLabel,
  ROW,
} from './counter-layout.ts';
import { CONNECTION_STATES, LATENCY_BOUNDS_S, STAGE_BOUNDS_S, STATUSES } from './labels.ts';
import { MAX_PROVIDERS, type SharedMemory } from './memory-map.ts';

const encoder = new TextEncoder();

/**
 * A proxy thread's counters: its own region of shared memory, written by it alone.
 *
 * ```
 *  metrics  [ fixed: dedup roles | unclaimed | rejected | savings | lag | heap | stage histograms ]
 *           [ row 0: status × streamed | token kinds | cost | savings | 3 histograms ] … [ row 255: overflow ]
 *  labels   [ row 0: length, "provider\0model" ] …
 * ```
 *
 * Rows are found by label through a map of the thread; their text lies in shared memory, so that the metrics thread needs
 * no message and a successor goes on with its predecessor's rows.
 */
export class WorkerMetrics {
  readonly #words: Float64Array;
  readonly #labels: Uint8Array;
  readonly #rows = new Map<string, number>();
  readonly #inFlight: Int32Array;
  readonly #connections: Float64Array;
  readonly #worker: number;
  readonly #workers: number;
  #lastProvider = '';
  #lastModel = '';
  #lastRow = -1;

  constructor(memory: SharedMemory, worker: number) {
    this.#worker = worker;
    this.#workers = memory.workers;
    this.#inFlight = memory.inFlight;
    this.#connections = memory.connections;
    this.#words = memory.metrics.subarray(worker * METRIC_WORDS, (worker + 1) * METRIC_WORDS);
    this.#labels = memory.labels.subarray(
      worker * MAX_ROWS * LABEL_BYTES,
      (worker + 1) * MAX_ROWS * LABEL_BYTES,
    );
    for (let row = 0; row < MAX_ROWS; row++) {
      const label = readLabel(this.#labels, row);
      if (label === null) break;
      this.#rows.set(label, row);
    }
  }

  /** The row of a label pair, made when it is new. */
  row(provider: string, model: string): number {
    if (provider === this.#lastProvider && model === this.#lastModel && this.#lastRow >= 0)
      return this.#lastRow;
    this.#lastProvider = provider;
    this.#lastModel = model;
    this.#lastRow = this.#find(`${provider}\0${model}`);
    return this.#lastRow;
  }

  /** One request answered. */
  status(row: number, status: number, streamed: boolean): void {
    const known = STATUSES.indexOf(status as (typeof STATUSES)[number]);
    const index = known < 0 ? STATUSES.length - 1 : known;
    this.#words[FIXED.words + row * ROW.words + ROW.requests + index * 2 + Number(streamed)]! += 1;
  }

  /** Its times in ms; `ttftMs` is -1 for what was not streamed. */
  times(row: number, durationMs: number, overheadMs: number, ttftMs: number): void {
    const base = FIXED.words + row * ROW.words;
    this.#observe(base + ROW.duration, LATENCY_BOUNDS_S, durationMs / 1_000);
    this.#observe(base + ROW.overhead, LATENCY_BOUNDS_S, overheadMs / 1_000);
    if (ttftMs >= 0) this.#observe(base + ROW.firstToken, LATENCY_BOUNDS_S, ttftMs / 1_000);
  }

  tokens(row: number, kind: number, count: number): void {
    this.#words[FIXED.words + row * ROW.words + ROW.tokens + kind]! += count;
  }

  cost(row: number, nanoUsd: number): void {
    this.#words[FIXED.words + row * ROW.words + ROW.cost]! += nanoUsd;
  }

  cacheSavings(row: number, nanoUsd: number): void {
    this.#words[FIXED.words + row * ROW.words + ROW.savings]! += nanoUsd;
  }

  dedup(role: number): void {
    this.#words[FIXED.dedup + role]! += 1;
  }

  dedupUnclaimed(reason: number): void {
    this.#words[FIXED.unclaimed + reason]! += 1;
  }

  dedupSavings(nanoUsd: number): void {
    this.#words[FIXED.dedupSavings]! += nanoUsd;
  }

  rejected(reason: number): void {
    this.#words[FIXED.rejected + reason]! += 1;
  }

  /** @param stage index in STAGE_LABELS. */
  stage(stage: number, ms: number): void {
    this.#observe(FIXED.stages + stage * histogramWords(STAGE_BOUNDS_S), STAGE_BOUNDS_S, ms / 1_000);
  }

  /** Gauge: how late this thread's last heartbeat was. */
  lag(seconds: number): void {
    this.#words[FIXED.lag] = seconds;
  }

  /** Gauge: what this thread's collector looks after. */
  heap(bytes: number): void {
    this.#words[FIXED.heap] = bytes;
  }

  /** Gauge: connections of a provider (index in the configuration) by state. */
  connections(provider: number, idle: number, active: number, waiting: number): void {
    if (provider >= MAX_PROVIDERS) return;
    const at = (this.#worker * MAX_PROVIDERS + provider) * CONNECTION_STATES.length;
    this.#connections[at] = idle;
    this.#connections[at + 1] = active;
    this.#connections[at + 2] = waiting;
  }

  /** Gauge: requests that run on this thread. Kind 0: not streamed, 1: streamed. */
  addInFlight(kind: 0 | 1, delta: number): void {
    Atomics.add(this.#inFlight, this.#worker * 2 + kind, delta);
  }

  /** Over all threads. */
  sumInFlight(kind: 0 | 1): number {
    let sum = 0;
    for (let worker = 0; worker < this.#workers; worker++)
      sum += Atomics.load(this.#inFlight, worker * 2 + kind);
    return sum;
  }

  #observe(base: number, bounds: readonly number[], seconds: number): void {
    let bucket = 0;
    while (bucket < bounds.length && seconds > bounds[bucket]!) bucket++;
    this.#words[base + bucket]! += 1;
    this.#words[base + bounds.length + 1]! += seconds;
    this.#words[base + bounds.length + 2]! += 1;
  }

  #find(label: string): number {
    const known = this.#rows.get(label);
    if (known !== undefined) return known;
    const bytes = encoder.encode(label);
    if (this.#rows.size >= MAX_ROWS - 1 || bytes.length > LABEL_BYTES - 1) return this.#overflow();
    return this.#add(label, bytes, this.#rows.size);
  }

  #overflow(): number {
    const label = 'other\0other';
    return (
      this.#rows.get(label) ??
      this.#add(label, encoder.encode(label), Math.min(this.#rows.size, MAX_ROWS - 1))
    );
  }

  #add(label: string, bytes: Uint8Array, row: number): number {
    this.#labels.set(bytes, row * LABEL_BYTES + 1);
    // The length is written last: a reader that sees it sees the text.
    Atomics.store(this.#labels, row * LABEL_BYTES, bytes.length);
    this.#rows.set(label, row);
    return row;
  }
}
