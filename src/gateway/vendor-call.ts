import { costNanoUsd, savingsNanoUsd } from '../billing/cost.ts';
import { estimateUsage, type InputSize } from '../billing/estimate.ts';
import type { Price } from '../billing/prices.ts';
import type { Usage } from '../billing/usage.ts';
import type { Answer, AnswerMeta, AnswerProducer } from '../dedup/answer.ts';
import type { AnswerContext, AnswerConversion } from '../dialects/conversion.ts';
import type { Dialect } from '../dialects/types.ts';
import type { ErrorCode } from '../errors/catalogue.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Origin } from '../providers/types.ts';
import type { UpstreamCall, UpstreamHandler, UpstreamTransport } from '../upstream/transport.ts';
import type { UpstreamFailure } from '../upstream/failure.ts';
import { fieldLine, type HeaderFields } from '../http1/fields.ts';
import { Gathered } from '../std/bytes.ts';
import { JSON_TYPE } from './answers.ts';
import type { KeyedCall, RunningCalls } from './running-calls.ts';
import { StreamRelay } from './stream-relay.ts';
import {
  clientStatus,
  isNoAnswer,
  isOfCredentials,
  NEVER_SENT,
  refusedCredentials,
  toldFailure,
} from './vendor-failures.ts';
import { RETRY_HINTS } from './vendor-headers.ts';

/** Vendor headers a client may want; everything else stays behind. */
const RELAYED_HEADERS = ['content-type', 'openai-processing-ms', 'x-sim-upstream-ms'];

/** What may stand in a header field (RFC 9110 §5.5); anything else would break the client's answer. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** How a vendor call ended, for accounts and metrics. */
export interface VendorOutcome {
  /** As the leader's client sees it. */
  readonly status: number;
  readonly usage: Usage | null;
  readonly costNanoUsd: number | null;
  readonly savingsNanoUsd: number;
}

export interface VendorCallOptions {
  /** Whose call it is, and where it is to be found when that key changes. */
  readonly keyId: string;
  readonly calls: RunningCalls;
  readonly answer: Answer;
  /** What the vendor speaks. */
  readonly dialect: Dialect;
  readonly clientDialect: Dialect;
  /** Turns its answers into the client's dialect; null where that is the same. */
  readonly conversion: AnswerConversion | null;
  /** What the conversion must know of the request. */
  readonly context: AnswerContext | null;
  readonly origin: Origin;
  readonly price: Price | null;
  /** For estimates. */
  readonly inputSize: InputSize;
  /** The gateway asked for usage; the client must not see it. */
  readonly stripUsage: boolean;
  /** Prices depend on the hour. */
  readonly wallClockMs: () => number;
  readonly owner: VendorCallOwner;
}

/** Who pays for a call. */
export interface VendorCallOwner {
  /** Called exactly once, before the answer's clients are told of the end. */
  settle(outcome: VendorOutcome): void;
  /** Nothing of the call has gone out, and nothing will: its body is here again. The clients look the call up again next. */
  recalled(body: readonly Uint8Array[]): void;
}

/**
 * One call to a vendor, poured into an {@link Answer}: the leader's half of an exchange.
 *
 * A stream is relayed as it comes. What is not a stream is collected, because its usage must be known before its head
 * goes out.
 */
export class VendorCall implements UpstreamHandler, AnswerProducer, KeyedCall {
  readonly #options: VendorCallOptions;
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
  #usage: Usage | null = null;
  /** A whole answer has come to its end. */
  #whole = false;
  #ended = false;
  previous: KeyedCall | null = null;
  next: KeyedCall | null = null;

  constructor(options: VendorCallOptions) {
    this.#options = options;
  }

  get keyId(): string {
    return this.#options.keyId;
  }

  start(transport: UpstreamTransport, head: string, body: readonly Uint8Array[]): void {
    const { answer, calls, origin } = this.#options;
    answer.producer = this;
    calls.add(this);
    let call: UpstreamCall;
    try {
      call = transport.call({ origin, head, body }, this);
    } catch (error) {
      this.#status = 500;
      this.#fail('internal_error', 'The gateway failed to call the vendor.');
      throw error;
    }
    // A call can fail before `call` returns; then there is nothing left to steer.
    if (!this.#ended) this.#call = call;
  }

  onDemand(wanted: boolean): void {
    if (wanted) this.#call?.resume();
    else this.#call?.pause();
  }

  /** Nobody listens any more. */
  onAbandoned(): void {
    if (this.#ended) return;
    this.#finish(499);
    this.#call?.abort();
    this.#options.answer.fail('client_closed_request', 'Every client of this call has left.');
  }

  /** A call that waits for a connection must not start any more once its key is revoked: all look it up again. */
  keyChanged(): void {
    const body = this.#ended ? null : (this.#call?.recall() ?? null);
    if (body === null) return;
    this.#finish(499);
    this.#options.owner.recalled(body);
    this.#options.answer.gone();
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
    if (status >= 300 || !(headers.get('content-type') ?? '').startsWith('text/event-stream')) return;
    const { clientDialect, context, conversion, dialect, stripUsage } = this.#options;
    this.#relay = new StreamRelay(
      dialect.streamReader(stripUsage),
      clientDialect,
      conversion === null || context === null ? null : conversion.stream(context),
      this.#options.answer,
    );
    this.#fields += 'cache-control: no-cache\r\n';
    this.#options.answer.head({ status, fields: this.#fields, streamed: true });
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    if (this.#ended) return;
    if (this.#relay !== null) {
      this.#relay.push(chunk, start, end);
      if (this.#relay.failed) this.#giveUp();
      return;
    }
    this.#size += end - start;
    if (this.#size > MAX_ANSWER_BYTES) {
      this.#fail('upstream_too_large', 'The vendor sent an answer larger than the gateway holds.');
      return;
    }
    this.#body.add(chunk, start, end);
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
      this.#options.answer.end(this.#finish(this.#status));
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
    this.#options.answer.end(this.#finish(this.#status));
  }

  #endWhole(): void {
    const { answer, dialect } = this.#options;
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
    const meta = this.#finish(this.#status);
    const head = { status: this.#status, fields: this.#fields, streamed: false };
    if (converted === null) answer.whole(head, body, start, end, meta);
    else answer.whole(head, converted, 0, converted.length, meta);
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
    this.#fields = JSON_TYPE + this.#fields.replace(/^content-type:.*\r\n/m, '');
    return error.body;
  }

  /** The conversion has told the client of a failure: the rest of the vendor's stream is of no use. */
  #giveUp(): void {
    const meta = this.#finish(this.#status);
    this.#call?.abort();
    this.#options.answer.end(meta);
  }

  /** No model has answered: a redirect, a captive portal, a wrong base URL. Nothing is estimated for it. */
  #failUnbilled(message: string): void {
    this.#status = 502;
    this.#fail('upstream_protocol', message);
  }

  #fail(code: ErrorCode, message: string): void {
    if (this.#ended) return;
    this.#finish(502);
    this.#call?.abort();
    this.#options.answer.fail(code, message);
  }

  #finish(status: number): AnswerMeta {
    this.#ended = true;
    const { calls, owner, price, wallClockMs } = this.#options;
    calls.remove(this);
    const usage = this.#usage ?? this.#relay?.usage ?? this.#estimate();
    this.#body.clear();
    const atMs = wallClockMs();
    const cost = usage === null || price === null ? null : costNanoUsd(price, usage, atMs);
    owner.settle({
      status,
      usage,
      costNanoUsd: cost,
      savingsNanoUsd: usage === null || price === null ? 0 : savingsNanoUsd(price, usage, atMs),
    });
    return {
      costNanoUsd: cost,
      cacheReadTokens: usage !== null && usage.cacheKnown ? usage.cacheRead : null,
    };
  }

  /** What the vendor did not tell: nothing for what it refused or never got, else by what went through here. */
  #estimate(): Usage | null {
    if (this.#status >= 300 || this.#call?.sent === false) return null;
    const { inputSize } = this.#options;
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
