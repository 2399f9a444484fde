import type { Usage } from '../../billing/usage.ts';
import { asBuffer } from '../../std/bytes.ts';
import { JsonDocument, Kind } from '../../std/json/document.ts';
import { AnswerMeter } from '../answer-meter.ts';
import { memberOf, textOf } from '../raw-text.ts';
import { parsedError, failureIn, UNKNOWN_FAILURE, type ToldFailure } from '../told-failure.ts';
import type { EventVerdict, StreamReader } from '../types.ts';
import { usageIn } from '../usage-of-body.ts';
import { MessagesUsage, normaliseUsage } from './usage.ts';

/** How the vendor begins the events that make up nearly all of a stream. */
const CONTENT_DELTA = Buffer.from('{"type":"content_block_delta"');
const CONTENT_KEY = Buffer.from('"content"');
const ERROR_KEY = Buffer.from('"error"');

/** Usage of a whole Messages answer, or null when the body carries none. */
export const usageOfBody = (body: Uint8Array, start = 0, end = body.length): Usage | null =>
  usageIn(body, start, end, normaliseUsage);

/** Whether a body tells an error in place of content; native searches tell an answer from it. */
export function failureOfBody(body: Uint8Array, start = 0, end = body.length): ToldFailure | null {
  const bytes = asBuffer(body);
  if (holds(bytes, CONTENT_KEY, start, end) && !holds(bytes, ERROR_KEY, start, end)) return null;
  const answer = parsedError(bytes, start, end);
  return hasContent(answer) ? null : failureIn(answer);
}

const hasContent = (answer: unknown): boolean =>
  Array.isArray((answer as { readonly content?: unknown } | null | undefined)?.content);

/** What is written in a whole answer, or in the beginning of one. */
export function outputOfBody(body: Uint8Array, start = 0, end = body.length): number | null {
  const bytes = asBuffer(body);
  const meter = new AnswerMeter();
  meter.measure(bytes, start, end);
  return meter.tokens === 0 && !hasContent(parsedError(bytes, start, end)) ? null : meter.tokens;
}

function holds(bytes: Buffer, needle: Buffer, start: number, end: number): boolean {
  const at = bytes.indexOf(needle, start);
  return at >= 0 && at < end;
}

/** Members of a block at its start that the model has written; what a server's tool found is none of them. */
const WRITTEN = ['text', 'thinking', 'input', 'data'] as const;
/** What a call costs besides its input: of all recorded streams with calls, by what their vendor counted. */
const CALL_TOKENS = 30;

/** `{}`, which the vendor writes where the input comes as fragments. */
const EMPTY_OBJECT_BYTES = 2;

const document = new JsonDocument('last');

/**
 * Reads the events of a Messages stream (Anthropic docs, "Streaming messages"). Every event's data names its `type`, so
 * the `event:` lines are not needed.
 *
 * Usage is always part of such a stream: nothing is asked for, nothing is cut out. Events with content are told by their
 * first bytes and cost no more than that; the handful of others is parsed.
 */
export class MessagesStreamReader implements StreamReader {
  readonly #usage = new MessagesUsage();
  readonly #meter = new AnswerMeter();
  failure: ToldFailure | null = null;

  nextChunk(): void {
    this.#meter.forget();
  }

  judge(bytes: Buffer, start: number, end: number, verdict: EventVerdict): void {
    verdict.done = false;
    verdict.finished = false;
    verdict.failed = false;
    verdict.usage = null;
    verdict.drop = false;
    verdict.cutStart = verdict.cutEnd = 0;
    if (startsWithDelta(bytes, start, end)) this.#content(bytes, start, start + CONTENT_DELTA.length, end, 1);
    else {
      this.#judgeOther(bytes, start, end, verdict);
      document.release();
    }
  }

  get outputTokens(): number {
    return this.#meter.tokens;
  }

  usageSoFar(): Usage | null {
    const usage = this.#usage.get();
    if (usage === null) return null;
    return { ...usage, output: Math.max(usage.output, this.outputTokens), estimated: true };
  }

  /** Measures an event with content; `inside` 1: from behind its type on. */
  #content(bytes: Buffer, start: number, from: number, end: number, inside: 0 | 1): void {
    if (this.#meter.measureAlike(bytes, start, end) >= 0) return;
    this.#meter.beginRecord();
    this.#meter.measure(bytes, from, end, inside);
    this.#meter.endRecord(bytes, start);
  }

  /** Some servers send a message that is whole at once. */
  #blocks(bytes: Buffer, start: number, content: number): void {
    if (content < 0 || document.kind(content) !== Kind.Array) return;
    const end = document.next(content);
    for (let block = content + 1; block < end; block = document.next(block)) this.#block(bytes, start, block);
  }

  /** Measures what a block holds at its start: mostly nothing, but servers that are only compatible send whole ones. */
  #block(bytes: Buffer, start: number, block: number): void {
    if (textOf(document, memberOf(document, block, 'type'))?.endsWith('tool_use') === true)
      this.#meter.addTokens(CALL_TOKENS);
    this.#meter.beginRecord();
    for (const name of WRITTEN) {
      const value = memberOf(document, block, name);
      if (value < 0) continue;
      if (name === 'input' && document.kind(value) === Kind.Object)
        this.#meter.addText(document.end(value) - document.start(value) - EMPTY_OBJECT_BYTES);
      else this.#meter.measure(bytes, start + document.start(value), start + document.end(value));
    }
    this.#meter.endRecord(bytes, start);
  }

  #judgeOther(bytes: Buffer, start: number, end: number, verdict: EventVerdict): void {
    try {
      document.parse(bytes.subarray(start, end));
    } catch {
      return;
    }
    if (document.kind(0) !== Kind.Object) return;
    const type = document.member(0, 'type');
    switch (type >= 0 && document.kind(type) === Kind.String ? document.text(type) : '') {
      case 'content_block_delta':
        this.#content(bytes, start, start, end, 0);
        return;
      case 'content_block_start':
        this.#block(bytes, start, memberOf(document, 0, 'content_block'));
        return;
      case 'message_start': {
        const message = document.member(0, 'message');
        if (message < 0 || document.kind(message) !== Kind.Object) return;
        this.#add(message);
        this.#blocks(bytes, start, memberOf(document, message, 'content'));
        return;
      }
      case 'message_delta': {
        this.#add(0);
        verdict.usage = this.#usage.get();
        const delta = document.member(0, 'delta');
        const reason =
          delta >= 0 && document.kind(delta) === Kind.Object ? document.member(delta, 'stop_reason') : -1;
        verdict.finished = reason >= 0 && document.kind(reason) === Kind.String;
        return;
      }
      case 'message_stop':
        verdict.done = true;
        verdict.usage = this.#usage.get();
        return;
      case 'error':
        this.#add(0);
        this.failure = failureIn(parsedError(bytes, start, end)) ?? UNKNOWN_FAILURE;
        break;
      default:
        // Servers that are only compatible may leave the type out.
        if (type < 0) this.failure = failureIn(parsedError(bytes, start, end));
    }
    verdict.failed = this.failure !== null;
  }

  #add(object: number): void {
    const usage = document.member(object, 'usage');
    if (usage >= 0) this.#usage.add(JSON.parse(document.source(usage)));
  }
}

function startsWithDelta(bytes: Uint8Array, start: number, end: number): boolean {
  const length = CONTENT_DELTA.length;
  if (end - start < length) return false;
  // From the end: it is there that event types differ.
  for (let index = length - 1; index >= 0; index--)
    if (bytes[start + index] !== CONTENT_DELTA[index]) return false;
  return true;
}
