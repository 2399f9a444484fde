import { BlockList } from '../dialects/block-list.ts';
import { OPEN_OBJECT } from '../std/json/bytes.ts';
import { Kind, type JsonDocument } from '../std/json/document.ts';
import type { Envelope } from './envelope.ts';
import { Spans } from './spans.ts';

/** How a text block that stands for a string begins in canonical form, alone in its array. */
export const TEXT_BLOCK_START = '[{"type":"text","text":';

/** Notes a mark in a slice that was copied `shift` bytes further, with the comma that parts it from its neighbour. */
function noteCopiedMark(document: JsonDocument, value: number, shift: number, cuts: Spans): void {
  const start = document.start(value - 1);
  const first = document.bytes[start - 1] === OPEN_OBJECT;
  cuts.push(start + shift - (first ? 0 : 1), document.end(value) + shift + (first ? 1 : 0));
}

/**
 * Notes where the blocks of a request come to lie while they are written, and what of them is no part of the prompt
 * (`SentPrompt.cuts`). To be told of all blocks, in their order.
 */
export class BlockNotes {
  #blocks = new BlockList();
  #spans = new Spans();
  #cuts = new Spans();
  /** The next block, and the first mark that belongs to it or to a later one. */
  #block = 0;
  #mark = 0;
  /** Where the mark of a plain block begins, -1 without one. */
  #plainMark = -1;

  /** Starts over with the blocks of a request. */
  open({ request, sent }: Envelope): void {
    this.#blocks = request.blocks;
    this.#spans = sent.blocks;
    this.#cuts = sent.cuts;
    this.#block = this.#mark = 0;
    this.#spans.clear();
    this.#cuts.clear();
  }

  /** The blocks of a message were copied as they stand, `shift` bytes further. */
  copied(document: JsonDocument, message: number, shift: number): void {
    const blocks = this.#blocks;
    while (this.#block < blocks.length && blocks.messages.at(this.#block) === message) {
      const node = blocks.nodes.at(this.#block);
      const plain = blocks.plain(this.#block);
      for (; this.#belongs(this.#mark); this.#mark++) {
        const value = blocks.marks.at(this.#mark);
        if (value < 0) continue;
        if (plain) this.#plainMark = document.start(value - 1) + shift - 1;
        else noteCopiedMark(document, value, shift, this.#cuts);
      }
      this.#end(document, document.start(node) + shift, document.end(node) + shift);
    }
  }

  /**
   * A member of the block that is being written was written; `first` tells whether no comma parts it from one before.
   * Marks are listed in the order in which canonical text has them, so the next one is the only one it can be.
   */
  wroteMember(value: number, start: number, end: number, first: boolean): void {
    const blocks = this.#blocks;
    if (!this.#belongs(this.#mark) || blocks.marks.at(this.#mark) !== value) return;
    this.#mark++;
    if (blocks.plain(this.#block)) this.#plainMark = start;
    else this.#cuts.push(start, first ? end + 1 : end);
  }

  /** What was written last, in `[start, end)`, was `node`: noted where it is the next block. */
  wrote(document: JsonDocument, node: number, start: number, end: number): void {
    if (this.awaits(node)) this.#end(document, start, end);
  }

  /** Whether `node` is the next block. */
  awaits(node: number): boolean {
    return this.#block < this.#blocks.length && this.#blocks.nodes.at(this.#block) === node;
  }

  /** A message was written; blocks of it that were not told of carry no mark, and count as lying at its end. */
  endMessage(message: number, end: number): void {
    const blocks = this.#blocks;
    for (; this.#block < blocks.length && blocks.messages.at(this.#block) === message; this.#block++) {
      while (this.#belongs(this.#mark)) this.#mark++;
      this.#spans.push(end, end);
    }
  }

  #belongs(mark: number): boolean {
    const { markBlocks } = this.#blocks;
    return mark < markBlocks.length && markBlocks.at(mark) === this.#block;
  }

  #end(document: JsonDocument, start: number, end: number): void {
    this.#spans.push(start, end);
    if (
      this.#blocks.plain(this.#block) &&
      document.kind(this.#blocks.nodes.at(this.#block)) === Kind.Object
    ) {
      // The brackets of the array lie around the block.
      this.#cuts.push(start - 1, start - 1 + TEXT_BLOCK_START.length);
      this.#cuts.push(this.#plainMark >= 0 ? this.#plainMark : end - 1, end + 1);
    }
    this.#plainMark = -1;
    while (this.#belongs(this.#mark)) this.#mark++;
    this.#block++;
  }
}
