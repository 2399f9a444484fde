import { COMMA, QUOTE } from '../../std/json/bytes.ts';
import { Kind } from '../../std/json/document.ts';
import { IntList } from '../../std/json/int-list.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported } from '../conversion/faults.ts';
import { writeAsText } from '../conversion/splice.ts';
import { OpenCalls, originalId, shortId } from '../conversion/tool-ids.ts';
import { BLOCK, stringMember, type PartWriter } from './request-parts.ts';
import { Texts } from './request-texts.ts';

const CACHE_CONTROL = BLOCK.index('cache_control');
const ID = BLOCK.index('id');
const NAME = BLOCK.index('name');
const INPUT = BLOCK.index('input');
const CALLER = BLOCK.index('caller');
const THINKING = BLOCK.index('thinking');

/** The longest id of a call that OpenAI takes. */
const ID_MAX = 40;

/** How a vendor wants the assistant's messages. */
export interface AssistantStyle {
  /** Thinking goes back as `reasoning_content`. */
  readonly reasoningContent: boolean;
  /** If so, every message has one, even an empty one. */
  readonly reasoningAlways: boolean;
  /** A call without text has `content: ""` instead of null. */
  readonly emptyContent: boolean;
}

/**
 * Writes assistant messages: text, thinking and calls each have their own member, whatever their order was.
 *
 * A message is read first and written when the next one is known: to Anthropic assistant messages in a row are one turn,
 * and results must follow all of its calls at once, so what is added to a message that calls tools belongs to it.
 */
export class AssistantWriter {
  readonly open = new OpenCalls();
  readonly #draft: Draft;
  readonly #parts: PartWriter;
  readonly #texts: Texts;
  readonly #calls = new IntList();
  readonly #thoughts = new IntList();
  /** Ids that the vendor gets as the client has them. */
  readonly #kept = new Set<string>();
  #waiting = false;

  constructor(draft: Draft, parts: PartWriter) {
    this.#draft = draft;
    this.#parts = parts;
    this.#texts = new Texts(draft, parts);
  }

  /** A message has been read and is not written yet. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** Begins a request. */
  clear(): void {
    this.open.clear();
    this.#kept.clear();
    this.#waiting = false;
  }

  /** The id that the vendor gets for one of the block read last. Throws GatewayError where there is none. */
  idOf(member: number, name: string, path: () => string): string {
    const node = stringMember(this.#draft, member, name, path);
    if (this.#draft.isEmpty(node))
      throw invalid(`${path()}.${name}`, 'it is empty: calls and results could not be told apart.');
    return this.#vendorId(this.#draft.document.text(node));
  }

  /** Its own again, as some vendors read them; but for the calls of a turn that had the same. */
  #vendorId(text: string): string {
    return shortId(this.#kept.has(text) ? text : originalId(text), ID_MAX);
  }

  /** Reads content that is a string or an array: of a message of its own, or more of the one that waits. */
  read(content: number, style: AssistantStyle, path: (rest: string) => string): void {
    if (!this.#waiting) {
      this.#texts.clear();
      this.#calls.clear();
      this.#thoughts.clear();
    }
    this.#waiting = true;
    if (this.#draft.document.kind(content) === Kind.String) this.#texts.add(content, -1);
    else this.#readBlocks(content, style, path);
  }

  /** Writes the message that waits. */
  write(style: AssistantStyle): void {
    const { writer } = this.#draft;
    this.#waiting = false;
    writer.ascii('{"role":"assistant","content":');
    this.#texts.write(this.#calls.length > 0 && !style.emptyContent ? 'null' : '""');
    if (style.reasoningContent && (style.reasoningAlways || this.#thoughts.length > 0))
      this.#writeReasoning();
    if (this.#calls.length > 0) {
      writer.ascii(',"tool_calls":[');
      for (let index = 0; index < this.#calls.length; index++) {
        if (index > 0) writer.byte(COMMA);
        this.#writeCall(this.#calls.at(index));
      }
      writer.ascii(']');
    }
    writer.ascii('}');
  }

  #readBlocks(content: number, style: AssistantStyle, path: (rest: string) => string): void {
    const draft = this.#draft;
    const { document, losses } = draft;
    let index = 0;
    const end = document.next(content);
    for (let block = content + 1; block < end; block = document.next(block)) {
      const at = index++;
      const here = (): string => path(`content.${at}`);
      const type = this.#parts.read(block, here);
      if (draft.is(type, 'text')) this.#texts.add(this.#parts.textNode(here), BLOCK.at(CACHE_CONTROL));
      else if (draft.is(type, 'tool_use')) this.#readCall(block, here);
      else if (draft.is(type, 'thinking') && style.reasoningContent) {
        const thinking = BLOCK.at(THINKING);
        if (thinking < 0) throw missing(`${here()}.thinking`);
        draft.expectString(thinking, () => `${here()}.thinking`);
        this.#thoughts.push(thinking);
      } else if (draft.is(type, 'thinking') || draft.is(type, 'redacted_thinking')) {
        const reason = 'this vendor does not take it back; it was left out.';
        losses.lose(document, block, 'messages[].content[].thinking', reason);
      } else
        throw unsupported(
          `${here()}.type`,
          "this vendor knows text, thinking and calls of the client's tools.",
        );
    }
  }

  /** Several blocks follow each other without a separator. */
  #writeReasoning(): void {
    const { document, writer } = this.#draft;
    writer.ascii(',"reasoning_content":"');
    for (let index = 0; index < this.#thoughts.length; index++) {
      const thought = this.#thoughts.at(index);
      writer.raw(document.bytes, document.start(thought) + 1, document.end(thought) - 1);
    }
    writer.byte(QUOTE);
  }

  /** Checks the tool_use block read last. */
  #readCall(call: number, path: () => string): void {
    const draft = this.#draft;
    const { document } = draft;
    const caller = BLOCK.at(CALLER);
    const type = caller >= 0 && document.kind(caller) === Kind.Object ? document.member(caller, 'type') : -1;
    if (type >= 0 && !draft.is(type, 'direct'))
      throw unsupported(`${path()}.caller`, 'this vendor knows calls by the model itself only.');
    const id = this.idOf(ID, 'id', path);
    if (!this.open.add(id) && !this.#keep(document.text(BLOCK.at(ID)), id))
      throw invalid(`${path()}.id`, 'another call of this turn has the same id.');
    stringMember(draft, NAME, 'name', path);
    const input = BLOCK.at(INPUT);
    if (input < 0) throw missing(`${path()}.input`);
    draft.expectObject(input, () => `${path()}.input`);
    this.#calls.push(call);
  }

  /** Keeps the id of a call as the client has it, where its own is taken; false where that is no other. */
  #keep(text: string, taken: string): boolean {
    const id = shortId(text, ID_MAX);
    if (id === taken) return false;
    this.#kept.add(text);
    return this.open.add(id);
  }

  #writeCall(call: number): void {
    const draft = this.#draft;
    const { document, writer } = draft;
    BLOCK.read(document, call);
    writer.ascii('{"id":');
    writer.string(this.#vendorId(document.text(BLOCK.at(ID))));
    writer.ascii(',"type":"function","function":{"name":');
    draft.copy(BLOCK.at(NAME));
    writer.ascii(',"arguments":');
    writeAsText(draft, BLOCK.at(INPUT));
    writer.ascii('}}');
  }
}
