import { IntList } from '../../std/json/int-list.ts';
import type { Draft } from '../conversion/draft.ts';
import type { PartWriter } from './request-parts.ts';

/** The text blocks of one message, gathered to be written as its content. */
export class Texts {
  readonly #draft: Draft;
  readonly #parts: PartWriter;
  readonly #nodes = new IntList();
  readonly #marks = new IntList();

  constructor(draft: Draft, parts: PartWriter) {
    this.#draft = draft;
    this.#parts = parts;
  }

  clear(): void {
    this.#nodes.clear();
    this.#marks.clear();
  }

  /** `mark` is the node of the block's mark, -1 for none. Empty text says nothing. */
  add(text: number, mark: number): void {
    if (this.#draft.isEmpty(text)) return;
    this.#nodes.push(text);
    this.#marks.push(mark);
  }

  /** Puts a mark on the last text. */
  markLast(mark: number): void {
    if (this.#nodes.length > 0) this.#marks.set(this.#nodes.length - 1, mark);
  }

  /**
   * Writes the content: a string where there is one text, parts where there are several, `none` where there is not any.
   * Only marks that are kept as they are stand here: OpenAI's own models mark the ends of these messages by themselves.
   */
  write(none: string): void {
    const { writer } = this.#draft;
    const nodes = this.#nodes;
    if (nodes.length === 0) {
      writer.ascii(none);
      return;
    }
    if (nodes.length === 1 && this.#parts.marks !== 'kept') {
      this.#draft.copy(nodes.at(0));
      return;
    }
    writer.ascii('[');
    for (let index = 0; index < nodes.length; index++) {
      writer.ascii(index === 0 ? '{"type":"text","text":' : ',{"type":"text","text":');
      this.#draft.copy(nodes.at(index));
      this.#parts.keepMark(this.#marks.at(index));
      writer.ascii('}');
    }
    writer.ascii(']');
  }
}
