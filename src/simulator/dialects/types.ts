import type { Answer } from '../answers.ts';
import type { Usage } from '../bill.ts';
import type { CachePrompt } from '../cache/types.ts';
import type { Conversation } from '../conversation.ts';
import type { Directives } from '../directives.ts';
import type { Step } from '../steps.ts';
import type { TokenWriter } from '../tokens.ts';
import type { VendorError } from '../vendor-error.ts';

/** Header fields of a request; names in lower case. */
export type Headers = ReadonlyMap<string, string>;

/** A body that was read and found good. */
export interface Call {
  readonly conversation: Conversation;
  /**
   * Renders prompt and first answer in the vendor's order, as tokens; valid until `writer` is used again.
   * `account`: whoever pays, as told by the credentials.
   */
  render(writer: TokenWriter, answer: Answer, account: string): CachePrompt;
}

/** What all events and the whole answer of one request have in common. */
export interface AnswerFrame {
  /** 16 hexadecimal digits; a dialect makes its own kind of id of it. */
  readonly id: string;
  readonly model: string;
  readonly usage: Usage;
  readonly conversation: Conversation;
  readonly directives: Directives;
}

/** Writes one request's answers. */
export interface AnswerWriter {
  /** The whole answer as JSON. */
  whole(answers: readonly Answer[]): string;
  /** One streamed step as server-sent events, with their blank lines; `last`: the step that ends the last choice. */
  event(step: Step, last: boolean): string;
  /** What follows the last step. */
  ending(): string;
}

/**
 * A vendor's language: how it reads a request, renders it for its cache, and writes answers and errors. Everything else
 * (pacing, breaking, billing, what is said) is the same for all. A further dialect is one more file of this shape, chosen in
 * `vendors.ts`.
 */
export interface Dialect {
  readonly name: string;
  /** Whoever pays, as told by the headers, or why a request with such headers is not even read. */
  account(headers: Headers): string | VendorError;
  read(body: Readonly<Record<string, unknown>>, headers: Headers): Call | VendorError;
  answer(frame: AnswerFrame): AnswerWriter;
  /** The `id` that answers carry for a frame's id. */
  answerId(id: string): string;
  /** Sign of life in a stream that has not begun to answer. */
  readonly keepAlive: string;
  /** An error in the middle of a stream, as an event; `id`: the frame's. */
  errorEvent(error: VendorError, id: string): string;
  /** An error answer as JSON. */
  errorBody(error: VendorError, id: string): string;
  /** Header lines of every answer, each with its line end. */
  headers(id: string, processingMs: number): string;
}
