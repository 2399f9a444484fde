import { COMMA } from '../../std/json/bytes.ts';
import { Kind } from '../../std/json/document.ts';
import type { ClaudeModel } from '../../models/claude.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';
import { BlockWriter } from './request-blocks.ts';
import { ToolCalls } from './request-calls.ts';
import type { CarriedMarks } from './request-marks.ts';
import { ThinkingBlocks } from './request-thinking.ts';

const MESSAGE = new Members([
  'role',
  'content',
  'name',
  'tool_calls',
  'tool_call_id',
  'refusal',
  'reasoning_content',
  'thinking_blocks',
  'cache_control',
  'annotations',
  'audio',
  'function_call',
]);
const ROLE = MESSAGE.index('role');
const CONTENT = MESSAGE.index('content');
const NAME = MESSAGE.index('name');
const TOOL_CALLS = MESSAGE.index('tool_calls');
const TOOL_CALL_ID = MESSAGE.index('tool_call_id');
const REFUSAL = MESSAGE.index('refusal');
const REASONING_CONTENT = MESSAGE.index('reasoning_content');
const THINKING_BLOCKS = MESSAGE.index('thinking_blocks');
const CACHE_CONTROL = MESSAGE.index('cache_control');
const ANNOTATIONS = MESSAGE.index('annotations');
const AUDIO = MESSAGE.index('audio');
const FUNCTION_CALL = MESSAGE.index('function_call');

const NAMELESS = 'Anthropic has no names of speakers; it was left out.';
const UNSIGNED =
  'Claude takes back only thinking that it has signed, which thinking_blocks carries; it was left out.';

/** What of the `messages` array is written, and still open. */
const Turn = { None: 0, User: 1, Assistant: 2, Results: 3, System: 4 } as const;
type Turn = (typeof Turn)[keyof typeof Turn];

/**
 * Writes the messages of a Chat Completions request as those of a Messages request, in one pass:
 *
 * ```
 *   leading system, developer       → system: a text block each
 *   user                            → user
 *   assistant                       → assistant: thinking, text, tool_use
 *   tool … tool [user]              → one user message: tool_result … tool_result, the user's blocks
 *   later system, developer …       → one system message, where model and place allow it
 * ```
 *
 * Only the last user turn can still grow with the next request, and only at its end: what follows an assistant message is
 * never merged with what stands before it.
 */
export class MessagesConverter {
  readonly #draft: Draft;
  readonly #blocks: BlockWriter;
  readonly #resultBlocks: BlockWriter;
  readonly #thinking: ThinkingBlocks;
  readonly #calls: ToolCalls;
  #turn: Turn = Turn.None;
  #turnCount = 0;
  #index = 0;
  #systemIndex = 0;
  #assistantIndex = 0;
  #breakpoint = '';
  #unsignedCalls = false;

  constructor(draft: Draft, marks: CarriedMarks) {
    this.#draft = draft;
    this.#blocks = new BlockWriter(draft, marks);
    this.#resultBlocks = new BlockWriter(draft, marks, true);
    this.#thinking = new ThinkingBlocks(draft);
    this.#calls = new ToolCalls(draft);
  }

  /**
   * The last assistant message calls tools and does not begin with a thinking block: models with a thinking budget refuse
   * that while thinking is on.
   */
  get unsignedCalls(): boolean {
    return this.#unsignedCalls;
  }

  /** Writes `,"system":[…],"messages":[…]`. `breakpoint` is the `cache_control` object that a breakpoint becomes. */
  write(messages: number, model: ClaudeModel, breakpoint: string): void {
    const { document, writer } = this.#draft;
    this.#calls.clear();
    this.#turn = Turn.None;
    this.#turnCount = 0;
    this.#unsignedCalls = false;
    this.#breakpoint = breakpoint;
    const systemStart = writer.length;
    let leading = true;
    let systemBlocks = 0;
    writer.ascii(',"system":[');
    this.#index = -1;
    const end = document.next(messages);
    for (let message = messages + 1; message < end; message = document.next(message)) {
      this.#index++;
      MESSAGE.read(document, message);
      if (MESSAGE.others.length > 0) this.#draft.loseOthers(MESSAGE, 'messages[].');
      const name = MESSAGE.at(NAME);
      const role = MESSAGE.at(ROLE);
      if (name >= 0) this.#loseName(name, document.textEquals(role, 'tool'));
      const system = document.textEquals(role, 'system') || document.textEquals(role, 'developer');
      if (leading && system) {
        systemBlocks = this.#system(systemBlocks);
        continue;
      }
      if (leading) {
        leading = false;
        this.#endSystem(systemStart, systemBlocks);
        writer.ascii(',"messages":[');
      }
      if (system) this.#lateSystem(model);
      else if (document.textEquals(role, 'user')) this.#user();
      else if (document.textEquals(role, 'assistant')) this.#assistant();
      else if (document.textEquals(role, 'tool')) this.#result();
      else
        throw unsupported(
          this.#path('.role'),
          'functions are gone: call tools, and answer them with tool messages.',
        );
    }
    this.#end(model);
  }

  /** A result names its call already; only a speaker's name says something that is missed. */
  #loseName(name: number, ofTool: boolean): void {
    const { document, losses } = this.#draft;
    if (ofTool) losses.count(document, name, 'messages[].name');
    else losses.lose(document, name, 'messages[].name', NAMELESS);
  }

  #endSystem(start: number, blocks: number): void {
    const { writer } = this.#draft;
    if (blocks === 0) writer.truncate(start);
    else writer.ascii(']');
  }

  #end(model: ClaudeModel): void {
    if (this.#turnCount === 0)
      throw invalid('messages', 'besides system messages there must be at least one of the user.');
    this.#refuseMissingResults();
    if (this.#turn === Turn.Assistant && !model.prefill) {
      throw unsupported(
        `messages[${this.#assistantIndex}]`,
        'this model does not continue an assistant message. End with a message of the user.',
      );
    }
    this.#closeTurn();
    this.#draft.writer.ascii(']');
  }

  /** A leading system message: its blocks go behind those that stand there. Answers how many there are now. */
  #system(blocks: number): number {
    this.#blocks.begin(this.#index, blocks, this.#breakpoint);
    this.#blocks.content(this.#content());
    this.#markMessage();
    return this.#blocks.count;
  }

  /**
   * Taken after a user turn and before an assistant's, or at the end. Never moved: that would rewrite the prompt's head.
   */
  #lateSystem(model: ClaudeModel): void {
    const { writer } = this.#draft;
    this.#refuseMissingResults();
    if (!model.lateSystem)
      throw unsupported(this.#path('.role'), 'this model takes system messages only before all others.');
    const open = this.#turn === Turn.System;
    const start = writer.length;
    if (!open) {
      if (this.#turn !== Turn.User && this.#turn !== Turn.Results) {
        throw unsupported(
          this.#path('.role'),
          'among the others, Anthropic takes a system message only after one of the user or a tool.',
        );
      }
      if (this.#turn === Turn.Results) writer.ascii(']}');
      writer.ascii(',{"role":"system","content":[');
    }
    this.#blocks.begin(this.#index, open ? this.#turnCount : 0, this.#breakpoint);
    this.#blocks.content(this.#content());
    this.#markMessage();
    if (this.#blocks.count === 0) {
      writer.truncate(start);
      return;
    }
    this.#systemIndex = this.#index;
    this.#turn = Turn.System;
    this.#turnCount = this.#blocks.count;
  }

  #user(): void {
    const { document, writer } = this.#draft;
    const content = this.#content();
    this.#refuseMissingResults();
    if (this.#turn === Turn.System) {
      throw unsupported(
        `messages[${this.#systemIndex}].role`,
        'among the others, Anthropic takes a system message only before one of the assistant, or at the end.',
      );
    }
    const results = this.#turn === Turn.Results;
    if (!results && MESSAGE.at(CACHE_CONTROL) < 0 && document.kind(content) === Kind.String) {
      if (this.#draft.isBlank(content)) throw this.#emptyUser();
      this.#open('user');
      this.#draft.copy(content);
      writer.ascii('}');
    } else {
      if (!results) {
        this.#open('user');
        writer.ascii('[');
      }
      const before = results ? this.#turnCount : 0;
      this.#blocks.begin(this.#index, before, this.#breakpoint);
      this.#blocks.content(content);
      this.#markMessage();
      if (this.#blocks.count === before) throw this.#emptyUser();
      writer.ascii(']}');
    }
    this.#turn = Turn.User;
    this.#turnCount = 1;
  }

  #emptyUser(): Error {
    return invalid(
      this.#path('.content'),
      'it has nothing but white space, and Anthropic takes no empty message.',
    );
  }

  #assistant(): void {
    const { document, losses, writer } = this.#draft;
    this.#refuseMissingResults();
    if (MESSAGE.at(AUDIO) >= 0) throw unsupported(this.#path('.audio'), 'Claude models do not speak.');
    if (MESSAGE.at(FUNCTION_CALL) >= 0)
      throw unsupported(this.#path('.function_call'), 'functions are gone: send tool_calls.');
    const annotations = MESSAGE.at(ANNOTATIONS);
    if (annotations >= 0 && document.next(annotations) > annotations + 1)
      losses.lose(
        document,
        annotations,
        'messages[].annotations',
        'Anthropic takes none; they were left out.',
      );
    const reasoning = MESSAGE.at(REASONING_CONTENT);
    if (reasoning >= 0 && MESSAGE.at(THINKING_BLOCKS) < 0)
      losses.lose(document, reasoning, 'messages[].reasoning_content', UNSIGNED);
    const content = MESSAGE.at(CONTENT);
    const refusal = MESSAGE.at(REFUSAL);
    const calls = MESSAGE.at(TOOL_CALLS);
    const mark = MESSAGE.at(CACHE_CONTROL);
    const turn = this.#turn;
    const start = writer.length;
    this.#thinking.read(MESSAGE.at(THINKING_BLOCKS), () => this.#path('.thinking_blocks'));
    this.#closeTurn();
    this.#open('assistant');
    writer.ascii('[');
    this.#blocks.begin(this.#index, 0, this.#breakpoint);
    this.#thinking.write(this.#blocks);
    const signed = this.#blocks.count > 0;
    if (content >= 0) this.#blocks.content(content);
    if (refusal >= 0) {
      this.#draft.expectString(refusal, () => this.#path('.refusal'));
      this.#blocks.text(refusal);
    }
    const called = calls >= 0 && this.#writeCalls(calls);
    this.#thinking.write(this.#blocks, true);
    if (mark >= 0) this.#mark(mark);
    if (this.#blocks.count === 0) {
      // Nothing was said: no block can say so. The turns around it follow each other.
      writer.truncate(start);
      this.#turn = turn;
      losses.warn('messages[]', 'an assistant message without content was left out.');
      return;
    }
    writer.ascii(']}');
    this.#turn = Turn.Assistant;
    this.#turnCount = 1;
    this.#assistantIndex = this.#index;
    this.#unsignedCalls = called && !signed;
  }

  /** Writes the calls of an assistant message and answers whether there are any. */
  #writeCalls(calls: number): boolean {
    const { document } = this.#draft;
    this.#draft.expectArray(calls, () => this.#path('.tool_calls'));
    let index = 0;
    const end = document.next(calls);
    for (let call = calls + 1; call < end; call = document.next(call)) {
      const at = index++;
      this.#thinking.write(this.#blocks);
      this.#calls.write(call, this.#blocks, () => this.#path(`.tool_calls[${at}]`));
    }
    return index > 0;
  }

  /** The result of a call: consecutive ones stand in one user turn, which the user's own message may end. */
  #result(): void {
    const { document, writer } = this.#draft;
    const id = this.#calls.idOf(MESSAGE.at(TOOL_CALL_ID), () => this.#path('.tool_call_id'));
    if (!this.#calls.open.answer(id)) {
      throw invalid(
        this.#path('.tool_call_id'),
        'no call of the assistant message before it has this id, or it was answered already.',
      );
    }
    const content = MESSAGE.at(CONTENT);
    const mark = MESSAGE.at(CACHE_CONTROL);
    if (this.#turn === Turn.Results) writer.byte(COMMA);
    else {
      this.#closeTurn();
      this.#open('user');
      writer.ascii('[');
      this.#turn = Turn.Results;
      this.#turnCount = 0;
    }
    this.#turnCount++;
    writer.ascii('{"type":"tool_result","tool_use_id":"');
    writer.ascii(id);
    writer.ascii('"');
    this.#resultBlocks.begin(this.#index, 0, this.#breakpoint);
    if (content >= 0 && document.kind(content) === Kind.String) {
      if (!this.#draft.isEmpty(content)) this.#draft.member('content', content);
    } else if (content >= 0) {
      const start = writer.length;
      writer.ascii(',"content":[');
      this.#resultBlocks.content(content);
      if (this.#resultBlocks.count === 0) writer.truncate(start);
      else writer.ascii(']');
    }
    if (mark >= 0) this.#draft.expectObject(mark, () => this.#path('.cache_control'));
    this.#blocks.begin(this.#index, this.#turnCount, this.#breakpoint);
    this.#blocks.close(mark >= 0 ? mark : this.#resultBlocks.lifted);
  }

  #content(): number {
    const content = MESSAGE.at(CONTENT);
    if (content < 0) throw missing(this.#path('.content'));
    return content;
  }

  #open(role: 'user' | 'assistant'): void {
    const { writer } = this.#draft;
    if (this.#turn !== Turn.None) writer.byte(COMMA);
    writer.ascii(role === 'user' ? '{"role":"user","content":' : '{"role":"assistant","content":');
  }

  /** Ends a turn that more could have been added to. */
  #closeTurn(): void {
    if (this.#turn === Turn.Results || this.#turn === Turn.System) this.#draft.writer.ascii(']}');
  }

  #markMessage(): void {
    const mark = MESSAGE.at(CACHE_CONTROL);
    if (mark >= 0) this.#mark(mark);
  }

  #mark(mark: number): void {
    this.#draft.expectObject(mark, () => this.#path('.cache_control'));
    this.#blocks.markLast(mark);
  }

  #refuseMissingResults(): void {
    const id = this.#calls.open.unanswered;
    if (id === undefined) return;
    throw invalid(
      `messages[${this.#assistantIndex}].tool_calls`,
      `the call '${id}' has no result: a tool message for each call must follow at once.`,
    );
  }

  #path(rest: string): string {
    return `messages[${this.#index}]${rest}`;
  }
}
