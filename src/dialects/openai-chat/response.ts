import type { Usage } from '../../billing/usage.ts';
import { skipSpace } from '../../std/json/bytes.ts';
import { Kind, JsonDocument } from '../../std/json/document.ts';
import type { EventVerdict, StreamReader } from '../types.ts';
import { usageIn } from '../usage-of-body.ts';
import { normaliseUsage } from './usage.ts';

const USAGE_KEY = Buffer.from('"usage"');
const FINISH_REASON = Buffer.from('"finish_reason":');
const QUOTE_BYTES = Buffer.from('"');
const DONE = Buffer.from('[DONE]');
const ERROR_STARTS = [Buffer.from('{"error"'), Buffer.from('{ "error"'), Buffer.from('{"object":"error"')];
/** A member that some servers write into every record. */
const NO_ERROR = /^\{ ?"error": ?null/;
/** How OpenAI writes it behind `choices` on every record but the last. */
const NULL_USAGE = Buffer.from('],"usage":null');

/** Usage of a whole Chat Completions answer, or null when the body carries none. */
export const usageOfBody = (body: Uint8Array, start = 0, end = body.length): Usage | null =>
  usageIn(body, start, end, normaliseUsage);

function startsWith(bytes: Uint8Array, start: number, end: number, needle: Uint8Array): boolean {
  if (end - start < needle.length) return false;
  for (let index = 0; index < needle.length; index++)
    if (bytes[start + index] !== needle[index]) return false;
  return true;
}

/** Finds a needle in consecutive ranges of one buffer; the buffer is searched once, however many ranges it has. */
class Needle {
  readonly #needle: Buffer;
  #buffer: Buffer | null = null;
  #found = -1;

  constructor(needle: Buffer) {
    this.#needle = needle;
  }

  /** First place in `[start, end)`, or -1. */
  find(bytes: Buffer, start: number, end: number): number {
    if (this.#buffer !== bytes || this.#found < start) {
      this.#buffer = bytes;
      const at = bytes.indexOf(this.#needle, start);
      this.#found = at < 0 ? bytes.length : at;
    }
    return this.#found < end ? this.#found : -1;
  }

  forget(): void {
    this.#buffer = null;
  }
}

/** A member of the top-level object: from the comma that parts it from its neighbour to its end. */
interface MemberRange {
  readonly start: number;
  readonly end: number;
  readonly isNull: boolean;
}

const scratch = new JsonDocument();

/** Where the top-level `usage` of a record stands, with the comma that goes with it; null when there is none. */
export function usageMember(bytes: Buffer, start: number, end: number): MemberRange | null {
  try {
    scratch.parse(bytes.subarray(start, end));
  } catch {
    return null;
  }
  if (scratch.kind(0) !== Kind.Object) return null;
  const last = scratch.next(0);
  let previousEnd = -1;
  for (let key = 1; key < last; key = scratch.next(key + 1)) {
    if (scratch.textEquals(key, 'usage')) {
      const isNull = scratch.kind(key + 1) === Kind.Null;
      const next = scratch.next(key + 1);
      if (previousEnd >= 0) return { start: start + previousEnd, end: start + scratch.end(key + 1), isNull };
      // The first member goes with the comma behind it.
      return {
        start: start + scratch.start(key),
        end: start + (next < last ? scratch.start(next) : scratch.end(key + 1)),
        isNull,
      };
    }
    previousEnd = scratch.end(key + 1);
  }
  return null;
}

/**
 * Reads the records of a Chat Completions stream (OpenAI reference, "Streaming"; `stream_options.include_usage`).
 *
 * With `stripUsage`, the trailing record with empty `choices` is dropped, and the `usage` of others (null at OpenAI, the
 * figures on the finish record at DeepSeek) is cut out; the rest of the record keeps its bytes.
 */
export class ChatStreamReader implements StreamReader {
  readonly #stripUsage: boolean;
  readonly #usage = new Needle(USAGE_KEY);
  readonly #nullUsage = new Needle(NULL_USAGE);
  readonly #finishReason = new Needle(FINISH_REASON);
  /** A reason that is no null, as this server spells it; null until a record has one. */
  #finish: Needle | null = null;

  constructor(stripUsage: boolean) {
    this.#stripUsage = stripUsage;
  }

  nextChunk(): void {
    this.#usage.forget();
    this.#nullUsage.forget();
    this.#finishReason.forget();
    this.#finish?.forget();
  }

  judge(bytes: Buffer, start: number, end: number, verdict: EventVerdict): void {
    verdict.done = startsWith(bytes, start, end, DONE);
    verdict.finished = this.#finishes(bytes, start, end);
    verdict.failed = false;
    verdict.usage = null;
    verdict.drop = false;
    verdict.cutStart = verdict.cutEnd = 0;
    const usageAt = this.#usage.find(bytes, start, end);
    if (usageAt >= 0) this.#judgeUsage(bytes, start, end, verdict);
    else
      verdict.failed =
        ERROR_STARTS.some((needle) => startsWith(bytes, start, end, needle)) &&
        !NO_ERROR.test(bytes.toString('latin1', start, Math.min(end, start + 16)));
  }

  /** Most servers write nulls before the reason: once it is known with which blanks, a chunk is searched but once. */
  #finishes(bytes: Buffer, start: number, end: number): boolean {
    if (this.#finish === null) {
      const at = this.#finishReason.find(bytes, start, end);
      if (at < 0) return false;
      const value = skipSpace(bytes, at + FINISH_REASON.length);
      this.#finish = new Needle(Buffer.concat([bytes.subarray(at, value), QUOTE_BYTES]));
    }
    return this.#finish.find(bytes, start, end) >= 0;
  }

  #judgeUsage(bytes: Buffer, start: number, end: number, verdict: EventVerdict): void {
    const nullAt = this.#nullUsage.find(bytes, start, end);
    if (nullAt >= 0) {
      if (!this.#stripUsage) return;
      verdict.cutStart = nullAt + 1;
      verdict.cutEnd = nullAt + NULL_USAGE.length;
      return;
    }
    const member = usageMember(bytes, start, end);
    if (member === null) return;
    if (!member.isNull) verdict.usage = usageOfBody(bytes, start, end);
    if (!this.#stripUsage) return;
    const choices = scratch.member(0, 'choices');
    if (
      choices >= 0 &&
      scratch.kind(choices) === Kind.Array &&
      scratch.next(choices) === choices + 1 &&
      !member.isNull
    ) {
      verdict.drop = true;
      return;
    }
    verdict.cutStart = member.start;
    verdict.cutEnd = member.end;
  }
}
