import type { Usage } from '../billing/usage.ts';
import type { ByteSink } from '../dedup/shared-response.ts';
import type { StreamConversion } from '../dialects/conversion.ts';
import type { ToldFailure } from '../dialects/told-failure.ts';
import { blankVerdict, type Dialect, type EventVerdict, type StreamReader } from '../dialects/types.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { asBuffer } from '../std/bytes.ts';
import { SseParser } from '../http1/sse.ts';
import { RelayBuffer } from './relay-buffer.ts';
import { isOfCredentials, refusedCredentials } from './vendor-failures.ts';

const MAX_EVENT_BYTES = 16 * 1024 * 1024;
const NO_BYTES = new Uint8Array(0);

/** Used within one read and empty between two: one of each does for all streams of a thread, and stays in its caches. */
const OUT = new RelayBuffer();
const VERDICT: EventVerdict = blankVerdict();

export interface StreamRelayOptions {
  readonly reader: StreamReader;
  readonly clientDialect: Dialect;
  readonly conversion: StreamConversion | null;
  /** What can go to clients goes there as it comes, but for the last of it. */
  readonly sink: ByteSink;
}

/**
 * A vendor's stream on its way to clients: whole events, in one piece per read of the socket, judged by the vendor's
 * dialect. In the client's dialect they pass as they came; in another they are told anew by its conversion. Behind an
 * error that is told in other words than the vendor's, or before any of its model's, nothing passes, no `[DONE]` either.
 *
 * What the stream ends with is held back, so that it leaves only when the call's accounts are closed: the record behind which
 * none comes (`[DONE]`, `message_stop`) with what came in the same read, or what a conversion ends with. It lies in `lastBytes[lastStart, lastEnd)`.
 *
 * An event that is too large throws.
 */
export class StreamRelay {
  readonly #reader: StreamReader;
  readonly #clientDialect: Dialect;
  readonly #conversion: StreamConversion | null;
  readonly #parser: SseParser;
  readonly #sink: ByteSink;
  /** What a conversion has written since the last read. */
  #text = '';
  /** The stream has ended; what still comes has no blank line behind it. */
  #flushing = false;
  #usage: Usage | null = null;
  /** The vendor's error has been told in the gateway's own words. */
  #reworded = false;
  /** It is all that there was: what comes behind it is no answer. */
  #alone = false;
  /** The vendor said that this is all, or that it failed. */
  complete = false;
  /** It said so in a record behind which none comes. */
  over = false;
  /** That was the record with which a stream ends in order; behind a failure usage may still come. */
  done = false;
  lastBytes: Uint8Array = NO_BYTES;
  lastStart = 0;
  lastEnd = 0;

  constructor({ reader, clientDialect, conversion, sink }: StreamRelayOptions) {
    this.#reader = reader;
    this.#clientDialect = clientDialect;
    this.#sink = sink;
    this.#conversion = conversion;
    this.#parser = new SseParser({
      maxEventBytes: MAX_EVENT_BYTES,
      onEvent: (bytes, dataStart, dataEnd, eventStart, eventEnd) =>
        this.#event(bytes, dataStart, dataEnd, eventStart, eventEnd),
      // Comments keep connections alive: the client's, too.
      onBlock: (bytes, start, end) => {
        // Half of a record, which readers would take for a whole one without data.
        if (this.#flushing || this.#ended) return;
        if (conversion === null) OUT.add(bytes, start, end);
        else this.#text += conversion.comment();
      },
    });
  }

  /** The client has had all that there is to be had. */
  get #ended(): boolean {
    return this.#reworded || this.#alone || (this.#conversion !== null && this.#reader.failure !== null);
  }

  /** The client has been told of a failure: what still comes is of no use. */
  get failed(): boolean {
    return this.#conversion !== null && (this.#conversion.failed || this.#reworded);
  }

  /** The vendor has failed before any of its model's words. */
  get saidNothing(): boolean {
    return this.#reader.failure !== null && this.outputTokens === 0;
  }

  /** Tokens of what has come, estimated by its text. */
  get outputTokens(): number {
    return this.#reader.outputTokens;
  }

  /** What the vendor told; of a stream that was cut off or has failed, what can be known of it. */
  get usage(): Usage | null {
    if (this.complete && this.#usage !== null) return this.#usage;
    return this.#reader.usageSoFar() ?? this.#usage;
  }

  /** Takes `chunk[start, end)`, which belongs to the relay from now on. */
  push(chunk: Uint8Array, start: number, end: number): void {
    this.#reader.nextChunk();
    const read = asBuffer(chunk);
    OUT.open(read);
    this.#parser.push(read, start, end);
    this.#handOver(this.done || this.failed);
  }

  /** The vendor has ended: what is left. */
  end(): void {
    this.#reader.nextChunk();
    this.#flushing = true;
    OUT.open(null);
    this.#parser.end({ flush: true });
    if (this.complete && this.#conversion !== null && !this.#reworded) this.#text += this.#conversion.end();
    this.#handOver(this.complete);
  }

  /** Holds the last of it back. */
  #keepLast(bytes: Uint8Array, start: number, end: number): void {
    this.lastBytes = bytes;
    this.lastStart = start;
    this.lastEnd = end;
  }

  /** Hands over what has been gathered; `last`: it is what the stream ends with. */
  #handOver(last: boolean): void {
    if (this.#conversion === null) {
      if (!OUT.take()) return;
      const { bytes, end, start } = OUT;
      OUT.bytes = NO_BYTES;
      if (last) this.#keepLast(bytes, start, end);
      else this.#sink.append(bytes, start, end);
      return;
    }
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    const bytes = Buffer.from(text);
    if (last) this.#keepLast(bytes, 0, bytes.length);
    else this.#sink.append(bytes, 0, bytes.length);
  }

  #event(bytes: Uint8Array, dataStart: number, dataEnd: number, eventStart: number, eventEnd: number): void {
    const verdict = VERDICT;
    const buffer = asBuffer(bytes);
    const late = this.#ended;
    this.#reader.judge(buffer, dataStart, dataEnd, verdict);
    // Some servers leave out the last blank line; a record that was cut off is none.
    if (this.#flushing && !verdict.done && !isJson(bytes.subarray(dataStart, dataEnd))) return;
    if (verdict.usage !== null) this.#usage = verdict.usage;
    if (verdict.done || verdict.failed) this.complete = this.over = true;
    else if (verdict.finished) this.complete = true;
    if (verdict.done) this.done = true;
    if (verdict.failed && !late) this.#alone = this.saidNothing;
    if (late || (verdict.failed && this.#reword(this.#reader.failure))) return;
    if (this.#conversion !== null) {
      this.#text += this.#conversion.event(buffer, dataStart, dataEnd);
      return;
    }
    if (verdict.drop) return;
    if (verdict.cutStart === verdict.cutEnd) {
      OUT.add(bytes, eventStart, eventEnd);
      return;
    }
    OUT.add(bytes, eventStart, verdict.cutStart);
    OUT.add(bytes, verdict.cutEnd, eventEnd);
  }

  /** Tells a failure that must not, or cannot, be told as the vendor did; false for one that can. */
  #reword(failure: ToldFailure | null): boolean {
    if (failure === null) return false;
    const known = this.#conversion === null ? this.#clientDialect.knownFailure : 'plain';
    const ofCredentials = isOfCredentials(failure.status);
    // In the middle of an answer it passes in whatever form it has: its clients know their vendor.
    const passes =
      failure.form === 'typed' || failure.form === known || (failure.form === 'plain' && !this.#alone);
    if (!ofCredentials && passes) return false;
    const error = ofCredentials
      ? refusedCredentials()
      : new GatewayError('upstream_protocol', wordsOf(failure));
    const text = this.#clientDialect.errorEvent(error);
    this.#reworded = true;
    if (this.#conversion !== null) this.#text += text;
    else {
      const bytes = Buffer.from(text);
      OUT.add(bytes, 0, bytes.length);
    }
    return true;
  }
}

const MAX_TOLD_CHARS = 1_000;

const wordsOf = ({ message }: ToldFailure): string =>
  message === null
    ? 'The vendor answered with an error that says nothing.'
    : `The vendor answered with an error: ${message.slice(0, MAX_TOLD_CHARS)}`;

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(bytes));
    return true;
  } catch {
    return false;
  }
}
