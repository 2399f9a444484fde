import type { LatencySummary } from '../measure/histogram.ts';

/** Requests whose size is fixed and whose text differs by a number of 16 digits. */
export interface ChatBodyPlan {
  readonly model: string;
  /** Size of the whole body. */
  readonly bytes: number;
  readonly stream: boolean;
  /** Where the number stands: a different query each time, or a different system prompt (so that no prefix is shared). */
  readonly differsIn: 'query' | 'system';
  /** Appended to the prompt, e.g. `[[sim:delay=900]]`. */
  readonly directives: string;
}

/** As many requests under way as there are connections: the next leaves when an answer has come. */
interface ClosedPace {
  readonly kind: 'closed';
  /** First requests are spread over this time, so that streams do not start and end together. */
  readonly rampMs: number;
}

/** Requests leave by a schedule whatever the answers do. */
interface OpenPace {
  readonly kind: 'open';
  readonly ratePerS: number;
  /** Until then the rate grows linearly from zero. */
  readonly rampMs: number;
  /** Requests go on for this long after the measured window, so that its last ones meet the same load. */
  readonly cooldownMs: number;
}

/** Clients that misbehave, for the soak. Shares are of all requests. */
interface Misbehaviour {
  /** Leave after the first bytes of an answer. */
  readonly abortShare: number;
  /** Stop reading for `stallMs` after the first bytes of an answer. */
  readonly stallShare: number;
  readonly stallMs: number;
}

/** All that one load process needs to know: it comes as JSON on its standard input. */
export interface LoadPlan {
  readonly port: number;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: ChatBodyPlan;
  readonly connections: number;
  readonly pace: ClosedPace | OpenPace;
  /** Share of requests that repeat one still under way, and how long ago at most that one was sent. */
  readonly duplicates: { readonly share: number; readonly ageMs: number } | null;
  /** File of client keys, one a line, all of one length: requests take them in turn. Without it `headers` carry the key. */
  readonly keysFile: string | null;
  readonly misbehaviour: Misbehaviour | null;
  readonly warmupMs: number;
  readonly windowMs: number;
  /** The window is cut in so many parts, whose percentiles are reported one by one. */
  readonly parts: number;
  /** A request older than this has failed. */
  readonly timeoutMs: number;
  /** Makes the request numbers of this run differ from those of others. */
  readonly seed: number;
}

/** One part of the measured window. */
export interface WindowPart {
  readonly latency: LatencySummary;
  readonly overhead: LatencySummary;
  readonly firstToken: LatencySummary;
  readonly event: LatencySummary;
}

/** Counts of a whole load, before, in and after its window: what the upstream's counts, which know no window, compare with. */
export interface CountsInAll {
  readonly sent: number;
  /** Those of `sent` that repeat an earlier one. */
  readonly duplicates: number;
  readonly answered: number;
  /** Those of `answered` that came by following another call. */
  readonly followers: number;
}

/**
 * What a load process found. Counts are of the measured window: by the time an answer came in a closed loop, by the time a
 * request was due in an open one.
 */
export interface LoadResult {
  readonly windowMs: number;
  readonly sent: number;
  readonly inAll: CountsInAll;
  readonly answered: number;
  /** Answers that came between the two marks, whenever they were asked for: what CPU time is divided by. */
  readonly answeredBetweenMarks: number;
  /** Events of streams that came between the two marks. */
  readonly eventsBetweenMarks: number;
  readonly bytesBetweenMarks: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Answers by `x-tokenrouter-dedup`. */
  readonly dedup: {
    readonly leader: number;
    readonly follower: number;
    readonly off: number;
    readonly none: number;
  };
  readonly duplicatesSent: number;
  /** The most requests under way in the window. */
  readonly maxInFlight: number;
  /** CPU time of the load process between the marks. */
  readonly generatorCpuUs: number;
  /** Histograms, encoded. `lag`: how late the generator itself was; part of `latency`. */
  readonly histograms: {
    readonly latency: string;
    readonly overhead: string;
    readonly follower: string;
    readonly firstToken: string;
    readonly event: string;
    readonly lag: string;
  };
  readonly parts: readonly WindowPart[];
}

/** Lines a load process prints on standard output, as JSON. */
export type LoadMessage =
  | { readonly kind: 'mark'; readonly mark: 'window-start' | 'window-end' }
  | { readonly kind: 'result'; readonly result: LoadResult }
  | { readonly kind: 'failed'; readonly message: string };
