import { createHistogram, encodeHistogram, recordUs, summarize } from '../measure/histogram.ts';
import type { DedupRole } from './connection.ts';
import type { LoadResult, WindowPart } from './plan.ts';

const METRICS = ['latency', 'overhead', 'follower', 'firstToken', 'event', 'lag'] as const;
type Metric = (typeof METRICS)[number];
type Histograms = Record<Metric, ReturnType<typeof createHistogram>>;

function createHistograms(): Histograms {
  return {
    latency: createHistogram(),
    overhead: createHistogram(),
    follower: createHistogram(),
    firstToken: createHistogram(),
    event: createHistogram(),
    lag: createHistogram(),
  };
}

/** What is recorded of an answer. */
export interface Answer {
  readonly dueMs: number;
  readonly upstreamMs: number;
  readonly leaderDueMs: number;
  readonly role: DedupRole;
}

/** Counts and histograms of the measured window and of its parts. Times are of `performance.now()`, in ms. */
export class Recorder {
  readonly #total = createHistograms();
  readonly #parts: Histograms[];
  readonly #windowMs: number;
  readonly #partMs: number;
  readonly #openLoop: boolean;
  readonly #errors: Record<string, number> = {};
  readonly #dedup = { leader: 0, follower: 0, off: 0, none: 0 };
  #fromMs = Infinity;
  #toMs = Infinity;
  #sent = 0;
  readonly #inAll = { sent: 0, duplicates: 0, answered: 0, followers: 0 };
  #answered = 0;
  #answeredBetweenMarks = 0;
  #eventsBetweenMarks = 0;
  #bytesBetweenMarks = 0;
  #duplicatesSent = 0;
  #maxInFlight = 0;

  constructor(windowMs: number, parts: number, openLoop: boolean) {
    this.#windowMs = windowMs;
    this.#partMs = windowMs / parts;
    this.#openLoop = openLoop;
    this.#parts = Array.from({ length: parts }, createHistograms);
  }

  /** Says when the window begins; nothing is recorded before. */
  openWindow(fromMs: number): void {
    this.#fromMs = fromMs;
    this.#toMs = fromMs + this.#windowMs;
  }

  #inWindow(atMs: number): boolean {
    return atMs >= this.#fromMs && atMs < this.#toMs;
  }

  /** Requests belong to the window in which they were due (open loop) or answered (closed loop). */
  #owns(dueMs: number, nowMs: number): boolean {
    return this.#inWindow(this.#openLoop ? dueMs : nowMs);
  }

  sent(dueMs: number, nowMs: number, isDuplicate: boolean): void {
    this.#inAll.sent++;
    if (isDuplicate) this.#inAll.duplicates++;
    if (!this.#owns(dueMs, nowMs)) return;
    this.#sent++;
    if (isDuplicate) this.#duplicatesSent++;
    this.#record('lag', dueMs, (nowMs - dueMs) * 1000);
  }

  /** How many are under way: as the window begins, and whenever there is one more. */
  inFlight(count: number, nowMs: number): void {
    if (count > this.#maxInFlight && this.#inWindow(nowMs)) this.#maxInFlight = count;
  }

  answered(answer: Answer, nowMs: number): void {
    this.#inAll.answered++;
    if (answer.role === 'follower') this.#inAll.followers++;
    if (this.#inWindow(nowMs)) this.#answeredBetweenMarks++;
    if (!this.#owns(answer.dueMs, nowMs)) return;
    const atMs = this.#openLoop ? answer.dueMs : nowMs;
    this.#answered++;
    this.#dedup[answer.role]++;
    const latencyMs = nowMs - answer.dueMs;
    this.#record('latency', atMs, latencyMs * 1000);
    const isFollower = answer.role === 'follower';
    // A follower need not wait longer than the call it follows: that call's end, not its own upstream time, is what it is due.
    const overheadMs =
      isFollower && answer.leaderDueMs >= 0
        ? nowMs - Math.max(answer.dueMs, answer.leaderDueMs + answer.upstreamMs)
        : latencyMs - answer.upstreamMs;
    this.#record('overhead', atMs, overheadMs * 1000);
    if (isFollower) this.#record('follower', atMs, overheadMs * 1000);
  }

  firstToken(answer: Answer, nowMs: number): void {
    if (!this.#inWindow(nowMs)) return;
    this.#record('firstToken', nowMs, (nowMs - answer.dueMs - answer.upstreamMs) * 1000);
  }

  /** `delayUs` below zero: unknown. */
  event(delayUs: number, nowMs: number): void {
    if (!this.#inWindow(nowMs)) return;
    this.#eventsBetweenMarks++;
    if (delayUs >= 0) this.#record('event', nowMs, delayUs);
  }

  received(bytes: number, nowMs: number): void {
    if (this.#inWindow(nowMs)) this.#bytesBetweenMarks += bytes;
  }

  /** What a failed request had lasted counts as a latency too, or failures would make a run look fast. */
  failed(kind: string, dueMs: number, nowMs: number): void {
    if (!this.#owns(dueMs, nowMs)) return;
    this.#errors[kind] = (this.#errors[kind] ?? 0) + 1;
    this.#record('latency', this.#openLoop ? dueMs : nowMs, (nowMs - dueMs) * 1000);
  }

  #record(metric: Metric, atMs: number, us: number): void {
    recordUs(this.#total[metric], us);
    const part = this.#parts[Math.floor((atMs - this.#fromMs) / this.#partMs)];
    if (part !== undefined) recordUs(part[metric], us);
  }

  result(generatorCpuUs: number): LoadResult {
    const parts = this.#parts.map((part): WindowPart => ({
      latency: summarize(part.latency),
      overhead: summarize(part.overhead),
      firstToken: summarize(part.firstToken),
      event: summarize(part.event),
    }));
    return {
      windowMs: this.#windowMs,
      sent: this.#sent,
      inAll: this.#inAll,
      answered: this.#answered,
      answeredBetweenMarks: this.#answeredBetweenMarks,
      eventsBetweenMarks: this.#eventsBetweenMarks,
      bytesBetweenMarks: this.#bytesBetweenMarks,
      errors: this.#errors,
      dedup: this.#dedup,
      duplicatesSent: this.#duplicatesSent,
      maxInFlight: this.#maxInFlight,
      generatorCpuUs,
      histograms: {
        latency: encodeHistogram(this.#total.latency),
        overhead: encodeHistogram(this.#total.overhead),
        follower: encodeHistogram(this.#total.follower),
        firstToken: encodeHistogram(this.#total.firstToken),
        event: encodeHistogram(this.#total.event),
        lag: encodeHistogram(this.#total.lag),
      },
      parts,
    };
  }
}
