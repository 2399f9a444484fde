import type { JsonDocument } from '../std/json/document.ts';

/** A request in the vendor's dialect, and what was lost on the way. */
export interface ConvertedRequest {
  /** The body, JSON in UTF-8; owned by the receiver. */
  readonly body: Uint8Array;
  /** One sentence per thing that the vendor's dialect cannot say and that is harmless to lose, naming the field. */
  readonly warnings: readonly string[];
  /**
   * Source text of what was lost, in order. It counts for the identity of the request: a client that asks for two seeds
   * wants two answers, even where the vendor has none.
   */
  readonly lost: string;
}

/** What a request conversion must know besides the body. */
export interface RequestContext {
  /** Name of the model as the vendor knows it. */
  readonly upstreamModel: string;
  /** The provider takes `cache_control` in Chat Completions (OpenRouter does): marks are kept. Default false. */
  readonly cacheMarks?: boolean | undefined;
  /**
   * The host is OpenAI's own, or takes what it takes: `prompt_cache_breakpoint`, `safety_identifier`. Others that serve
   * OpenAI's models may answer 400. Default false.
   */
  readonly openaiFields?: boolean | undefined;
  /** The host takes tools beside any effort for models where OpenAI's own Chat Completions does not. Default false. */
  readonly toolsBesideEffort?: boolean | undefined;
  /** The provider wants `reasoning_content` back on assistant messages (DeepSeek does). Default false. */
  readonly reasoningContent?: boolean | undefined;
  /** Lifetime of the marks that a Chat Completions client's cache breakpoints become. Default `5m`. */
  readonly cacheTtl?: '5m' | '1h' | undefined;
}

/**
 * Writes a client's request in the vendor's dialect. `document` holds the body, which the client's dialect has read and
 * found sound. What cannot be expressed throws a GatewayError (`unsupported_value`, 400) whose `param` names the field.
 *
 * Deterministic: what stands for turn k does not depend on later turns.
 */
export type RequestConversion = (document: JsonDocument, context: RequestContext) => ConvertedRequest;

/** What an answer conversion must know of the request. */
export interface AnswerContext {
  /** Model as the client named it; answers say what the vendor said, and this where it said nothing. */
  readonly model: string;
  /** The client asked for a usage record in its stream (`stream_options.include_usage`). */
  readonly usageRequested: boolean;
  /** Wall clock, seconds since 1970: `created` of answers that need one. */
  readonly nowS: number;
  /** No two answers have the same: what the vendor leaves empty or repeats is told apart by it. */
  readonly unique: string;
}

/** A refusal in the client's words. */
export interface ConvertedError {
  /** HTTP status for the client. */
  readonly status: number;
  /** JSON in UTF-8. */
  readonly body: Uint8Array;
}

/** Turns the answers of a vendor's dialect into those of the client's. One object for all calls: it keeps nothing. */
export interface AnswerConversion {
  /**
   * A whole 2xx answer. Throws GatewayError `upstream_protocol` for something that is no such answer, and
   * `upstream_closed` for one that the vendor says it broke off.
   */
  body(answer: Uint8Array, context: AnswerContext): Uint8Array;
  /** The vendor's refusal; `status` is the vendor's own. A body that is no JSON is told as text. */
  error(status: number, answer: Uint8Array): ConvertedError;
  /**
   * A header of the vendor's answer under the client dialect's name: rate limits and retry hints. null: it has none and
   * stays behind. `name` is in lower case; `nowMs` is the wall clock, as one dialect tells times and the other durations.
   */
  header(name: string, value: string, nowMs: number): readonly [name: string, value: string] | null;
  stream(context: AnswerContext): StreamConversion;
}

/** One stream. Fed with whole events, in order; never throws, and ignores events it does not know. */
export interface StreamConversion {
  /**
   * An error record was written: the vendor's own, or because what came cannot be told to the client. Whatever follows is
   * ignored, nothing is left for the end, and the call can be given up.
   */
  readonly failed: boolean;
  /** The data of one event, `bytes[start, end)`; answers the records for the client as text, '' for none. */
  event(bytes: Buffer, start: number, end: number): string;
  /** A comment or ping of the vendor: what keeps the client's connection alive. */
  comment(): string;
  /**
   * The vendor's stream has ended: what is left for the client. Only called for a stream that was complete; one that was
   * cut off ends with the dialect's error event instead, never with an invented finish.
   */
  end(): string;
}
