import { COMMA } from '../../std/json/bytes.ts';
import { Kind } from '../../std/json/document.ts';
import type { Draft } from '../conversion/draft.ts';
import { missing, unsupported } from '../conversion/faults.ts';
import { IMAGE_TYPES, IMAGE_TYPES_IN_WORDS, PDF_TYPE } from '../conversion/media.ts';
import { Members } from '../conversion/members.ts';

/** A block of any type. */
export const BLOCK = new Members([
  'type',
  'text',
  'source',
  'title',
  'context',
  'citations',
  'cache_control',
  'id',
  'name',
  'input',
  'caller',
  'tool_use_id',
  'content',
  'is_error',
  'thinking',
  'signature',
  'data',
]);
const TYPE = BLOCK.index('type');
const TEXT = BLOCK.index('text');
const SOURCE = BLOCK.index('source');
const TITLE = BLOCK.index('title');
const CONTEXT = BLOCK.index('context');
const CITATIONS = BLOCK.index('citations');
const CACHE_CONTROL = BLOCK.index('cache_control');

const SOURCE_MEMBERS = new Members(['type', 'media_type', 'data', 'url']);
const SOURCE_TYPE = SOURCE_MEMBERS.index('type');
const MEDIA_TYPE = SOURCE_MEMBERS.index('media_type');
const DATA = SOURCE_MEMBERS.index('data');
const URL = SOURCE_MEMBERS.index('url');

/** Where marks go: nowhere, on parts as OpenAI's breakpoints, or as they are. */
export type PartMarks = 'none' | 'breakpoints' | 'kept';

/** The vendor takes so many explicit breakpoints beside its own (OpenAI guide "Prompt caching"). */
const MAX_BREAKPOINTS = 3;
const BREAKPOINT = ',"prompt_cache_breakpoint":{"mode":"explicit"}';
const NO_NAME = '"document.pdf"';

/** Writes blocks as the parts of a Chat Completions message. */
export class PartWriter {
  readonly #draft: Draft;
  #marks: PartMarks = 'none';
  #breakpoints = 0;
  #count = 0;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  /** Where the marks of this request go. */
  get marks(): PartMarks {
    return this.#marks;
  }

  /** Begins a request. */
  open(marks: PartMarks): void {
    this.#marks = marks;
    this.#breakpoints = 0;
  }

  /** Parts written since {@link begin}. */
  get count(): number {
    return this.#count;
  }

  /** Begins an array of parts. */
  begin(): void {
    this.#count = 0;
  }

  /** Whether a block is of a type; it is not read. */
  isOfType(block: number, name: string, path: () => string): boolean {
    this.#draft.expectObject(block, path);
    const type = this.#draft.document.member(block, 'type');
    return type >= 0 && this.#draft.is(type, name);
  }

  /** Reads a block and answers the node of its type; its members are in {@link BLOCK}. */
  read(block: number, path: () => string): number {
    this.#draft.expectObject(block, path);
    BLOCK.read(this.#draft.document, block);
    if (BLOCK.others.length > 0) this.#draft.loseOthers(BLOCK, 'messages[].content[].');
    const type = BLOCK.at(TYPE);
    if (type < 0) throw missing(`${path()}.type`);
    this.#draft.expectString(type, () => `${path()}.type`);
    return type;
  }

  /** The text of the text block read last. */
  textNode(path: () => string): number {
    const text = BLOCK.at(TEXT);
    if (text < 0) throw missing(`${path()}.text`);
    this.#draft.expectString(text, () => `${path()}.text`);
    this.#loseCitations();
    return text;
  }

  /** Writes a block of the user or the system as a part. */
  write(block: number, path: () => string): void {
    const draft = this.#draft;
    const type = this.read(block, path);
    const mark = BLOCK.at(CACHE_CONTROL);
    if (draft.is(type, 'text')) {
      const text = this.textNode(path);
      if (draft.isEmpty(text)) return;
      this.text(text, mark);
    } else if (draft.is(type, 'image')) this.#image(mark, path);
    else if (draft.is(type, 'document')) this.#document(mark, path);
    else
      throw unsupported(
        `${path()}.type`,
        'text, images, PDF documents and tool results can be sent to this vendor.',
      );
  }

  /** Writes a text part. */
  text(text: number, mark: number): void {
    this.#begin('{"type":"text","text":');
    this.#draft.copy(text);
    this.#end(mark);
  }

  /** Writes the mark of a block where this vendor keeps them as they are. */
  keepMark(mark: number): void {
    if (mark >= 0 && this.#marks === 'kept') this.#draft.member('cache_control', mark);
  }

  #begin(text: string): void {
    const { writer } = this.#draft;
    if (this.#count++ > 0) writer.byte(COMMA);
    writer.ascii(text);
  }

  #end(mark: number): void {
    if (mark >= 0 && this.#marks === 'breakpoints' && this.#breakpoints < MAX_BREAKPOINTS) {
      this.#breakpoints++;
      this.#draft.writer.ascii(BREAKPOINT);
    }
    this.keepMark(mark);
    this.#draft.writer.ascii('}');
  }

  #image(mark: number, path: () => string): void {
    const draft = this.#draft;
    const { writer } = draft;
    const kind = this.#source(path);
    if (draft.is(kind, 'url')) {
      this.#begin('{"type":"image_url","image_url":{"url":');
      draft.copy(this.#sourceString(URL, 'url', path));
    } else if (draft.is(kind, 'base64')) {
      const mediaType = this.#sourceString(MEDIA_TYPE, 'media_type', path);
      const name = IMAGE_TYPES.find((one) => draft.is(mediaType, one));
      if (name === undefined) throw unsupported(`${path()}.source.media_type`, IMAGE_TYPES_IN_WORDS);
      this.#begin('{"type":"image_url","image_url":{"url":');
      this.#dataUrl(name, this.#sourceString(DATA, 'data', path));
    } else throw this.#foreignSource(path);
    writer.ascii('}');
    this.#end(mark);
  }

  #document(mark: number, path: () => string): void {
    const draft = this.#draft;
    const { document, losses, writer } = draft;
    const title = BLOCK.at(TITLE);
    const context = BLOCK.at(CONTEXT);
    this.#loseCitations();
    if (context >= 0)
      losses.lose(
        document,
        context,
        'messages[].content[].context',
        'this vendor has no notes on files; it was left out.',
      );
    const kind = this.#source(path);
    if (draft.is(kind, 'text')) {
      if (title >= 0)
        losses.lose(
          document,
          title,
          'messages[].content[].title',
          'text has no title here; it was left out.',
        );
      const data = this.#sourceString(DATA, 'data', path);
      if (draft.isEmpty(data)) return;
      losses.warn('messages[].content[].source', 'a text document was sent as plain text.');
      this.text(data, mark);
      return;
    }
    if (!draft.is(kind, 'base64')) throw this.#foreignSource(path);
    const mediaType = this.#sourceString(MEDIA_TYPE, 'media_type', path);
    if (!draft.is(mediaType, PDF_TYPE))
      throw unsupported(
        `${path()}.source.media_type`,
        'of documents, PDF and plain text can be sent to this vendor.',
      );
    if (title >= 0) draft.expectString(title, () => `${path()}.title`);
    this.#begin('{"type":"file","file":{"filename":');
    if (title >= 0 && !draft.isBlank(title)) draft.copy(title);
    else writer.ascii(NO_NAME);
    writer.ascii(',"file_data":');
    this.#dataUrl(PDF_TYPE, this.#sourceString(DATA, 'data', path));
    writer.ascii('}');
    this.#end(mark);
  }

  /** Reads the source of the block read last and answers the node of its type. */
  #source(path: () => string): number {
    const source = BLOCK.at(SOURCE);
    if (source < 0) throw missing(`${path()}.source`);
    this.#draft.expectObject(source, () => `${path()}.source`);
    SOURCE_MEMBERS.read(this.#draft.document, source);
    if (SOURCE_MEMBERS.others.length > 0)
      this.#draft.loseOthers(SOURCE_MEMBERS, 'messages[].content[].source.');
    return this.#sourceString(SOURCE_TYPE, 'type', path);
  }

  #sourceString(member: number, name: string, path: () => string): number {
    const node = SOURCE_MEMBERS.at(member);
    if (node < 0) throw missing(`${path()}.source.${name}`);
    this.#draft.expectString(node, () => `${path()}.source.${name}`);
    return node;
  }

  #foreignSource(path: () => string): Error {
    return unsupported(
      `${path()}.source.type`,
      'this vendor knows neither files that another one stores, nor documents at an address or made of blocks.',
    );
  }

  /** The data as the client spelled it, behind the header of a `data:` URL. */
  #dataUrl(mediaType: string, data: number): void {
    const { document, writer } = this.#draft;
    writer.ascii(`"data:${mediaType};base64,`);
    writer.raw(document.bytes, document.start(data) + 1, document.end(data));
  }

  #loseCitations(): void {
    const { document, losses } = this.#draft;
    const citations = BLOCK.at(CITATIONS);
    if (citations < 0 || document.next(citations) === citations + 1) return;
    const enabled = document.kind(citations) === Kind.Object ? document.member(citations, 'enabled') : -1;
    if (enabled >= 0 && document.kind(enabled) === Kind.False) return;
    losses.lose(
      document,
      citations,
      'messages[].content[].citations',
      'this vendor has none; they were left out.',
    );
  }
}

/** A string member of the block read last, that must be there. */
export function stringMember(draft: Draft, member: number, name: string, path: () => string): number {
  const node = BLOCK.at(member);
  if (node < 0) throw missing(`${path()}.${name}`);
  draft.expectString(node, () => `${path()}.${name}`);
  return node;
}
