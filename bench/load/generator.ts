import { readFileSync } from 'node:fs';
import { chatBody } from '../prompts/chat.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import type { LoadPlan, LoadResult } from './plan.ts';
import { Recorder } from './recorder.ts';
import { NUMBERS_PER_SEED, RequestTemplate } from './request-template.ts';
import { createRandom, DuplicatePicker, Schedule, TICK_MS } from './schedule.ts';
import { Ticker } from './ticker.ts';

const CONNECT_BATCH = 200;
const CONNECT_TIMEOUT_MS = 20_000;
const RECONNECT_MS = 20;
const SWEEP_MS = 250;
/** Housekeeping of a closed loop needs no finer clock. */
const CLOSED_TICK_MS = 5;

/**
 * Drives one gateway by a plan and measures it from the client's side. Times are of `performance.now()`.
 *
 *   closed: each connection sends again when its answer has come
 *   open:   schedule → due requests → free connections (first in, first out); what finds none waits, and its clock runs
 */
export class Generator implements ConnectionOwner {
  readonly #plan: LoadPlan;
  readonly #onMark: (mark: 'window-start' | 'window-end') => void;
  readonly #template: RequestTemplate;
  readonly #connections: Connection[] = [];
  readonly #recorder: Recorder;
  readonly #schedule: Schedule | null;
  readonly #picker: DuplicatePicker;
  readonly #random: () => number;
  readonly #keys: Uint8Array;
  readonly #keyBytes: number;
  readonly #keyCount: number;
  /** Ring of free connections, each in it once at most: `#given` and `#taken` only grow. */
  readonly #free: (Connection | undefined)[];
  #given = 0;
  #taken = 0;
  #startMs = 0;
  #windowFromMs = 0;
  #windowToMs = 0;
  #requests = 0;
  #inFlight = 0;
  #starved = false;
  #stage: 'connecting' | 'warming' | 'measuring' | 'cooling' | 'draining' | 'over' = 'connecting';
  #sweptMs = 0;
  #cpuAtStart: NodeJS.CpuUsage | undefined;
  #cpuUs = 0;

  constructor(plan: LoadPlan, onMark: (mark: 'window-start' | 'window-end') => void) {
    this.#plan = plan;
    this.#onMark = onMark;
    this.#random = createRandom(plan.seed);
    this.#schedule = plan.pace.kind === 'open' ? new Schedule(plan.pace.ratePerS, plan.pace.rampMs) : null;
    this.#picker = new DuplicatePicker(
      plan.duplicates?.share ?? 0,
      plan.duplicates?.ageMs ?? 0,
      this.#random,
    );
    this.#keys = plan.keysFile === null ? new Uint8Array(0) : readFileSync(plan.keysFile);
    this.#keyBytes = Math.max(0, this.#keys.indexOf(0x0a));
    this.#keyCount = this.#keyBytes === 0 ? 0 : Math.floor(this.#keys.length / (this.#keyBytes + 1));
    this.#template = new RequestTemplate({
      host: `127.0.0.1:${plan.port}`,
      path: plan.path,
      headers: plan.headers,
      body: chatBody(plan.body),
      keyBytes: this.#keyBytes,
    });
    this.#recorder = new Recorder(plan.windowMs, plan.parts, this.#schedule !== null);
    this.#free = Array.from({ length: plan.connections }, () => undefined);
    for (let index = 0; index < plan.connections; index++)
      this.#connections.push(new Connection(plan.body.stream, this));
  }

  /** Connects, warms up, measures, waits for what is still under way, and says what was found. */
  async run(): Promise<LoadResult> {
    await this.#connect();
    const plan = this.#plan;
    // A whole number of 1/1,024 ms: what is added to it stays exact, and a request due at an edge falls on one side in every run.
    this.#startMs = Math.floor(performance.now() * 1024) / 1024;
    this.#windowFromMs = this.#startMs + plan.warmupMs;
    this.#windowToMs = this.#windowFromMs + plan.windowMs;
    this.#recorder.openWindow(this.#windowFromMs);
    this.#stage = 'warming';
    const cooldownMs = plan.pace.kind === 'open' ? plan.pace.cooldownMs : 0;
    const lastSendMs = this.#windowToMs + cooldownMs;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const ticker = new Ticker(this.#schedule === null ? CLOSED_TICK_MS : TICK_MS, () => {
      const nowMs = performance.now();
      this.#mark(nowMs);
      if (nowMs >= lastSendMs) {
        const giveUpMs = this.#schedule === null ? lastSendMs : lastSendMs + plan.timeoutMs;
        this.#stage = 'draining';
        if (this.#inFlight === 0 || nowMs >= giveUpMs) resolve(undefined);
      } else if (this.#schedule === null) this.#sendClosed(nowMs);
      else this.#sendDue(nowMs);
      if (nowMs - this.#sweptMs > SWEEP_MS) this.#sweep(nowMs);
    });
    await promise;
    ticker.stop();
    this.#countLost(performance.now());
    this.#stage = 'over';
    for (const connection of this.#connections) connection.destroy();
    return this.#recorder.result(this.#cpuUs);
  }

  async #connect(): Promise<void> {
    const deadlineMs = performance.now() + CONNECT_TIMEOUT_MS;
    for (let from = 0; from < this.#connections.length; from += CONNECT_BATCH) {
      const batch = this.#connections.slice(from, from + CONNECT_BATCH);
      await Promise.all(batch.map((connection) => connection.connect(this.#plan.port)));
      if (performance.now() > deadlineMs)
        throw new Error(`${from} connections took ${CONNECT_TIMEOUT_MS} ms`);
    }
  }

  #mark(nowMs: number): void {
    if (this.#stage === 'warming' && nowMs >= this.#windowFromMs) {
      this.#stage = 'measuring';
      this.#cpuAtStart = process.cpuUsage();
      this.#recorder.inFlight(this.#inFlight, nowMs);
      this.#onMark('window-start');
    } else if (this.#stage === 'measuring' && nowMs >= this.#windowToMs) {
      this.#stage = 'cooling';
      const cpu = process.cpuUsage(this.#cpuAtStart);
      this.#cpuUs = cpu.user + cpu.system;
      this.#onMark('window-end');
    }
  }

  get #sends(): boolean {
    return this.#stage === 'warming' || this.#stage === 'measuring' || this.#stage === 'cooling';
  }

  /** First requests of a closed loop, as the ramp allows; later ones follow answers. */
  #sendClosed(nowMs: number): void {
    const { pace, connections } = this.#plan;
    const rampMs = pace.kind === 'closed' ? pace.rampMs : 0;
    const allowed = rampMs === 0 ? connections : Math.ceil(((nowMs - this.#startMs) / rampMs) * connections);
    while (this.#inFlight < Math.min(allowed, connections)) {
      const connection = this.#take();
      if (connection === null) return;
      this.#send(connection, nowMs, nowMs);
    }
  }

  /** All requests of an open loop that are due. */
  #sendDue(nowMs: number): void {
    const schedule = this.#schedule;
    if (schedule === null) return;
    this.#starved = false;
    for (;;) {
      const dueMs = this.#startMs + schedule.dueMs(this.#requests);
      if (dueMs > nowMs) return;
      const connection = this.#take();
      if (connection === null) {
        this.#starved = true;
        return;
      }
      this.#send(connection, dueMs, nowMs);
    }
  }

  #send(connection: Connection, dueMs: number, nowMs: number): void {
    const { misbehaviour } = this.#plan;
    const number = this.#picker.next(dueMs);
    this.#template.setNumber(this.#plan.seed * NUMBERS_PER_SEED + number);
    if (this.#keyCount > 0) {
      // A large odd step visits the keys in an order that no cache of neighbours helps with.
      const key = (this.#requests * 7_368_787) % this.#keyCount;
      this.#template.setKey(this.#keys, key * (this.#keyBytes + 1), this.#keyBytes);
    }
    if (misbehaviour !== null) {
      const draw = this.#random();
      connection.leavesEarly = draw < misbehaviour.abortShare;
      const stalls = !connection.leavesEarly && draw < misbehaviour.abortShare + misbehaviour.stallShare;
      connection.stallMs = stalls ? misbehaviour.stallMs : 0;
    }
    this.#requests++;
    this.#inFlight++;
    this.#recorder.inFlight(this.#inFlight, nowMs);
    const { leaderDueMs } = this.#picker;
    connection.send(this.#template.bytes, dueMs, nowMs, leaderDueMs);
    this.#recorder.sent(dueMs, nowMs, leaderDueMs >= 0);
  }

  #take(): Connection | null {
    while (this.#taken < this.#given) {
      const connection = this.#free[this.#taken++ % this.#free.length];
      if (connection === undefined) continue;
      connection.queued = false;
      if (connection.open && !connection.busy) return connection;
    }
    return null;
  }

  #release(connection: Connection): void {
    if (!connection.open || connection.queued) return;
    connection.queued = true;
    this.#free[this.#given++ % this.#free.length] = connection;
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const connection of this.#connections) {
      if (!connection.busy || nowMs - connection.dueMs < this.#plan.timeoutMs) continue;
      connection.destroy();
      this.failed(connection, 'timeout');
      this.closed(connection);
    }
  }

  /**
   * What never came and what never left for want of a free connection, at the end of an open loop: it has waited until now, and
   * that is its latency.
   */
  #countLost(nowMs: number): void {
    if (this.#schedule === null) return;
    for (const connection of this.#connections)
      if (connection.busy) this.#recorder.failed('timeout', connection.dueMs, nowMs);
    for (let n = this.#requests; ; n++) {
      const dueMs = this.#startMs + this.#schedule.dueMs(n);
      if (dueMs >= this.#windowToMs) return;
      this.#recorder.failed('unsent', dueMs, nowMs);
    }
  }

  opened(connection: Connection): void {
    this.#release(connection);
  }

  firstEvent(connection: Connection): void {
    this.#recorder.firstToken(connection, performance.now());
  }

  event(stampUs: number): void {
    const nowMs = performance.now();
    this.#recorder.event(stampUs > 0 ? (performance.timeOrigin + nowMs) * 1000 - stampUs : -1, nowMs);
  }

  received(bytes: number): void {
    this.#recorder.received(bytes, performance.now());
  }

  answered(connection: Connection): void {
    const nowMs = performance.now();
    this.#inFlight--;
    this.#recorder.answered(connection, nowMs);
    this.#next(connection, nowMs);
  }

  failed(connection: Connection, kind: string): void {
    const nowMs = performance.now();
    this.#inFlight--;
    this.#recorder.failed(kind, connection.dueMs, nowMs);
    this.#next(connection, nowMs);
  }

  strayed(): void {
    const nowMs = performance.now();
    this.#recorder.failed('unasked_bytes', nowMs, nowMs);
  }

  #next(connection: Connection, nowMs: number): void {
    this.#release(connection);
    if (!this.#sends) return;
    if (this.#schedule === null) this.#sendClosed(nowMs);
    else if (this.#starved) this.#sendDue(nowMs);
  }

  closed(connection: Connection): void {
    if (this.#stage === 'over' || this.#stage === 'draining') return;
    void this.#reconnect(connection);
  }

  async #reconnect(connection: Connection): Promise<void> {
    while (this.#sends) {
      try {
        await connection.connect(this.#plan.port);
        return;
      } catch {
        const nowMs = performance.now();
        this.#recorder.failed('connect', nowMs, nowMs);
        await Bun.sleep(RECONNECT_MS);
      }
    }
  }
}
