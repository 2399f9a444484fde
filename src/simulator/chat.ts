import { type Answer, answerTo } from './answers.ts';
import type { Barrier } from './barrier.ts';
import type { Biller, Usage } from './bill.ts';
import type { CacheVisit } from './cache/types.ts';
import type { Counters } from './counters.ts';
import type { Delays, Sleeper } from './delays.ts';
import type { AnswerWriter, Call, Dialect } from './dialects/types.ts';
import { type Directives, readDirectives } from './directives.ts';
import { chunkOf, LAST_CHUNK, type Reply, statusLine } from './http/reply.ts';
import type { HttpRequest } from './http/request-reader.ts';
import { interleaved } from './steps.ts';
import { StreamSender } from './stream.ts';
import { TokenWriter } from './tokens.ts';
import type { Caches } from './vendors.ts';
import { isVendorError, type VendorError, vendorError } from './vendor-error.ts';

/** What all calls share. */
export interface ChatServices {
  readonly caches: Caches;
  readonly biller: Biller;
  readonly counters: Counters;
  readonly delays: Delays;
  readonly barrier: Barrier;
  /** Where the `hold` directive waits for a release. */
  readonly holds: Barrier;
  /** Wall clock in ms; tests move it. */
  readonly now: () => number;
}

const NO_VISIT: CacheVisit = {
  cachedTokens: 0,
  writtenTokens: 0,
  writtenLongTokens: 0,
  promptDone: () => {},
  answerDone: () => {},
};
const JSON_TYPE = 'content-type: application/json\r\n';
const SSE_TYPE = 'content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n';
/** DeepSeek's sign of life before a JSON body. */
const BLANK_LINE = '\n';
const NO_ID = '0'.repeat(16);

const decoder = new TextDecoder('utf-8', { fatal: true });
/** Rendering is synchronous, so that one buffer serves all. */
const tokenWriter = new TokenWriter();

const RETRY_LATER = new Set([429, 503, 529]);

/** Answers an error and nothing else. `id`: of the request, 16 hexadecimal digits. */
export function sendError(
  reply: Reply,
  dialect: Dialect,
  error: VendorError,
  headers: string,
  id = NO_ID,
): void {
  const retry = RETRY_LATER.has(error.status) ? 'retry-after: 1\r\n' : '';
  reply.send(error.status, `${JSON_TYPE}${retry}${headers}`, dialect.errorBody(error, id));
}

/** Identity of a request: the same body has the same one. */
export const requestId = (body: Buffer): string => Bun.hash.xxHash3(body).toString(16).padStart(16, '0');

/** The JSON object a body is; a text: why it is none. */
export function readJson(body: Buffer): Readonly<Record<string, unknown>> | string {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(body));
  } catch {
    return 'We could not parse the JSON body of your request.';
  }
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as Readonly<Record<string, unknown>>)
    : 'The body of your request must be a JSON object.';
}

/**
 * The life of one call:
 *
 *   arrive: credentials → read → decide the answer → look up the cache
 *     → barrier → hold → delay (keep-alives meanwhile) → error asked for, or answer whole, or stream → store, bill
 */
export class ChatCall implements Sleeper {
  readonly #services: ChatServices;
  readonly #request: HttpRequest;
  readonly #reply: Reply;
  readonly #startedAtMs = performance.now();
  readonly #route: (model: string) => Dialect;
  #dialect: Dialect;
  #directives!: Directives;
  #call!: Call;
  #answers!: readonly Answer[];
  #visit = NO_VISIT;
  #usage!: Usage;
  #id = '';
  #stage: 'barrier' | 'delay' | 'answer' = 'barrier';
  #keepAlivesSent = 0;
  #sender: StreamSender | null = null;

  constructor(services: ChatServices, route: (model: string) => Dialect, request: HttpRequest, reply: Reply) {
    this.#services = services;
    this.#route = route;
    this.#dialect = route('');
    this.#request = request;
    this.#reply = reply;
  }

  /** Takes the request in; everything up to the first wait happens at once. */
  start(): void {
    const { counters, barrier, holds } = this.#services;
    counters.arrived();
    this.#reply.onAbort = () => {
      barrier.leave(this);
      holds.leave(this.#sender ?? this);
      if (this.#sender !== null) this.#bill(this.#sender.sentBytes);
      counters.left(this.#reply);
    };
    const { head, body } = this.#request;
    this.#id = requestId(body);
    const account = this.#dialect.account(head.headers);
    if (typeof account !== 'string') {
      this.#fail(account);
      return;
    }
    const call = this.#read();
    if (isVendorError(call)) {
      this.#fail(call);
      return;
    }
    this.#call = call;
    this.#directives = readDirectives(body, head.hasDirectives ? head.headers : null);
    const refusal = this.#decide(account);
    if (refusal !== null) {
      this.#fail(refusal);
      return;
    }
    if (this.#directives.barrier > 1) barrier.wait(this.#directives.barrier, this);
    else this.wake();
  }

  /** The barrier has opened, the hold was released or the time has come. */
  wake(): void {
    if (this.#reply.closed) return;
    if (this.#stage === 'barrier') {
      this.#stage = 'delay';
      if (this.#heldBack()) {
        this.#services.holds.wait(Number.POSITIVE_INFINITY, this);
        return;
      }
    }
    if (this.#stage === 'delay' && this.#delay()) return;
    this.#stage = 'answer';
    this.#answer();
  }

  /** Before any byte: a stream that is held after so many chunks sees to it itself. */
  #heldBack(): boolean {
    const { hold } = this.#directives;
    return hold === 0 || (hold > 0 && !this.#call.conversation.stream);
  }

  #read(): Call | VendorError {
    const json = readJson(this.#request.body);
    if (typeof json === 'string') return vendorError(400, json, 'invalid_json');
    this.#dialect = this.#route(typeof json['model'] === 'string' ? json['model'] : '');
    return this.#dialect.read(json, this.#request.head.headers);
  }

  /** What will be said and what it costs is known before anything is sent, and whether the prompt is too long. */
  #decide(account: string): VendorError | null {
    const { conversation } = this.#call;
    this.#answers = Array.from({ length: conversation.choices }, (_, choice) =>
      answerTo(conversation, this.#directives, choice),
    );
    const cache = this.#services.caches.of(conversation.model);
    let promptTokens = Math.ceil(this.#request.body.length / 4);
    if (cache !== null) {
      const prompt = this.#call.render(tokenWriter, this.#answers[0]!, account);
      ({ promptTokens } = prompt);
      const { maxPromptTokens } = conversation;
      if (promptTokens > maxPromptTokens)
        return vendorError(400, `prompt is too long: ${promptTokens} tokens > ${maxPromptTokens} maximum`);
      this.#visit = cache.visit(prompt, this.#services.now());
    }
    this.#usage = {
      prompt: promptTokens,
      cached: this.#visit.cachedTokens,
      written: this.#visit.writtenTokens,
      writtenLong: this.#visit.writtenLongTokens,
      output: this.#answers.reduce((sum, answer) => sum + answer.outputTokens, 0),
      reasoning: this.#answers.reduce((sum, answer) => sum + answer.reasoningTokens, 0),
    };
    return null;
  }

  /** True: wait. */
  #delay(): boolean {
    const { delay, keepalive, status } = this.#directives;
    const alive = status === 0 ? keepalive : 0;
    if (alive === 0) {
      if (delay > 0) this.#services.delays.after(delay, this);
      this.#stage = 'answer';
      return delay > 0;
    }
    if (this.#keepAlivesSent === alive) return false;
    const sign = chunkOf(this.#call.conversation.stream ? this.#dialect.keepAlive : BLANK_LINE);
    if (this.#keepAlivesSent++ === 0) this.#reply.write(this.#chunkedHead() + sign);
    else this.#reply.write(sign);
    this.#services.delays.after(Math.max(1, delay / alive), this);
    return true;
  }

  #answer(): void {
    const { status, break: breakAfter, reset } = this.#directives;
    if (breakAfter === 0 || reset === 0) {
      this.#reply.breakOff(reset === 0);
      this.#services.counters.left(this.#reply);
    } else if (status >= 400) {
      this.#fail(vendorError(status, `simulated failure ${status}`));
    } else {
      this.#visit.promptDone(this.#services.now());
      if (this.#call.conversation.stream) this.#stream();
      else this.#whole();
    }
  }

  #whole(): void {
    const body = this.#writer().whole(this.#answers);
    const { break: breakAfter, reset } = this.#directives;
    const chunked = this.#keepAlivesSent > 0;
    if (breakAfter > 0 || reset > 0) {
      const half = body.slice(0, body.length / 2);
      const head = `${statusLine(200)}${this.#headers(JSON_TYPE)}content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
      this.#reply.write(chunked ? chunkOf(half) : head + half);
      this.#reply.breakOff(reset > 0);
    } else if (chunked) {
      this.#reply.write(chunkOf(body) + LAST_CHUNK);
      this.#reply.finish();
    } else {
      this.#reply.send(200, this.#headers(JSON_TYPE), body);
    }
    this.#visit.answerDone(this.#services.now());
    this.#bill(null);
    this.#services.counters.left(this.#reply);
  }

  #stream(): void {
    this.#sender = new StreamSender({
      reply: this.#reply,
      steps: interleaved(this.#answers),
      choices: this.#answers.length,
      writer: this.#writer(),
      directives: this.#directives,
      delays: this.#services.delays,
      holds: this.#services.holds,
      head: this.#keepAlivesSent > 0 ? '' : this.#chunkedHead(),
      errorEvent: () =>
        this.#dialect.errorEvent(vendorError(500, 'simulated failure in the stream'), this.#id),
      onEnd: (complete, sentBytes) => {
        if (complete) this.#visit.answerDone(this.#services.now());
        this.#bill(complete ? null : sentBytes);
        this.#services.counters.left(this.#reply);
      },
    });
    this.#sender.run();
  }

  /** `sentBytes`: of a stream that ended early; null: all of it. */
  #bill(sentBytes: number | null): void {
    const { model } = this.#call.conversation;
    const output =
      sentBytes === null ? this.#usage.output : Math.min(this.#usage.output, Math.ceil(sentBytes / 4));
    this.#services.biller.add(model, { ...this.#usage, output }, this.#services.now());
  }

  #writer(): AnswerWriter {
    return this.#dialect.answer({
      id: this.#id,
      model: this.#call.conversation.model,
      usage: this.#usage,
      conversation: this.#call.conversation,
      directives: this.#directives,
    });
  }

  #fail(error: VendorError): void {
    sendError(this.#reply, this.#dialect, error, this.#headers(''), this.#id);
    this.#services.counters.left(this.#reply);
  }

  #chunkedHead(): string {
    return this.#reply.chunkedHead(200, this.#headers(this.#call.conversation.stream ? SSE_TYPE : JSON_TYPE));
  }

  #headers(contentType: string): string {
    const upstreamMs = performance.now() - this.#startedAtMs;
    return `${contentType}${this.#dialect.headers(this.#id, upstreamMs)}x-sim-upstream-ms: ${upstreamMs.toFixed(3)}\r\n`;
  }
}
