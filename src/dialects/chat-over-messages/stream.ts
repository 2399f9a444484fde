import { GatewayError } from '../../errors/gateway-error.ts';
import { Kind, JsonDocument } from '../../std/json/document.ts';
import { CanonicalWriter } from '../../std/json/writer.ts';
import { MessagesUsage } from '../anthropic-messages/usage.ts';
import type { AnswerContext, StreamConversion } from '../conversion.ts';
import { openAiChat } from '../openai-chat/dialect.ts';
import {
  decodeRaw,
  encodeRaw,
  indexOf,
  inventedId,
  isText,
  memberOf,
  rawOf,
  readEvent,
  saysError,
  sourceOf,
  textOf,
} from '../raw-text.ts';
import { chatErrorRecord } from './errors.ts';
import { finishReason } from './finish.ts';
import { chatUsage } from './usage.ts';

/** Blocks come one after the other; more than a few open ones are no message. */
const MAX_OPEN_BLOCKS = 256;
/** Characters of thinking that are kept to be told again with their signature: ten times what a vendor's limit allows. */
const MAX_KEPT_CHARS = 16 * 1024 * 1024;

/** One content block while it is open. */
interface OpenBlock {
  readonly kind: 'text' | 'thinking' | 'tool' | 'other';
  /** Place among the tool calls, tools only. */
  readonly call: number;
  /** Input that came with the start, as raw text; the vendor itself sends `{}` there and the input as fragments. */
  readonly input: string;
  /** A fragment of the input has been told. */
  told: boolean;
  /** Raw text, thinking only. */
  thinking: string;
  signature: string;
}

/** Key of a block that is open only while it is told. */
const WHOLE = -2;
const TEXT: OpenBlock = { kind: 'text', call: -1, input: '', told: false, thinking: '', signature: '' };
const OTHER: OpenBlock = { ...TEXT, kind: 'other' };

const document = new JsonDocument('last');
const writer = new CanonicalWriter();

/**
 * A Messages stream as a Chat Completions stream, record by record.
 *
 * ```
 *   message_start               role, once
 *   text_delta                  content
 *   thinking_delta              reasoning_content
 *   content_block_start (tool)  tool_calls[k] with id and name; k counts tool blocks only
 *   input_json_delta            tool_calls[k] arguments
 *   content_block_stop (tool)   arguments "{}", where no fragment came
 *   message_delta               thinking_blocks, if any; finish_reason
 *   message_stop                usage if asked for; [DONE]
 *   ping                        a comment
 *   error                       the error; nothing follows
 * ```
 *
 * `thinking_blocks` comes in one piece, with all of them: SDKs join deltas of fields that they do not know each in its
 * own way, but all of them keep one that comes once.
 */
export class ChatStream implements StreamConversion {
  readonly #context: AnswerContext;
  readonly #usage = new MessagesUsage();
  readonly #blocks = new Map<number, OpenBlock>();
  /** A record up to its `choices`; then up to the members of its `delta`, and what is behind them. '' before the first. */
  #open = '';
  #head = '';
  readonly #tail: string;
  #calls = 0;
  #anyBlock = false;
  /** Text that is not blank: what is does not come back. */
  #anyText = false;
  readonly #thinkingBlocks: string[] = [];
  #keptChars = 0;
  /** What `message_start` says of the end: it counts where no `message_delta` does. */
  #startReason: string | null = null;
  #finished = false;
  #over = false;
  #failed = false;

  constructor(context: AnswerContext) {
    this.#context = context;
    this.#tail = `},"logprobs":null,"finish_reason":null}]${context.usageRequested ? ',"usage":null' : ''}}\n\n`;
  }

  get failed(): boolean {
    return this.#failed;
  }

  event(bytes: Buffer, start: number, end: number): string {
    if (this.#over) return '';
    const data = readEvent(document, bytes, start, end);
    if (data === 'none') return '';
    if (data === 'broken') return this.#fail('The vendor sent an event that is no JSON.');
    const out = this.#event();
    document.release();
    return out;
  }

  comment(): string {
    return this.#over ? '' : ': ping\n\n';
  }

  end(): string {
    if (this.#over) return '';
    const finish = this.#finished || this.#startReason === null ? '' : this.#finish(this.#startReason, '');
    if (!this.#finished) return this.#fail('The vendor ended its answer without saying why it stopped.');
    this.#over = true;
    return `${finish}${this.#usageRecord()}data: [DONE]\n\n`;
  }

  /** The event that has been parsed. */
  #event(): string {
    const type = memberOf(document, 0, 'type');
    if (isText(document, type, 'content_block_delta')) return this.#delta();
    switch (textOf(document, type) ?? '') {
      case 'message_start':
        return this.#start();
      case 'content_block_start':
        return this.#startBlock(
          indexOf(document, memberOf(document, 0, 'index')),
          memberOf(document, 0, 'content_block'),
        );
      case 'content_block_stop':
        return this.#stopBlock(indexOf(document, memberOf(document, 0, 'index')));
      case 'message_delta':
        return this.#messageDelta();
      case 'message_stop':
        return this.end();
      case 'ping':
        return this.comment();
      case 'error':
        return this.#endWith(chatErrorRecord(document));
      default:
        return type < 0 && saysError(document) ? this.#endWith(chatErrorRecord(document)) : '';
    }
  }

  #start(): string {
    const message = memberOf(document, 0, 'message');
    this.#addUsage(message);
    if (this.#head !== '') {
      // Said twice it is harmless; a message that begins anew has left the client with half of another.
      return this.#anyBlock ? this.#fail('The vendor began its answer a second time.') : '';
    }
    let out = this.#begin(
      sourceOf(document, memberOf(document, message, 'id')),
      sourceOf(document, memberOf(document, message, 'model')),
    );
    // A message that is whole at once: Anthropic sends calls so that a running program of its own has made.
    const content = memberOf(document, message, 'content');
    if (content >= 0 && document.kind(content) === Kind.Array) {
      const end = document.next(content);
      for (let block = content + 1; block < end; block = document.next(block))
        out += this.#startBlock(WHOLE, block) + this.#stopBlock(WHOLE);
    }
    this.#startReason = textOf(document, memberOf(document, message, 'stop_reason'));
    return out;
  }

  #begin(id: string | null, model: string | null): string {
    const { nowS, model: asked } = this.#context;
    const name = model ?? JSON.stringify(asked);
    const known = id === null || id === '""' ? inventedId('chatcmpl-', this.#context.unique) : id;
    this.#open = `data: {"id":${known},"object":"chat.completion.chunk","created":${nowS},"model":${name},"choices":[`;
    this.#head = `${this.#open}{"index":0,"delta":{`;
    return this.#record('"role":"assistant","content":""');
  }

  /** What goes before a record: the first one, where the vendor did not send what makes it. */
  #lead(): string {
    this.#anyBlock = true;
    return this.#head === '' ? this.#begin(null, null) : '';
  }

  #record(delta: string): string {
    return this.#head + delta + this.#tail;
  }

  #startBlock(index: number, start: number): string {
    // One that was never closed is, now.
    const lead = this.#lead() + this.#stopBlock(index);
    if (this.#blocks.size >= MAX_OPEN_BLOCKS)
      return this.#fail('The vendor sent more content blocks at once than the gateway follows.');
    switch (textOf(document, memberOf(document, start, 'type')) ?? '') {
      case 'text': {
        this.#blocks.set(index, TEXT);
        return lead + this.#text(rawOf(document, memberOf(document, start, 'text')));
      }
      case 'thinking': {
        const signature = rawOf(document, memberOf(document, start, 'signature'));
        const block: OpenBlock = { ...TEXT, kind: 'thinking', signature };
        this.#blocks.set(index, block);
        return lead + this.#thinking(block, rawOf(document, memberOf(document, start, 'thinking')));
      }
      case 'redacted_thinking':
        this.#keep(
          `"type":"redacted_thinking","data":"${rawOf(document, memberOf(document, start, 'data'))}"`,
        );
        this.#blocks.set(index, OTHER);
        return lead;
      case 'tool_use':
        return lead + this.#startTool(index, start);
      default:
        // Of a server's tool, or of a kind that is not known: nothing in it is for the client.
        this.#blocks.set(index, OTHER);
        return lead;
    }
  }

  #startTool(index: number, start: number): string {
    const call = this.#calls++;
    const input = memberOf(document, start, 'input');
    this.#blocks.set(index, {
      ...TEXT,
      kind: 'tool',
      call,
      input: input >= 0 && document.kind(input) === Kind.Object ? encodeRaw(document.source(input)) : '{}',
    });
    const name = sourceOf(document, memberOf(document, start, 'name')) ?? '""';
    const id = sourceOf(document, memberOf(document, start, 'id')) ?? inventedId('call_', `${name}${call}`);
    return this.#record(
      `"tool_calls":[{"index":${call},"id":${id},"type":"function","function":{"name":${name},"arguments":""}}]`,
    );
  }

  #delta(): string {
    const lead = this.#lead();
    const delta = memberOf(document, 0, 'delta');
    const type = memberOf(document, delta, 'type');
    const block = this.#blocks.get(indexOf(document, memberOf(document, 0, 'index')));
    if (isText(document, type, 'text_delta'))
      return block === OTHER ? lead : lead + this.#text(rawOf(document, memberOf(document, delta, 'text')));
    if (isText(document, type, 'input_json_delta')) {
      if (block?.kind !== 'tool') return lead;
      return lead + this.#arguments(block, rawOf(document, memberOf(document, delta, 'partial_json')));
    }
    if (block === OTHER) return lead;
    if (isText(document, type, 'thinking_delta'))
      return lead + this.#thinking(block, rawOf(document, memberOf(document, delta, 'thinking')));
    if (isText(document, type, 'signature_delta') && block?.kind === 'thinking')
      this.#sign(block, rawOf(document, memberOf(document, delta, 'signature')));
    return lead;
  }

  #text(raw: string): string {
    if (raw === '') return '';
    if (!this.#anyText) this.#anyText = decodeRaw(raw).trim() !== '';
    return this.#record(`"content":"${raw}"`);
  }

  #thinking(block: OpenBlock | undefined, raw: string): string {
    if (raw === '') return '';
    this.#keptChars += raw.length;
    if (block !== undefined && block.kind === 'thinking' && this.#keptChars <= MAX_KEPT_CHARS)
      block.thinking += raw;
    return this.#record(`"reasoning_content":"${raw}"`);
  }

  #sign(block: OpenBlock, raw: string): void {
    this.#keptChars += raw.length;
    if (this.#keptChars <= MAX_KEPT_CHARS) block.signature += raw;
  }

  #arguments(block: OpenBlock, raw: string): string {
    if (raw === '') return '';
    block.told = true;
    return this.#record(`"tool_calls":[{"index":${block.call},"function":{"arguments":"${raw}"}}]`);
  }

  #stopBlock(index: number): string {
    const block = this.#blocks.get(index);
    this.#blocks.delete(index);
    return block === undefined ? '' : this.#close(block);
  }

  #close(block: OpenBlock): string {
    if (block.kind === 'tool' && !block.told) return this.#arguments(block, block.input);
    if (block.kind === 'thinking' && block.signature !== '')
      this.#keep(`"type":"thinking","thinking":"${block.thinking}","signature":"${block.signature}"`);
    return '';
  }

  /**
   * Keeps a block to be told at the end, with its place among what else comes back. One that was cut would be refused.
   * `members` are all others of the block.
   */
  #keep(members: string): void {
    this.#keptChars += members.length;
    if (this.#keptChars > MAX_KEPT_CHARS) return;
    const index = this.#thinkingBlocks.length + Number(this.#anyText) + this.#calls;
    this.#thinkingBlocks.push(`{${members},"index":${index}}`);
  }

  #messageDelta(): string {
    this.#addUsage(0);
    const delta = memberOf(document, 0, 'delta');
    const reason = textOf(document, memberOf(document, delta, 'stop_reason'));
    if (reason === null || this.#finished) return '';
    const details = memberOf(document, delta, 'stop_details');
    writer.reset();
    if (details >= 0 && document.kind(details) === Kind.Object) {
      writer.ascii(',"stop_details":');
      // In canonical form, which has no line breaks: they would end the record.
      writer.node(document, details);
    }
    return this.#finish(reason, writer.text());
  }

  /** `details` are further members of the choice. */
  #finish(reason: string, details: string): string {
    let out = this.#lead();
    for (const block of this.#blocks.values()) out += this.#close(block);
    this.#blocks.clear();
    if (this.#thinkingBlocks.length > 0)
      out += this.#record(`"thinking_blocks":[${this.#thinkingBlocks.join(',')}]`);
    this.#finished = true;
    const finish = `"finish_reason":"${finishReason(reason, this.#calls > 0)}"${details}`;
    return out + this.#head + this.#tail.replace('"finish_reason":null', () => finish);
  }

  #addUsage(object: number): void {
    const usage = memberOf(document, object, 'usage');
    if (usage >= 0) this.#usage.add(JSON.parse(document.source(usage)));
  }

  #usageRecord(): string {
    const usage = this.#context.usageRequested ? this.#usage.get() : null;
    if (usage === null) return '';
    return `${this.#open}],"usage":${chatUsage(usage)}}\n\n`;
  }

  #endWith(record: string): string {
    this.#over = true;
    this.#failed = true;
    return record;
  }

  #fail(message: string): string {
    return this.#endWith(openAiChat.errorEvent(new GatewayError('upstream_protocol', message)));
  }
}
