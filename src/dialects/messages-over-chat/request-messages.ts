import { COMMA } from '../../std/json/bytes.ts';
import { Kind } from '../../std/json/document.ts';
import { IntList } from '../../std/json/int-list.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported, wrongType } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';
import { AssistantWriter, type AssistantStyle } from './request-assistant.ts';
import { BLOCK, PartWriter, type PartMarks } from './request-parts.ts';
import { Texts } from './request-texts.ts';

const MESSAGE = new Members(['role', 'content', 'output_config']);
const ROLE = MESSAGE.index('role');
const CONTENT = MESSAGE.index('content');
const OUTPUT_CONFIG = MESSAGE.index('output_config');

const CACHE_CONTROL = BLOCK.index('cache_control');
const TOOL_USE_ID = BLOCK.index('tool_use_id');
const RESULT = BLOCK.index('content');
const IS_ERROR = BLOCK.index('is_error');

/**
 * Writes the messages of a Messages request as those of a Chat Completions request, each by itself:
 *
 * ```
 *   system block                     → system, a message each
 *   user: tool_result, … , others    → tool, …, user
 *   assistant                        → assistant: content, reasoning_content, tool_calls
 *   system among the others          → system, in its place
 * ```
 *
 * A string and one text block are the same to Anthropic, so they become the same here: marks move from turn to turn, and
 * clients turn strings into blocks to place them.
 */
export class ChatMessageWriter {
  readonly #draft: Draft;
  readonly #parts: PartWriter;
  readonly #assistants: AssistantWriter;
  readonly #texts: Texts;
  /** Blocks of a user message other than tool results; images and documents of tool results. */
  readonly #rest = new IntList();
  readonly #moved = new IntList();
  #first = true;
  #index = 0;
  #assistantIndex = 0;

  constructor(draft: Draft) {
    this.#draft = draft;
    this.#parts = new PartWriter(draft);
    this.#assistants = new AssistantWriter(draft, this.#parts);
    this.#texts = new Texts(draft, this.#parts);
  }

  /** Writes `,"messages":[…]`. `system` is -1 where there is none. */
  write(system: number, messages: number, marks: PartMarks, style: AssistantStyle): void {
    const { document, writer } = this.#draft;
    this.#parts.open(marks);
    this.#assistants.clear();
    this.#first = true;
    writer.ascii(',"messages":[');
    if (system >= 0) this.#system(system, () => 'system');
    this.#index = -1;
    let assistant = false;
    const end = document.next(messages);
    for (let message = messages + 1; message < end; message = document.next(message)) {
      this.#index++;
      MESSAGE.read(document, message);
      if (MESSAGE.others.length > 0) this.#draft.loseOthers(MESSAGE, 'messages[].');
      const role = MESSAGE.at(ROLE);
      const content = MESSAGE.at(CONTENT);
      if (content < 0) throw missing(this.#path('content'));
      assistant = document.textEquals(role, 'assistant');
      if (this.#assistants.waiting && !(assistant && this.#calling)) this.#writeAssistant(style);
      if (assistant) this.#assistant(content, style);
      else if (document.textEquals(role, 'user')) this.#user(content);
      else this.#lateSystem(content);
    }
    this.#refuseMissingResults();
    if (assistant) {
      throw unsupported(
        `messages.${this.#index}`,
        'this vendor answers an assistant message instead of continuing it. End with a message of the user.',
      );
    }
    writer.ascii(']');
  }

  /** The assistant message that waits has called tools. */
  get #calling(): boolean {
    return this.#assistants.open.unanswered !== undefined;
  }

  #assistant(content: number, style: AssistantStyle): void {
    if (!this.#assistants.waiting) this.#refuseMissingResults();
    this.#assistants.read(content, style, (rest) => this.#path(rest));
    this.#assistantIndex = this.#index;
  }

  #writeAssistant(style: AssistantStyle): void {
    this.#open('');
    this.#assistants.write(style);
  }

  #system(content: number, path: () => string): void {
    const { document } = this.#draft;
    if (document.kind(content) === Kind.String) {
      this.#systemMessage(content, -1);
      return;
    }
    this.#draft.expectArray(content, path);
    let index = 0;
    const end = document.next(content);
    for (let block = content + 1; block < end; block = document.next(block)) {
      const at = index++;
      const here = (): string => `${path()}.${at}`;
      const type = this.#parts.read(block, here);
      if (!this.#draft.is(type, 'text')) throw unsupported(`${here()}.type`, 'a system prompt is text.');
      const mark = BLOCK.at(CACHE_CONTROL);
      this.#systemMessage(this.#parts.textNode(here), mark);
    }
  }

  #systemMessage(text: number, mark: number): void {
    if (this.#draft.isEmpty(text)) return;
    this.#open('{"role":"system","content":');
    this.#text(text, mark);
    this.#draft.writer.ascii('}');
  }

  #lateSystem(content: number): void {
    const { document, losses } = this.#draft;
    this.#refuseMissingResults();
    const config = MESSAGE.at(OUTPUT_CONFIG);
    if (config >= 0) {
      const reason = 'this vendor has no settings in the middle of a conversation; it was left out.';
      losses.lose(document, config, 'messages[].output_config', reason);
    }
    this.#system(content, () => this.#path('content'));
  }

  /** A text as content: a string, or one part where marks are sent. */
  #text(text: number, mark: number): void {
    const { writer } = this.#draft;
    if (this.#parts.marks === 'none') {
      this.#draft.copy(text);
      return;
    }
    writer.ascii('[');
    this.#parts.begin();
    this.#parts.text(text, mark);
    writer.ascii(']');
  }

  #user(content: number): void {
    const { document, writer } = this.#draft;
    if (document.kind(content) === Kind.String) {
      this.#refuseMissingResults();
      this.#open('{"role":"user","content":');
      this.#text(content, -1);
      writer.ascii('}');
      return;
    }
    this.#rest.clear();
    this.#moved.clear();
    let results = 0;
    let index = 0;
    const end = document.next(content);
    for (let block = content + 1; block < end; block = document.next(block)) {
      const at = index++;
      const path = (): string => this.#path(`content.${at}`);
      if (!this.#parts.isOfType(block, 'tool_result', path)) {
        this.#rest.push(block);
        continue;
      }
      if (this.#rest.length > 0) throw invalid(path(), 'tool results must come before all other blocks.');
      this.#parts.read(block, path);
      this.#result(path);
      results++;
    }
    if (this.#rest.length === 0 && this.#moved.length === 0) {
      if (results === 0) throw invalid(this.#path('content'), 'it has no block.');
      return;
    }
    this.#refuseMissingResults();
    this.#open('{"role":"user","content":');
    if (!this.#plainText(results)) this.#userParts(results);
    writer.ascii('}');
  }

  /** Writes the one text block of a user message as a string; false where there is more to it. */
  #plainText(results: number): boolean {
    if (this.#parts.marks !== 'none' || this.#rest.length !== 1 || this.#moved.length > 0) return false;
    const path = (): string => this.#path(`content.${results}`);
    const block = this.#rest.at(0);
    if (!this.#parts.isOfType(block, 'text', path)) return false;
    this.#parts.read(block, path);
    this.#draft.copy(this.#parts.textNode(path));
    return true;
  }

  #userParts(results: number): void {
    const { writer } = this.#draft;
    writer.ascii('[');
    this.#parts.begin();
    for (let index = 0; index < this.#moved.length; index++)
      this.#parts.write(this.#moved.at(index), () => this.#path('content'));
    for (let index = 0; index < this.#rest.length; index++)
      this.#parts.write(this.#rest.at(index), () => this.#path(`content.${results + index}`));
    if (this.#parts.count === 0) throw invalid(this.#path('content'), 'it is empty.');
    writer.ascii(']');
  }

  /** The tool result read last, as a message. Chat tool messages are text: images follow in one of the user. */
  #result(path: () => string): void {
    const draft = this.#draft;
    const { document, losses, writer } = draft;
    const id = this.#assistants.idOf(TOOL_USE_ID, 'tool_use_id', path);
    if (!this.#assistants.open.answer(id)) {
      throw invalid(
        `${path()}.tool_use_id`,
        'no tool_use of the assistant message before it has this id, or it was answered already.',
      );
    }
    const content = BLOCK.at(RESULT);
    const mark = BLOCK.at(CACHE_CONTROL);
    const isError = BLOCK.at(IS_ERROR);
    if (isError >= 0 && document.kind(isError) === Kind.True) {
      const reason = 'this vendor has no such flag; the text was sent as it is.';
      losses.lose(document, isError, 'messages[].content[].is_error', reason);
    }
    this.#open('{"role":"tool","tool_call_id":');
    writer.string(id);
    writer.ascii(',"content":');
    this.#texts.clear();
    if (content >= 0 && document.kind(content) === Kind.String) this.#texts.add(content, -1);
    else if (content >= 0) this.#readResult(content, path);
    if (mark >= 0) this.#texts.markLast(mark);
    this.#texts.write('""');
    writer.ascii('}');
  }

  #readResult(content: number, path: () => string): void {
    const { document, losses } = this.#draft;
    if (document.kind(content) !== Kind.Array)
      throw wrongType(document, content, `${path()}.content`, 'a string or an array of blocks');
    let index = 0;
    const end = document.next(content);
    for (let block = content + 1; block < end; block = document.next(block)) {
      const at = index++;
      const here = (): string => `${path()}.content.${at}`;
      if (this.#parts.isOfType(block, 'text', here)) {
        this.#parts.read(block, here);
        const mark = BLOCK.at(CACHE_CONTROL);
        this.#texts.add(this.#parts.textNode(here), mark);
      } else if (['image', 'document'].some((name) => this.#parts.isOfType(block, name, here))) {
        this.#moved.push(block);
        const reason = 'what is no text in a tool result was sent as a message of the user.';
        losses.warn('messages[].content[].content', reason);
      } else
        throw unsupported(`${here()}.type`, 'text, images and PDF documents can be sent to this vendor.');
    }
  }

  /** Begins a message. */
  #open(text: string): void {
    const { writer } = this.#draft;
    if (!this.#first) writer.byte(COMMA);
    this.#first = false;
    writer.ascii(text);
  }

  #refuseMissingResults(): void {
    const id = this.#assistants.open.unanswered;
    if (id === undefined) return;
    throw invalid(
      `messages.${this.#assistantIndex}.content`,
      `the tool_use '${id}' has no tool_result: the next message of the user must begin with one for each.`,
    );
  }

  #path(rest: string): string {
    return `messages.${this.#index}.${rest}`;
  }
}
