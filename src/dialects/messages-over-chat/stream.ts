import type { Usage } from '../../billing/usage.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import { JsonDocument } from '../../std/json/document.ts';
import { anthropicMessages } from '../anthropic-messages/dialect.ts';
import type { AnswerContext, StreamConversion } from '../conversion.ts';
import { Members } from '../conversion/members.ts';
import { normaliseUsage } from '../openai-chat/usage.ts';
import { indexOf, inventedId, memberOf, rawOf, readEvent, sourceOf } from '../raw-text.ts';
import { BlockQueue, type CallBlock } from './blocks.ts';
import { brokenRecord, messagesErrorRecord } from './errors.ts';
import { finishOf } from './finish.ts';
import { argumentsRaw, elements, firstChoice, isStub, readMessage, reasonOf } from './message.ts';
import { messagesUsage } from './usage.ts';

/** Each is remembered by its index to the end. */
const MAX_CALLS = 1_024;
const DONE = '[DONE]';

const RECORD = new Members(['id', 'model', 'choices', 'usage', 'error']);
const ID = RECORD.index('id');
const MODEL = RECORD.index('model');
const CHOICES = RECORD.index('choices');
const USAGE = RECORD.index('usage');
const ERROR = RECORD.index('error');
const CHOICE = new Members(['delta', 'finish_reason', 'error']);
const DELTA = CHOICE.index('delta');
const FINISH_REASON = CHOICE.index('finish_reason');
const CHOICE_ERROR = CHOICE.index('error');

const document = new JsonDocument('last');

/**
 * A Chat Completions stream as a Messages stream, record by record.
 *
 * ```
 *   first record with a choice    message_start, usage not known yet
 *   reasoning_content, reasoning  thinking block
 *   content, refusal              text block
 *   tool_calls[k], function_call  tool_use block; see {@link BlockQueue} for their order
 *   finish_reason                 closes the blocks
 *   usage                         kept
 *   [DONE] or end of stream       message_delta with stop_reason and usage; message_stop
 *   error                         error; nothing follows
 * ```
 *
 * `message_delta` waits for the end, because its usage comes in a record behind the one with the finish reason, or in that
 * one, or in all of them; the last one counts.
 */
export class MessagesStream implements StreamConversion {
  readonly #context: AnswerContext;
  readonly #queue: BlockQueue;
  /** By the vendor's index. A server that sends none, or the same for several, has them told apart by id. */
  readonly #calls = new Map<number, CallBlock>();
  #lastCall: CallBlock | null = null;
  #callCount = 0;
  #usage: Usage | null = null;
  /** Source; '' before the first record. */
  #id = '';
  #finishReason: string | null = null;
  #refused = false;
  #over = false;
  #failed = false;

  constructor(context: AnswerContext) {
    this.#context = context;
    this.#queue = new BlockQueue(context.unique);
  }

  get failed(): boolean {
    return this.#failed;
  }

  event(bytes: Buffer, start: number, end: number): string {
    if (this.#over) return '';
    const data = readEvent(document, bytes, start, end);
    if (data === 'none') return bytes.toString('utf8', start, end).trim() === DONE ? this.end() : '';
    if (data === 'broken') return this.#fail('The vendor sent an event that is no JSON.');
    const out = this.#event();
    document.release();
    return out;
  }

  comment(): string {
    return this.#over ? '' : 'event: ping\ndata: {"type":"ping"}\n\n';
  }

  end(): string {
    if (this.#over) return '';
    if (this.#finishReason === null)
      return this.#fail('The vendor ended its answer without saying why it stopped.');
    if (this.#queue.nameless) return this.#fail('The vendor sent a tool call without a name.');
    const finish = finishOf(this.#finishReason, this.#callCount > 0, this.#refused);
    const reason = 'broken' in finish ? '' : finish.stopReason;
    this.#over = true;
    return (
      this.#queue.drain(true) +
      `event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"${reason}","stop_sequence":null,"stop_details":null},"usage":${messagesUsage(this.#usage)}}\n\n` +
      'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    );
  }

  /** The record that has been parsed. */
  #event(): string {
    RECORD.read(document, 0);
    if (RECORD.at(ERROR) >= 0) return this.#endWith(messagesErrorRecord(document, 0));
    const usage = RECORD.at(USAGE);
    if (usage >= 0) this.#usage = normaliseUsage(JSON.parse(document.source(usage))) ?? this.#usage;
    const choice = firstChoice(document, RECORD.at(CHOICES));
    return choice < 0 ? '' : this.#choice(choice);
  }

  #choice(choice: number): string {
    const lead = this.#id === '' ? this.#begin() : '';
    CHOICE.read(document, choice);
    if (CHOICE.at(CHOICE_ERROR) >= 0) return lead + this.#endWith(messagesErrorRecord(document, choice));
    this.#delta(CHOICE.at(DELTA));
    if (this.#callCount > MAX_CALLS || this.#queue.overfull)
      return lead + this.#fail('The vendor sent more at once, out of order, than the gateway puts in order.');
    return lead + this.#advance(reasonOf(document, CHOICE.at(FINISH_REASON)));
  }

  #begin(): string {
    const id = sourceOf(document, RECORD.at(ID)) ?? '""';
    const told = sourceOf(document, RECORD.at(MODEL)) ?? '""';
    const model = told === '""' ? JSON.stringify(this.#context.model) : told;
    this.#id = id === '""' ? inventedId('msg_', this.#context.unique) : id;
    return `event: message_start\ndata: {"type":"message_start","message":{"id":${this.#id},"type":"message","role":"assistant","model":${model},"content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":${messagesUsage(null)}}}\n\n`;
  }

  #delta(delta: number): void {
    const { thinking, text, refusal, toolCalls, functionCall } = readMessage(document, delta);
    if (thinking !== '') this.#queue.append('thinking', thinking);
    if (text !== '') this.#queue.append('text', text);
    if (refusal !== '') {
      this.#refused = true;
      this.#queue.append('text', refusal);
    }
    if (toolCalls >= 0) for (const call of elements(document, toolCalls)) this.#toolCall(call);
    // The form before there were tools: one call.
    if (functionCall >= 0) this.#fragment(this.#lastCall ?? this.#beginCall(0), functionCall, null);
  }

  /** What can be told now; all of it once the vendor has given its reason to stop. */
  #advance(finishReason: string | null): string {
    if (finishReason === null) return this.#queue.drain(false);
    this.#finishReason = finishReason;
    const finish = finishOf(finishReason, this.#callCount > 0, this.#refused);
    if ('broken' in finish) return this.#endWith(brokenRecord(finish.broken, finishReason));
    if (this.#queue.nameless) return this.#fail('The vendor sent a tool call without a name.');
    return this.#queue.drain(true);
  }

  #toolCall(node: number): void {
    const told = sourceOf(document, memberOf(document, node, 'id'));
    const id = told === '""' ? null : told;
    const inner = memberOf(document, node, 'function');
    if (id === null && isStub(document, inner)) return;
    this.#fragment(this.#callFor(indexOf(document, memberOf(document, node, 'index')), id, inner), inner, id);
  }

  /** The call that a fragment belongs to, or a new one. `inner` holds its name, where it comes with one. */
  #callFor(index: number, id: string | null, inner: number): CallBlock {
    const named = rawOf(document, memberOf(document, inner, 'name')) !== '';
    if (index < 0) {
      // Servers that number nothing send whole calls, each with its name.
      for (const call of this.#calls.values()) if (id !== null && call.id === id) return call;
      return named || this.#lastCall === null ? this.#beginCall(this.#callCount) : this.#lastCall;
    }
    const call = this.#calls.get(index);
    if (call === undefined) return this.#beginCall(index);
    if (!named || id === null || call.id === null || id === call.id) return call;
    call.progress.close();
    return this.#beginCall(index);
  }

  #beginCall(index: number): CallBlock {
    this.#callCount++;
    const call = this.#queue.beginCall();
    this.#calls.set(index, call);
    this.#lastCall = call;
    return call;
  }

  #fragment(call: CallBlock, inner: number, id: string | null): void {
    call.id ??= id;
    const name = sourceOf(document, memberOf(document, inner, 'name'));
    if (name !== '""') call.name ??= name;
    this.#queue.appendArguments(call, argumentsRaw(document, inner));
    this.#lastCall = call;
  }

  #endWith(record: string): string {
    this.#over = true;
    this.#failed = true;
    return record;
  }

  #fail(message: string): string {
    return this.#endWith(anthropicMessages.errorEvent(new GatewayError('upstream_protocol', message)));
  }
}
