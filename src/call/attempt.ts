import { estimateUsage } from '../billing/estimate.ts';
import type { Usage } from '../billing/usage.ts';
import type { AnswerHead, ByteSink } from '../dedup/shared-response.ts';
import type { AnswerContext, AnswerConversion } from '../dialects/conversion.ts';
import type { Dialect } from '../dialects/types.ts';
import { ERRORS, type ErrorCode } from '../errors/catalogue.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Prepared } from '../pipeline/prepared.ts';
import type { Target } from '../routing/target.ts';
import type { UpstreamCall, UpstreamHandler, UpstreamTransport } from '../upstream/transport.ts';
import type { UpstreamFailure } from '../upstream/failure.ts';
import { fieldLine, type HeaderFields } from '../http1/fields.ts';
import { Gathered } from '../std/bytes.ts';
import { JSON_TYPE } from './answers.ts';
import { StreamRelay } from './stream-relay.ts';
import {
  clientStatus,
  isNoAnswer,
  isOfCredentials,
  NEVER_SENT,
  refusedCredentials,
  toldFailure,
} from './vendor-failures.ts';
import { RETRY_HINTS } from './retry-hints.ts';

/** Vendor headers a client may want; everything else stays behind. */
const RELAYED_HEADERS = ['content-type', 'openai-processing-ms', 'x-sim-upstream-ms'];

/** Media types are case-insensitive (RFC 9110 §8.3.1). */
const EVENT_STREAM = 'text/event-stream';
const CONTENT_TYPE = /^content-type:.*\r\n/m;
/** Fronts such as nginx gather answers, and some compress them, unless told not to. */
const STREAM_FIELDS =
  fieldLine('content-type', EVENT_STREAM) +
  fieldLine('cache-control', 'no-cache, no-transform') +
  fieldLine('x-accel-buffering', 'no');

/** What may stand in a header field (RFC 9110 §5.5); anything else would break the client's answer. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Why an attempt has brought no answer. */
export interface AttemptFailure {
  readonly code: ErrorCode;
  readonly message: string;
  /** Another try may do better: nothing of an answer has been told, and it is no defect of the gateway's own. */
  readonly retryable: boolean;
  /** The vendor may have worked on it. */
  readonly sent: boolean;
}

/**
 * What an attempt reports: `begun` and then pieces where a stream comes, and exactly one of `ended`, `endedWhole` and `failed`,
 * unless it was aborted or recalled. What it has used is asked for then.
 */
export interface AttemptOwner extends ByteSink {
  /** A stream comes. */
  begun(head: AnswerHead): void;
  /** The stream has come to its end: its last record, if it has one, is `bytes[start, end)`. */
  ended(status: number, bytes: Uint8Array, start: number, end: number): void;
  /** All of an answer that is no stream: its body is `bytes[start, end)`. */
  endedWhole(head: AnswerHead, bytes: Uint8Array, start: number, end: number): void;
  failed(failure: AttemptFailure): void;
}

export interface AttemptOptions {
  readonly owner: AttemptOwner;
  readonly target: Target;
  /** What the vendor speaks. */
  readonly dialect: Dialect;
  readonly clientDialect: Dialect;
  /** Turns its answers into the client's dialect; null where that is the same. */
  readonly conversion: AnswerConversion | null;
  /** What the conversion must know of the request. */
  readonly context: AnswerContext | null;
  readonly prepared: Prepared;
  /** What vendors tell of their limits depends on it. */
  readonly wallClockMs: () => number;
}

/**
 * One try at one target. It reports what comes of it and decides nothing.
 *
 * A stream is relayed as it comes. What is not a stream is collected, because its usage must be known before its head
 * goes out.
 */
export class Attempt implements UpstreamHandler {
  readonly #options: AttemptOptions;
  #call: UpstreamCall | null = null;
  #relay: StreamRelay | null = null;
  #status = 0;
  /** As the vendor sent it. */
  #vendorStatus = 0;
  /** Field lines of the vendor's that clients see. */
  #fields = '';
  /** Of a whole answer. */
  readonly #body = new Gathered();
  #size = 0;
  /** A stream was asked for, and no byte has told yet whether this is one. */
  #undecided = false;
  #usage: Usage | null = null;
  /** A whole answer has come to its end. */
  #whole = false;
  #ended = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
  }

  /** Throws where the transport does; then nothing is reported. */
  start(transport: UpstreamTransport, head: string, body: readonly Uint8Array[]): void {
    const { origin } = this.#options.target;
    const call = transport.call({ origin, head, body }, this);
    // A call can fail before `call` returns; then there is nothing left to steer.
    if (!this.#ended) this.#call = call;
  }

  /** Whether any client can take bytes. */
  onDemand(wanted: boolean): void {
    if (wanted) this.#call?.resume();
    else this.#call?.pause();
  }

  /** Nobody wants it any more: nothing more is reported. */
  abort(): void {
    this.#ended = true;
    this.#call?.abort();
  }

  /** Takes it back where nothing of it has gone out: nothing more is reported. False: it has gone out, or has ended. */
  recall(): boolean {
    if (this.#ended || this.#call === null || this.#call.recall() === null) return false;
    this.#ended = true;
    return true;
  }

  /** What the vendor told of it, else an estimate; null where it cannot have cost anything. To be asked once it is over, once. */
  takeUsage(): Usage | null {
    const usage = this.#usage ?? this.#relay?.usage ?? this.#estimate();
    this.#body.clear();
    return usage;
  }

  onHead(status: number, headers: HeaderFields): void {
    if (isNoAnswer(status)) {
      this.#failUnbilled(`The vendor answered with status ${status}, which is no answer.`);
      return;
    }
    const coding = headers.get('content-encoding');
    if (coding !== null && coding !== 'identity') {
      this.#failUnbilled('The vendor compressed its answer, which it was asked not to do.');
      return;
    }
    this.#vendorStatus = status;
    this.#status = clientStatus(status);
    for (const name of RELAYED_HEADERS) this.#relayHeader(headers, name);
    this.#relayLimits(status, headers);
    if (status >= 300) return;
    const type = mediaType(headers.get('content-type'));
    if (type === EVENT_STREAM) this.#beginStream();
    // Some servers label streams otherwise, or not at all: the first of the body tells.
    else this.#undecided = this.#options.prepared.stream;
  }

  /** What comes is a stream, under whatever name. */
  #beginStream(): void {
    const { clientDialect, context, conversion, dialect, owner, prepared } = this.#options;
    this.#relay = new StreamRelay({
      reader: dialect.streamReader(prepared.usageAdded, prepared.n),
      clientDialect,
      conversion: conversion === null || context === null ? null : conversion.stream(context),
      sink: owner,
    });
    this.#fields = STREAM_FIELDS + this.#fields.replace(CONTENT_TYPE, '');
    owner.begun({ status: this.#status, fields: this.#fields, streamed: true });
  }

  /** Reads the beginning of a body that may be a stream, all that has come of it. */
  #decide(): void {
    const body = this.#body;
    body.join();
    const { bytes, end, start } = body;
    const told = looksLikeStream(bytes, start, end);
    if (told === null) return;
    this.#undecided = false;
    if (!told) return;
    body.clear();
    this.#beginStream();
    this.onBody(bytes, start, end);
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    if (this.#ended) return;
    if (this.#relay !== null) {
      const relay = this.#relay;
      relay.push(chunk, start, end);
      // Whoever took the pieces may have left meanwhile.
      if (this.#ended) return;
      if (relay.failed) this.#giveUp(relay);
      else if (relay.done) this.#end(relay);
      return;
    }
    this.#size += end - start;
    if (this.#size > MAX_ANSWER_BYTES) {
      this.#fail('upstream_too_large', 'The vendor sent an answer larger than the gateway holds.');
      return;
    }
    this.#body.add(chunk, start, end);
    if (this.#undecided) this.#decide();
  }

  onEnd(): void {
    if (this.#ended) return;
    if (this.#relay === null) this.#endWhole();
    else this.#endStream(this.#relay);
  }

  onError(failure: UpstreamFailure): void {
    if (this.#ended) return;
    // Whatever became of the connection behind the last record: clients have had everything.
    if (this.#relay?.over === true) {
      this.#end(this.#relay);
      return;
    }
    if (NEVER_SENT.has(failure.kind)) this.#status = 502;
    const { code, message } = toldFailure(failure);
    this.#fail(code, message);
  }

  #relayHeader(headers: HeaderFields, name: string): void {
    const value = headers.get(name);
    if (value !== null && FIELD_VALUE.test(value)) this.#fields += `${name}: ${value}\r\n`;
  }

  /** What the vendor tells of its limits; with a refusal when to come back, and what its support will ask for. */
  #relayLimits(status: number, headers: HeaderFields): void {
    const { firstLimit, limits, requestId } = this.#options.dialect.headers.told;
    if (status >= 400) {
      for (const name of RETRY_HINTS) this.#relayHint(headers, name);
      const id = headers.get(requestId);
      if (id !== null) this.#fields += fieldLine('x-upstream-request-id', id);
    } else if (headers.get(firstLimit) === null) return;
    for (const name of limits) this.#relayHint(headers, name);
  }

  /** A header under the name that the client's dialect has for it. */
  #relayHint(headers: HeaderFields, name: string): void {
    const { conversion, wallClockMs } = this.#options;
    if (conversion === null) {
      this.#relayHeader(headers, name);
      return;
    }
    const value = headers.get(name);
    const hint = value === null ? null : conversion.header(name, value, wallClockMs());
    if (hint !== null) this.#fields += fieldLine(hint[0], hint[1]);
  }

  #endStream(relay: StreamRelay): void {
    relay.end();
    if (!relay.complete) {
      this.#fail('upstream_closed', 'The vendor ended the stream before its last event.');
      return;
    }
    this.#end(relay);
  }

  #endWhole(): void {
    const { dialect } = this.#options;
    this.#body.join();
    const { bytes: body, end, start } = this.#body;
    this.#whole = true;
    if (this.#status < 300) {
      if (!isObject(body, start, end)) {
        this.#failUnbilled('The vendor answered with something that is no JSON object.');
        return;
      }
      this.#usage = dialect.usageOfBody(body, start, end);
      const failure = dialect.failureOfBody(body, start, end);
      if (failure !== null) {
        this.#vendorStatus = failure.status;
        this.#status = clientStatus(failure.status);
      }
    }
    if (isOfCredentials(this.#vendorStatus)) {
      const { code, message } = refusedCredentials();
      this.#fail(code, message);
      return;
    }
    let converted: Uint8Array | null;
    try {
      converted = this.#convert(body, start, end);
    } catch (thrown) {
      if (!(thrown instanceof GatewayError)) {
        this.#fail('internal_error', 'The gateway failed to translate the answer.');
        throw thrown;
      }
      this.#fail(thrown.code, thrown.message);
      return;
    }
    this.#ended = true;
    const { owner } = this.#options;
    const head = { status: this.#status, fields: this.#fields, streamed: false };
    if (converted === null) owner.endedWhole(head, body, start, end);
    else owner.endedWhole(head, converted, 0, converted.length);
  }

  /** The answer in the client's dialect; null where it is in that. */
  #convert(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
    const { context, conversion } = this.#options;
    if (conversion === null || context === null) return null;
    const body = bytes.subarray(start, end);
    if (this.#vendorStatus < 300) return conversion.body(body, context);
    const error = conversion.error(this.#vendorStatus, body);
    this.#status = error.status;
    // Whatever the vendor's was, a page of HTML as well: this is JSON.
    this.#fields = JSON_TYPE + this.#fields.replace(CONTENT_TYPE, '');
    return error.body;
  }

  /** The conversion has told the client of a failure: the rest of the vendor's stream is of no use. */
  #giveUp(relay: StreamRelay): void {
    this.#call?.abort();
    this.#end(relay);
  }

  #end({ lastBytes, lastEnd, lastStart }: StreamRelay): void {
    this.#ended = true;
    // What the vendor still sends to end its answer in order is read, though no client asks for it any more.
    this.#call?.resume();
    this.#options.owner.ended(this.#status, lastBytes, lastStart, lastEnd);
  }

  /** No model has answered: a redirect, a captive portal, a wrong base URL. Nothing is estimated for it. */
  #failUnbilled(message: string): void {
    this.#status = 502;
    this.#fail('upstream_protocol', message);
  }

  #fail(code: ErrorCode, message: string): void {
    if (this.#ended) return;
    this.abort();
    const retryable = this.#relay === null && code !== 'internal_error' && ERRORS[code].retryable;
    this.#options.owner.failed({ code, message, retryable, sent: this.#sent });
  }

  /** A call that fails before it is here to be steered has sent nothing. */
  get #sent(): boolean {
    return this.#call !== null && this.#call.sent;
  }

  /** What the vendor did not tell: nothing for what it refused or never got, else by what went through here. */
  #estimate(): Usage | null {
    if (this.#status >= 300 || !this.#sent) return null;
    const { inputSize } = this.#options.prepared;
    const relay = this.#relay;
    if (relay !== null) return relay.saidNothing ? null : estimateUsage(inputSize, relay.outputTokens);
    const output = this.#outputOfBody();
    // Something came that is no answer at all: no model has worked for it.
    if (output === null && this.#whole) return null;
    return estimateUsage(inputSize, output ?? 0);
  }

  /** Tokens of a whole answer, or of as much of it as has come. */
  #outputOfBody(): number | null {
    this.#body.join();
    return this.#options.dialect.outputOfBody(this.#body.bytes, this.#body.start, this.#body.end);
  }
}

/** Whether a text begins as a JSON object does, after blank lines (DeepSeek sends them to keep the connection alive). */
function isObject(body: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && body[at]! <= 0x20) at++;
  return at < end && body[at] === 0x7b;
}

/** A media type without its parameters. */
const mediaType = (field: string | null): string => (field ?? '').split(';', 1)[0]!.trim().toLowerCase();

/** How the first line of an event stream begins (HTML §9.2.6); `:` is a comment. */
const FIRST_LINES = ['data:', 'event:', 'id:', 'retry:', ':'];
const LONGEST = 'event:'.length;

/** Whether a body that begins like this is an event stream; null where more of it has to be seen. */
function looksLikeStream(bytes: Uint8Array, start: number, end: number): boolean | null {
  let at = start;
  // A byte order mark may stand before either.
  if (bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) at += 3;
  while (at < end && bytes[at]! <= 0x20) at++;
  const first = Buffer.from(bytes.subarray(at, Math.min(end, at + LONGEST))).toString('latin1');
  if (FIRST_LINES.some((line) => first.startsWith(line))) return true;
  return FIRST_LINES.some((line) => line.startsWith(first)) ? null : false;
}
