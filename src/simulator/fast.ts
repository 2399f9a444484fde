import type { Usage } from './bill.ts';
import { ChatCall, type ChatServices, sendError } from './chat.ts';
import type { Sleeper } from './delays.ts';
import type { Dialect } from './dialects/types.ts';
import { type Directives, NO_DIRECTIVES, readDirectives } from './directives.ts';
import { FAST_OUTPUT_TOKENS, FAST_WORD, type FastTemplate, fastTemplate, fill } from './fast-template.ts';
import { chunkOf, LAST_CHUNK, type Reply } from './http/reply.ts';
import type { HttpRequest } from './http/request-reader.ts';
import { restamp, stampNow, stampOffset } from './stamp.ts';

const DEFAULT_CHUNKS = 13;
/** Longer streams without pauses need back-pressure: the full way. */
const MAX_CHUNKS_AT_ONCE = 1000;
const MAX_TEMPLATES = 256;

const MODEL = Buffer.from('"model"');
const STREAM = Buffer.from('"stream"');
const INCLUDE_USAGE = Buffer.from('"include_usage"');
const QUOTE = 34;
const COLON = 58;
const TRUE = 't'.charCodeAt(0);
const FALSE = 'f'.charCodeAt(0);
const isSpace = (byte: number | undefined): boolean =>
  byte === 32 || byte === 10 || byte === 13 || byte === 9;

/**
 * Where the value of `key` begins, if that is one of `firstBytes`; −1 otherwise. Looks at bytes, not at nesting: inside strings
 * quotes are escaped, so only a key of the same name and kind elsewhere in the body could be taken for it.
 */
function valueAt(body: Buffer, key: Buffer, firstBytes: readonly number[]): number {
  for (let at = body.indexOf(key); at !== -1; at = body.indexOf(key, at + key.length)) {
    let index = at + key.length;
    while (isSpace(body[index])) index++;
    if (body[index] !== COLON) continue;
    index++;
    while (isSpace(body[index])) index++;
    if (firstBytes.includes(body[index] ?? 0)) return index;
  }
  return -1;
}

const isTrue = (body: Buffer, key: Buffer): boolean => {
  const at = valueAt(body, key, [TRUE, FALSE]);
  return at !== -1 && body[at] === TRUE;
};

/** Null: there is none, or one that takes reading the JSON. */
function modelIn(body: Buffer): string | null {
  const at = valueAt(body, MODEL, [QUOTE]);
  if (at === -1) return null;
  const end = body.indexOf(QUOTE, at + 1);
  const model = body.toString('utf8', at + 1, Math.max(at + 1, end));
  return model === '' || model.includes('\\') ? null : model;
}

/** Only these are answered here; anything else goes the full way, without caches. */
const isSimple = (asked: Directives): boolean =>
  asked === NO_DIRECTIVES ||
  (asked.status === 0 &&
    asked.size === 0 &&
    asked.barrier === 0 &&
    asked.hold === -1 &&
    asked.break === -1 &&
    asked.reset === -1 &&
    asked.error === -1 &&
    asked.tools === 0 &&
    asked.keepalive === 0 &&
    asked.trailing === 0 &&
    (asked.interval > 0 || asked.chunks <= MAX_CHUNKS_AT_ONCE));

/** For load tests: small answers of a fixed shape, as cheap as they can be made. Still valid, still billed. */
export class FastChat {
  readonly #services: ChatServices;
  readonly #route: (model: string) => Dialect;
  readonly #templates = new Map<string, FastTemplate>();

  constructor(services: ChatServices, route: (model: string) => Dialect) {
    this.#services = services;
    this.#route = route;
  }

  handle(request: HttpRequest, reply: Reply): void {
    const { head, body } = request;
    const asked = readDirectives(body, head.hasDirectives ? head.headers : null);
    const model = isSimple(asked) ? modelIn(body) : null;
    if (model === null) {
      new ChatCall(this.#services, this.#route, request, reply).start();
      return;
    }
    const template = this.#template(model);
    this.#services.counters.arrived();
    const account = template.dialect.account(head.headers);
    if (typeof account !== 'string') {
      sendError(reply, template.dialect, account, '');
      this.#services.counters.left(reply);
      return;
    }
    new FastCall(this.#services, template, asked, model, body, reply).start();
  }

  #template(model: string): FastTemplate {
    let template = this.#templates.get(model);
    if (template === undefined) {
      if (this.#templates.size >= MAX_TEMPLATES) this.#templates.clear();
      template = fastTemplate(model, this.#route(model));
      this.#templates.set(model, template);
    }
    return template;
  }
}

class FastCall implements Sleeper {
  readonly #services: ChatServices;
  readonly #template: FastTemplate;
  readonly #asked: Directives;
  readonly #model: string;
  readonly #reply: Reply;
  readonly #body: Buffer;
  readonly #startedAtMs = performance.now();
  readonly #promptTokens: number;
  /** One content event as it goes over the wire; null until a stream has begun. */
  #word: Buffer | null = null;
  /** Where its send time stands; −1: it has none. */
  #stampAt = -1;
  #end = '';
  #wordsLeft = 0;

  constructor(
    services: ChatServices,
    template: FastTemplate,
    asked: Directives,
    model: string,
    body: Buffer,
    reply: Reply,
  ) {
    this.#services = services;
    this.#template = template;
    this.#asked = asked;
    this.#model = model;
    this.#body = body;
    this.#reply = reply;
    this.#promptTokens = body.length >> 2;
  }

  start(): void {
    const { delay, interval } = this.#asked;
    if (delay > 0 || interval > 0) this.#reply.onAbort = () => this.#services.counters.left(this.#reply);
    if (delay > 0) this.#services.delays.after(delay, this);
    else this.#answer();
  }

  wake(): void {
    if (this.#reply.closed) return;
    if (this.#word === null) this.#answer();
    else this.#nextWord(this.#word);
  }

  #answer(): void {
    const template = this.#template;
    const id = template.dialect.answerId(Bun.hash.xxHash3(this.#body).toString(16).padStart(16, '0'));
    const upstream = `x-sim-upstream-ms: ${(performance.now() - this.#startedAtMs).toFixed(3)}\r\n`;
    if (!isTrue(this.#body, STREAM)) {
      const headers = `content-type: application/json\r\n${upstream}`;
      this.#reply.send(200, headers, fill(template.whole, id, this.#promptTokens));
      this.#over();
      return;
    }
    const { start, word, end } = isTrue(this.#body, INCLUDE_USAGE)
      ? template.streamWithUsage
      : template.stream;
    const head = this.#reply.chunkedHead(
      200,
      `content-type: text/event-stream; charset=utf-8\r\n${upstream}`,
    );
    const opening = head + chunkOf(fill(start, id, this.#promptTokens));
    const event = fill(word, id, 0);
    const wordChunk = chunkOf(
      this.#asked.stamp === 1 ? event.replace(`"${FAST_WORD}`, `"${stampNow()}`) : event,
    );
    this.#end = chunkOf(fill(end, id, this.#promptTokens)) + LAST_CHUNK;
    this.#wordsLeft = this.#asked.chunks > 0 ? this.#asked.chunks : DEFAULT_CHUNKS;
    if (this.#asked.interval > 0) {
      this.#word = Buffer.from(wordChunk);
      this.#stampAt = stampOffset(this.#word);
      this.#pause(this.#reply.write(opening));
    } else {
      this.#reply.write(opening + wordChunk.repeat(this.#wordsLeft) + this.#end);
      this.#reply.finish();
      this.#over();
    }
  }

  #nextWord(word: Buffer): void {
    if (this.#stampAt !== -1) restamp(word, this.#stampAt);
    const flows = this.#reply.write(word);
    if (--this.#wordsLeft > 0) {
      this.#pause(flows);
      return;
    }
    this.#reply.write(this.#end);
    this.#reply.finish();
    this.#over();
  }

  /** Until the next word; a slow client's time runs only once it has taken the last one. */
  #pause(flows: boolean): void {
    const { interval } = this.#asked;
    if (flows) this.#services.delays.after(interval, this);
    else this.#reply.onDrain = () => this.#services.delays.after(interval, this);
  }

  #over(): void {
    const usage: Usage = {
      prompt: this.#promptTokens,
      cached: 0,
      written: 0,
      writtenLong: 0,
      output: FAST_OUTPUT_TOKENS,
      reasoning: 0,
    };
    this.#services.biller.add(this.#model, usage, this.#services.now());
    this.#services.counters.left(this.#reply);
  }
}
