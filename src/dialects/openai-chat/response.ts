import type { Usage } from '../../billing/usage.ts';
import { asBuffer } from '../../std/bytes.ts';
import { CLOSE_ARRAY, CLOSE_OBJECT, COLON, QUOTE, skipSpace } from '../../std/json/bytes.ts';
import { Kind, JsonDocument } from '../../std/json/document.ts';
import { AnswerMeter } from '../answer-meter.ts';
import { parsedError, failureIn, type ToldFailure } from '../told-failure.ts';
import type { EventVerdict, StreamReader } from '../types.ts';
import { usageIn } from '../usage-of-body.ts';
import { normaliseUsage } from './usage.ts';

const USAGE_KEY = Buffer.from('"usage"');
const FINISH_REASON = Buffer.from('"finish_reason":');
const QUOTE_BYTES = Buffer.from('"');
const DONE = Buffer.from('[DONE]');
const DELTA_KEY = Buffer.from('"delta"');
const ERROR_KEY = Buffer.from('"error"');
const CHOICES_KEY = Buffer.from('"choices"');
const NULL = Buffer.from('null');
/** How OpenAI writes it behind `choices` on every record but the last. */
const NULL_USAGE = Buffer.from('],"usage":null');

/** Usage of a whole Chat Completions answer, or null when the body carries none. */
export const usageOfBody = (body: Uint8Array, start = 0, end = body.length): Usage | null =>
  usageIn(body, start, end, normaliseUsage);

/** Whether a body tells an error in place of choices; native searches tell an answer from it. */
export function failureOfBody(body: Uint8Array, start = 0, end = body.length): ToldFailure | null {
  const bytes = asBuffer(body);
  if (holds(bytes, CHOICES_KEY, start, end) && !holds(bytes, ERROR_KEY, start, end)) return null;
  const answer = parsedError(bytes, start, end);
  return hasChoice(answer) ? null : failureIn(answer);
}

const hasChoice = (answer: unknown): boolean => {
  const choices = (answer as { readonly choices?: unknown } | null | undefined)?.choices;
  return Array.isArray(choices) && choices.length > 0;
};

/** What is written in a whole answer, or in the beginning of one. */
export function outputOfBody(body: Uint8Array, start = 0, end = body.length): number | null {
  const bytes = asBuffer(body);
  const meter = new AnswerMeter();
  meter.measure(bytes, start, end);
  return meter.tokens === 0 && !hasChoice(parsedError(bytes, start, end)) ? null : meter.tokens;
}

function holds(bytes: Buffer, needle: Buffer, start: number, end: number): boolean {
  const at = bytes.indexOf(needle, start);
  return at >= 0 && at < end;
}

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

  get bytes(): number {
    return this.#needle.length;
  }
}

/** Old sglang and Ollama write an empty reason into every record, others the word: none of these ends anything. */
const isNoReason = (bytes: Buffer, at: number): boolean =>
  bytes[at] === QUOTE || (startsWith(bytes, at, bytes.length, NULL) && bytes[at + NULL.length] === QUOTE);

interface ChoiceEnd {
  readonly index?: unknown;
  readonly finish_reason?: unknown;
}

function choicesOf(bytes: Buffer, start: number, end: number): readonly ChoiceEnd[] {
  try {
    const { choices } = JSON.parse(bytes.toString('utf8', start, end)) as { readonly choices?: unknown };
    return Array.isArray(choices) ? choices.filter((one) => typeof one === 'object' && one !== null) : [];
  } catch {
    return [];
  }
}

/** A member of the top-level object: from the comma that parts it from its neighbour to its end. */
interface MemberRange {
  readonly start: number;
  readonly end: number;
  readonly isNull: boolean;
}

const scratch = new JsonDocument('last');

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

/** Whether a member of the record read last is an array that holds anything. */
const hasElements = (node: number): boolean =>
  node >= 0 && scratch.kind(node) === Kind.Array && scratch.next(node) > node + 1;

/**
 * Reads the records of a Chat Completions stream (OpenAI reference, "Streaming"; `stream_options.include_usage`).
 *
 * With `stripUsage`, the trailing record with empty `choices` is dropped, and the `usage` of others (null at OpenAI, the
 * figures on the finish record at DeepSeek) is cut out; the rest of the record keeps its bytes.
 *
 * Where several choices were asked for, only the end of all of them is one.
 */
export class ChatStreamReader implements StreamReader {
  readonly #stripUsage: boolean;
  readonly #usage = new Needle(USAGE_KEY);
  readonly #nullUsage = new Needle(NULL_USAGE);
  readonly #finishReason = new Needle(FINISH_REASON);
  readonly #delta = new Needle(DELTA_KEY);
  readonly #error = new Needle(ERROR_KEY);
  readonly #meter = new AnswerMeter();
  /** From the end of a `delta` to that of its choice, the last one of its record. */
  #tailBytes = 0;
  #told: Usage | null = null;
  failure: ToldFailure | null = null;
  /** A reason that is no null, as this server spells it; null until a record has one. */
  #finish: Needle | null = null;

  /** Indexes of the choices that have ended; null where one was asked for. */
  readonly #ended: Set<unknown> | null;
  readonly #choices: number;

  /** @param choices how many were asked for */
  constructor(stripUsage: boolean, choices = 1) {
    this.#stripUsage = stripUsage;
    this.#choices = choices;
    this.#ended = choices > 1 ? new Set() : null;
  }

  nextChunk(): void {
    this.#usage.forget();
    this.#nullUsage.forget();
    this.#finishReason.forget();
    this.#finish?.forget();
    this.#delta.forget();
    this.#error.forget();
    this.#meter.forget();
  }

  get outputTokens(): number {
    return this.#meter.tokens;
  }

  usageSoFar(): Usage | null {
    const told = this.#told;
    return told === null
      ? null
      : { ...told, output: Math.max(told.output, this.outputTokens), estimated: true };
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
    if (verdict.usage !== null) this.#told = verdict.usage;
    if (verdict.done) return;
    const ordinary = this.#measureDeltas(bytes, start, end) || verdict.usage !== null;
    if (!ordinary || this.#saysError(bytes, start, end))
      this.#judgeOther(bytes, start, end, ordinary, verdict);
  }

  /** Measures what the choices of a record say; false when it has none that says anything the usual way. */
  #measureDeltas(bytes: Buffer, start: number, end: number): boolean {
    let at = this.#meter.measureAlike(bytes, start, end);
    if (at >= 0 && this.#endsChoices(bytes, at, end)) return true;
    const first = at < 0;
    at = this.#delta.find(bytes, Math.max(at, start), end);
    if (at < 0) return !first;
    this.#meter.beginRecord();
    do {
      const colon = skipSpace(bytes, at + DELTA_KEY.length);
      at = bytes[colon] === COLON ? this.#meter.measure(bytes, colon + 1, end) : colon;
      at = this.#endsChoices(bytes, at, end) ? -1 : this.#delta.find(bytes, at, end);
    } while (at >= 0);
    this.#meter.endRecord(bytes, start);
    return true;
  }

  /** Whether no other choice follows the `delta` that ends at `from`: what is between it and the end is mostly as long. */
  #endsChoices(bytes: Buffer, from: number, end: number): boolean {
    let at = from + this.#tailBytes;
    if (bytes[at] !== CLOSE_OBJECT || bytes[at + 1] !== CLOSE_ARRAY) {
      at = from;
      while (at < end && bytes[at] !== CLOSE_OBJECT) at++;
      if (bytes[at + 1] !== CLOSE_ARRAY) return false;
      this.#tailBytes = at - from;
    }
    return true;
  }

  /** Some servers write a member that is null into every record. */
  #saysError(bytes: Buffer, start: number, end: number): boolean {
    let at = this.#error.find(bytes, start, end);
    while (at >= 0) {
      const colon = skipSpace(bytes, at + ERROR_KEY.length);
      if (bytes[colon] === COLON && !startsWith(bytes, skipSpace(bytes, colon + 1), end, NULL)) return true;
      at = this.#error.find(bytes, colon, end);
    }
    return false;
  }

  /** The few records of a stream that are no ordinary ones, and all of a server that has other ones. */
  #judgeOther(bytes: Buffer, start: number, end: number, measured: boolean, verdict: EventVerdict): void {
    const record = parsedError(bytes, start, end);
    const failure = failureIn(record);
    // Beside a choice only an error that says something is one.
    if (failure !== null && !((failure.form === 'bare' || failure.message === null) && hasChoice(record))) {
      verdict.failed = true;
      verdict.drop = false;
      this.failure = failure;
      return;
    }
    if (measured) return;
    this.#meter.beginRecord();
    this.#meter.measure(bytes, start, end);
    this.#meter.endRecord(bytes, start);
  }

  /** Most servers write nulls before the reason: once it is known with which blanks, a chunk is searched but once. */
  #finishes(bytes: Buffer, start: number, end: number): boolean {
    if (this.#finish === null) {
      const at = this.#finishReason.find(bytes, start, end);
      if (at < 0) return false;
      const value = skipSpace(bytes, at + FINISH_REASON.length);
      this.#finish = new Needle(Buffer.concat([bytes.subarray(at, value), QUOTE_BYTES]));
    }
    let at = this.#finish.find(bytes, start, end);
    while (at >= 0 && isNoReason(bytes, at + this.#finish.bytes)) at = this.#finish.find(bytes, at + 1, end);
    return at >= 0 && (this.#ended === null || this.#endsAll(this.#ended, bytes, start, end));
  }

  #endsAll(ended: Set<unknown>, bytes: Buffer, start: number, end: number): boolean {
    for (const { finish_reason: reason, index } of choicesOf(bytes, start, end))
      if (typeof reason === 'string' && reason !== '' && reason !== 'null') ended.add(index);
    return ended.size >= this.#choices;
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
    // Without a choice there is nothing in it that the client has asked for, and SDKs fall over it.
    if (!member.isNull && !hasElements(scratch.member(0, 'choices'))) {
      verdict.drop = true;
      return;
    }
    verdict.cutStart = member.start;
    verdict.cutEnd = member.end;
  }
}
