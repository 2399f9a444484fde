import { CLOSE_OBJECT, COMMA } from '../../std/json/bytes.ts';
import { Kind } from '../../std/json/document.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported, wrongType } from '../conversion/faults.ts';
import {
  IMAGE_TYPES,
  IMAGE_TYPES_IN_WORDS,
  mediaUrl,
  PDF_TYPE,
  writeBase64Source,
} from '../conversion/media.ts';
import { Members } from '../conversion/members.ts';
import type { CarriedMarks } from './request-marks.ts';

const PART = new Members([
  'type',
  'text',
  'refusal',
  'image_url',
  'file',
  'cache_control',
  'prompt_cache_breakpoint',
]);
const TYPE = PART.index('type');
const TEXT = PART.index('text');
const REFUSAL = PART.index('refusal');
const IMAGE_URL = PART.index('image_url');
const FILE = PART.index('file');
const CACHE_CONTROL = PART.index('cache_control');
const BREAKPOINT = PART.index('prompt_cache_breakpoint');

const IMAGE = new Members(['url', 'detail']);
const URL = IMAGE.index('url');
const DETAIL = IMAGE.index('detail');

const FILE_MEMBERS = new Members(['file_data', 'filename', 'file_id']);
const FILE_DATA = FILE_MEMBERS.index('file_data');
const FILENAME = FILE_MEMBERS.index('filename');
const FILE_ID = FILE_MEMBERS.index('file_id');

/** A mark on a block: node of its `cache_control`, or one of these. */
export const NO_MARK = -1;
const BREAKPOINT_MARK = -2;
const BLANK =
  'text that is empty but for white space, which the vendor refuses as a text block, was left out.';

/**
 * Writes the parts of one message's content as blocks, one after the other: {@link begin} opens the message, every block
 * takes care of the comma before it.
 */
export class BlockWriter {
  readonly #draft: Draft;
  readonly #marks: CarriedMarks;
  /** Marks are taken out of the parts and answered by {@link lifted}, instead of being written on their blocks. */
  readonly #liftMarks: boolean;
  #count = 0;
  #message = 0;
  #part = -1;
  #breakpoint = '';
  #lifted = NO_MARK;
  #lastTakesMark = false;

  constructor(draft: Draft, marks: CarriedMarks, liftMarks = false) {
    this.#draft = draft;
    this.#marks = marks;
    this.#liftMarks = liftMarks;
  }

  /** Blocks written since {@link begin}. */
  get count(): number {
    return this.#count;
  }

  /** The last mark that was lifted. */
  get lifted(): number {
    return this.#lifted;
  }

  /** `count` blocks stand in the array already. `breakpoint` is what a breakpoint becomes: a `cache_control` object. */
  begin(message: number, count: number, breakpoint: string): void {
    this.#message = message;
    this.#count = count;
    this.#breakpoint = breakpoint;
    this.#lifted = NO_MARK;
    this.#lastTakesMark = false;
  }

  /** To be called before a block that somebody else writes. */
  next(): void {
    if (this.#count++ > 0) this.#draft.writer.byte(COMMA);
    this.#lastTakesMark = false;
  }

  /** Ends a block, with the mark that it is to carry. */
  close(mark: number): void {
    const { writer } = this.#draft;
    this.#lastTakesMark = mark === NO_MARK;
    if (mark !== NO_MARK) {
      if (this.#liftMarks) this.#lifted = mark;
      else this.#writeMark(mark);
    }
    writer.byte(CLOSE_OBJECT);
  }

  /** Puts a mark on the block that was written last, unless that has one or can have none. */
  markLast(mark: number): void {
    if (!this.#lastTakesMark) return;
    const { writer } = this.#draft;
    writer.truncate(writer.length - 1);
    this.close(mark);
  }

  /** Content as it stands in a message: a string or an array of parts. Null was absent already. */
  content(node: number): void {
    const { document } = this.#draft;
    this.#part = -1;
    if (document.kind(node) === Kind.String) {
      this.text(node);
      return;
    }
    if (document.kind(node) !== Kind.Array)
      throw wrongType(document, node, this.#path(''), 'a string or an array of parts');
    const end = document.next(node);
    for (let part = node + 1; part < end; part = document.next(part)) {
      this.#part++;
      this.#writePart(part);
    }
  }

  /** A text block; none for text that the vendor would refuse. */
  text(node: number, mark = NO_MARK): void {
    const draft = this.#draft;
    if (draft.isBlank(node)) {
      if (!draft.isEmpty(node)) draft.losses.lose(draft.document, node, 'messages[].content', BLANK);
      return;
    }
    this.next();
    draft.writer.ascii('{"type":"text","text":');
    draft.copy(node);
    this.close(mark);
  }

  #writePart(part: number): void {
    const draft = this.#draft;
    draft.expectObject(part, () => this.#path(''));
    PART.read(draft.document, part);
    const type = PART.at(TYPE);
    if (type < 0) throw missing(this.#path('.type'));
    draft.expectString(type, () => this.#path('.type'));
    if (PART.others.length > 0) draft.loseOthers(PART, 'messages[].content[].');
    let mark = PART.at(CACHE_CONTROL);
    if (mark >= 0) draft.expectObject(mark, () => this.#path('.cache_control'));
    else if (PART.at(BREAKPOINT) >= 0) mark = BREAKPOINT_MARK;
    if (draft.is(type, 'text')) this.text(this.#string(TEXT, 'text'), mark);
    else if (draft.is(type, 'refusal')) this.text(this.#string(REFUSAL, 'refusal'), mark);
    else if (draft.is(type, 'image_url')) this.#image(PART.at(IMAGE_URL), mark);
    else if (draft.is(type, 'file')) this.#file(PART.at(FILE), mark);
    else if (draft.is(type, 'input_audio'))
      throw unsupported(this.#path('.type'), 'Claude models do not take audio.');
    else throw unsupported(this.#path('.type'), 'Anthropic takes text, images and PDF files here.');
  }

  #image(image: number, mark: number): void {
    const draft = this.#draft;
    const { document, writer } = draft;
    if (image < 0) throw missing(this.#path('.image_url'));
    const path = (): string => this.#path('.image_url.url');
    // Some vendors have the address alone instead of the object.
    const url = document.kind(image) === Kind.String ? image : this.#imageAddress(image, path);
    const found = mediaUrl(document, url);
    if (found.kind === 'other') throw invalid(path(), 'it must be a data: URL or an http(s) address.');
    if (found.kind === 'data') {
      if (!found.base64) throw unsupported(path(), 'the data of a data: URL must be base64.');
      if (!IMAGE_TYPES.some((type) => type === found.mediaType))
        throw unsupported(path(), IMAGE_TYPES_IN_WORDS);
    }
    this.next();
    writer.ascii('{"type":"image","source":');
    if (found.kind === 'data') writeBase64Source(writer, document, url, found);
    else {
      writer.ascii('{"type":"url","url":');
      draft.copy(url);
      writer.ascii('}');
    }
    this.close(mark);
  }

  #imageAddress(image: number, path: () => string): number {
    const draft = this.#draft;
    const { document, losses } = draft;
    draft.expectObject(image, () => this.#path('.image_url'));
    IMAGE.read(document, image);
    const url = IMAGE.at(URL);
    if (url < 0) throw missing(path());
    draft.expectString(url, path);
    const detail = IMAGE.at(DETAIL);
    if (detail >= 0 && !draft.is(detail, 'auto')) {
      const field = 'messages[].content[].image_url.detail';
      losses.lose(document, detail, field, 'Anthropic has no levels of detail; it was left out.');
    }
    if (IMAGE.others.length > 0) draft.loseOthers(IMAGE, 'messages[].content[].image_url.');
    return url;
  }

  #file(file: number, mark: number): void {
    const draft = this.#draft;
    const { document, writer } = draft;
    if (file < 0) throw missing(this.#path('.file'));
    draft.expectObject(file, () => this.#path('.file'));
    FILE_MEMBERS.read(document, file);
    if (FILE_MEMBERS.at(FILE_ID) >= 0)
      throw unsupported(this.#path('.file.file_id'), 'files that one vendor stores are unknown to another.');
    const data = FILE_MEMBERS.at(FILE_DATA);
    const path = (): string => this.#path('.file.file_data');
    if (data < 0) throw missing(path());
    draft.expectString(data, path);
    const found = mediaUrl(document, data);
    if (found.kind !== 'data' || !found.base64)
      throw invalid(path(), 'it must be a data: URL with base64 data.');
    if (found.mediaType !== PDF_TYPE) throw unsupported(path(), 'Anthropic takes PDF files only.');
    const filename = FILE_MEMBERS.at(FILENAME);
    if (filename >= 0) draft.expectString(filename, () => this.#path('.file.filename'));
    if (FILE_MEMBERS.others.length > 0) draft.loseOthers(FILE_MEMBERS, 'messages[].content[].file.');
    this.next();
    writer.ascii('{"type":"document","source":');
    writeBase64Source(writer, document, data, found);
    if (filename >= 0 && !draft.isBlank(filename)) draft.member('title', filename);
    this.close(mark);
  }

  #writeMark(mark: number): void {
    const { writer } = this.#draft;
    if (mark === BREAKPOINT_MARK) {
      const start = writer.length;
      writer.ascii(`,"cache_control":${this.#breakpoint}`);
      this.#marks.addBreakpoint(start, writer.length);
    } else {
      this.#draft.member('cache_control', mark);
      this.#marks.addOwn();
    }
  }

  #string(member: number, name: string): number {
    const node = PART.at(member);
    if (node < 0) throw missing(this.#path(`.${name}`));
    this.#draft.expectString(node, () => this.#path(`.${name}`));
    return node;
  }

  #path(rest: string): string {
    return `messages[${this.#message}].content${this.#part < 0 ? '' : `[${this.#part}]`}${rest}`;
  }
}
