import type { Usage } from '../billing/usage.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { HeaderFields } from '../http1/fields.ts';
import type { DialectId } from '../providers/types.ts';
import type { ToldFailure } from './told-failure.ts';

/** What one event of a stream means to the gateway; everything else passes through to the byte. Reused between events. */
export interface EventVerdict {
  /** The stream's last record. */
  done: boolean;
  /** The model has finished, even if no last record follows. */
  finished: boolean;
  /** The vendor failed after its 200: the reader has its {@link StreamReader.failure}. */
  failed: boolean;
  usage: Usage | null;
  /** The client did not ask for this event: it is not relayed. */
  drop: boolean;
  /** Bytes to leave out when relaying, none when both are equal. */
  cutStart: number;
  cutEnd: number;
}

/** What a reader fills in, before the first event. */
export const blankVerdict = (): EventVerdict => ({
  done: false,
  finished: false,
  failed: false,
  usage: null,
  drop: false,
  cutStart: 0,
  cutEnd: 0,
});

/** Reads the events of one stream, in order. */
export interface StreamReader {
  /** Called before the events of each chunk: the memory of an earlier one may be in use again. */
  nextChunk(): void;
  /** Judges an event's data, `bytes[start, end)`. */
  judge(bytes: Buffer, start: number, end: number, verdict: EventVerdict): void;
  /** What the vendor failed with after its 200; null while it has not. */
  readonly failure: ToldFailure | null;
  /** Tokens of what has come so far, estimated by its text. */
  readonly outputTokens: number;
  /**
   * Usage of a stream that was cut off here, marked as estimated: exact where the vendor has told it already, the rest by
   * what came. null when the vendor has told nothing yet.
   */
  usageSoFar(): Usage | null;
}

/** Where the vendors of a dialect tell of their limits, and under which name they know the call. */
export interface ToldHeaders {
  /** Stands in every answer that tells of limits at all. */
  readonly firstLimit: string;
  readonly limits: readonly string[];
  readonly requestId: string;
}

/** What a dialect says in header fields rather than in bodies. */
export interface DialectHeaders {
  /**
   * Headers of a client that carry meaning for a vendor of its own dialect, as field lines in one canonical form: they go out
   * with the call and count for the identity of the request. '' for a dialect that has none.
   */
  forwardedOf(fields: HeaderFields): string;
  /** Field lines of a call that was converted, or whose client has said nothing. */
  readonly defaults: string;
  readonly told: ToldHeaders;
  /** Field lines with a request's id for its client, beside `x-request-id`, which all have; '' for none. */
  requestIdLine(requestId: string): string;
}

/** Where the gateway is asked in this dialect. */
export interface ClientPaths {
  /** For an answer of a model. The first is the one by which requests are the same, wherever they came. */
  readonly call: readonly [string, ...string[]];
  /** For the number of tokens that a request has; empty: nobody asks. */
  readonly countTokens: readonly string[];
  /** Whatever lies there, known or not, is asked by a client of this dialect. */
  readonly own: RegExp;
}

/** A wire language, written once: what the gateway must know to relay and meter its answers. */
export interface Dialect {
  readonly id: DialectId;
  readonly clientPaths: ClientPaths;
  /** Behind the provider's base path. */
  readonly path: string;
  /** Where its vendors count the tokens of a request, behind the provider's base path; null: they do not. */
  readonly countTokensPath: string | null;
  readonly headers: DialectHeaders;
  /** Which form of failure in an answer ({@link ToldFailure}) its clients know for one. */
  readonly knownFailure: ToldFailure['form'];
  /** Usage of a whole answer, `body[start, end)`, or null when it carries none. */
  usageOfBody(body: Uint8Array, start?: number, end?: number): Usage | null;
  /**
   * The failure that a whole answer of a status of success tells in place of an answer; null for an answer, and for what
   * nobody can tell from one.
   */
  failureOfBody(body: Uint8Array, start?: number, end?: number): ToldFailure | null;
  /** Tokens of an answer or of the beginning of one, estimated by its text; null where nothing in it is an answer. */
  outputOfBody(body: Uint8Array, start?: number, end?: number): number | null;
  /**
   * @param stripUsage the gateway asked for usage on its own account: the client must not see it
   * @param choices how many answers were asked for, 1 unless told otherwise
   */
  streamReader(stripUsage: boolean, choices?: number): StreamReader;
  /** The body of an error answer. `requestId` is for dialects that tell it there; all have it as a header. */
  errorBody(error: GatewayError, requestId?: string): string;
  /** The record that ends a stream which has failed after its head. */
  errorEvent(error: GatewayError, requestId?: string): string;
}
