import { tokensOfBytes } from '../../billing/estimate.ts';
import type { Usage } from '../../billing/usage.ts';
import { JsonDocument, Kind } from '../../std/json/document.ts';
import type { EventVerdict, StreamReader } from '../types.ts';
import { saysError } from '../raw-text.ts';
import { usageIn } from '../usage-of-body.ts';
import { MessagesUsage, normaliseUsage } from './usage.ts';

/** How the vendor begins the events that make up nearly all of a stream. */
const CONTENT_DELTA = Buffer.from('{"type":"content_block_delta"');
/** What stands around the text of one of them. */
const DELTA_FRAME_BYTES = 80;

/** Usage of a whole Messages answer, or null when the body carries none. */
export const usageOfBody = (body: Uint8Array, start = 0, end = body.length): Usage | null =>
  usageIn(body, start, end, normaliseUsage);

const document = new JsonDocument();

/**
 * Reads the events of a Messages stream (Anthropic docs, "Streaming messages"). Every event's data names its `type`, so
 * the `event:` lines are not needed.
 *
 * Usage is always part of such a stream: nothing is asked for, nothing is cut out. Events with content are told by their
 * first bytes and cost no more than that; the handful of others is parsed.
 */
export class MessagesStreamReader implements StreamReader {
  readonly #usage = new MessagesUsage();
  #contentBytes = 0;

  nextChunk(): void {
    // Nothing is remembered of the bytes.
  }

  judge(bytes: Buffer, start: number, end: number, verdict: EventVerdict): void {
    verdict.done = false;
    verdict.finished = false;
    verdict.failed = false;
    verdict.usage = null;
    verdict.drop = false;
    verdict.cutStart = verdict.cutEnd = 0;
    if (startsWithDelta(bytes, start, end)) this.#content(end - start);
    else {
      this.#judgeOther(bytes, start, end, verdict);
      document.release();
    }
  }

  usageSoFar(): Usage | null {
    const usage = this.#usage.get();
    if (usage === null) return null;
    return { ...usage, output: Math.max(usage.output, tokensOfBytes(this.#contentBytes)), estimated: true };
  }

  #content(bytes: number): void {
    this.#contentBytes += Math.max(0, bytes - DELTA_FRAME_BYTES);
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
        this.#content(end - start);
        return;
      case 'message_start': {
        const message = document.member(0, 'message');
        if (message >= 0 && document.kind(message) === Kind.Object) this.#add(message);
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
        verdict.failed = true;
        return;
      default:
        // Servers that are only compatible may leave the type out.
        verdict.failed = type < 0 && saysError(document);
    }
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
