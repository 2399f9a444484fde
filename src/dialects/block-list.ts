import { Kind, type JsonDocument } from '../std/json/document.ts';
import { IntList } from '../std/json/int-list.ts';

/** What a block is to a cache. */
export const BlockKind = { Other: 0, ToolCall: 1, ToolResult: 2, Media: 3 } as const;

/** The block may carry a mark. */
const MARKABLE = 1;
/** Nothing but a text (and a mark): on its own it says the same as a plain string in its place. */
const PLAIN = 2;

/** Where a block of the system prompt stands instead of in a message. */
export const IN_SYSTEM = -1;

/**
 * The blocks of a prompt, in the order in which they are rendered: those of a system prompt that is a field of its own,
 * then those of each message. A plain string in the place of blocks is one block, its node the string. Refilled for every
 * request.
 */
export class BlockList {
  /** Node, and the message it is in, counted from 0, or {@link IN_SYSTEM}. */
  readonly nodes = new IntList();
  readonly messages = new IntList();
  /** {@link BlockKind}. */
  readonly kinds = new IntList();
  readonly #flags = new IntList();
  /** TTLs of the client's marks on a block and in it: a set of {@link Ttl}. */
  readonly ttls = new IntList();
  /** The client's marks one by one: value node (-1 for one outside of its block), and the block, in canonical order. */
  readonly marks = new IntList();
  readonly markBlocks = new IntList();
  /** Some block, or one in it, has something that may be no text: a source, or blocks in a place of their own. */
  media = false;

  get length(): number {
    return this.nodes.length;
  }

  clear(): void {
    this.nodes.clear();
    this.messages.clear();
    this.kinds.clear();
    this.#flags.clear();
    this.ttls.clear();
    this.marks.clear();
    this.markBlocks.clear();
    this.media = false;
  }

  /** Adds a block; its marks follow by {@link mark}, what it is by {@link describe}. */
  open(node: number, message: number): void {
    this.nodes.push(node);
    this.messages.push(message);
    this.kinds.push(BlockKind.Other);
    this.#flags.push(0);
    this.ttls.push(0);
  }

  /** Notes a mark on the last block or in it. */
  mark(value: number, ttl: number): void {
    const block = this.length - 1;
    this.marks.push(value);
    this.markBlocks.push(block);
    this.ttls.set(block, this.ttls.at(block) | ttl);
  }

  /** Says what the last block is. */
  describe(kind: number, markable: boolean, plain: boolean): void {
    const block = this.length - 1;
    this.kinds.set(block, kind);
    this.#flags.set(block, (markable ? MARKABLE : 0) | (plain ? PLAIN : 0));
  }

  /** {@link describe} for a plain string; an empty one carries no mark. */
  describeString(filled: boolean): void {
    this.describe(BlockKind.Other, filled, true);
  }

  markable(block: number): boolean {
    return (this.#flags.at(block) & MARKABLE) !== 0;
  }

  /** Alone in its place and nothing but a text: a string there would say the same. */
  plain(block: number): boolean {
    const { messages } = this;
    const message = messages.at(block);
    return (
      (this.#flags.at(block) & PLAIN) !== 0 &&
      (block === 0 || messages.at(block - 1) !== message) &&
      (block + 1 === this.length || messages.at(block + 1) !== message)
    );
  }
}

/** The definitions of tools, in the client's order. Refilled for every request. */
export class ToolList {
  readonly nodes = new IntList();
  /** Value node of the client's mark, -1 without one. */
  readonly marks = new IntList();
  /** 1 where a mark may stand. */
  readonly markable = new IntList();
  #marked = false;

  get length(): number {
    return this.nodes.length;
  }

  /** Whether one of them has a mark of the client, be it null. */
  get marked(): boolean {
    return this.#marked;
  }

  clear(): void {
    this.nodes.clear();
    this.marks.clear();
    this.markable.clear();
    this.#marked = false;
  }

  /** @param mark node of the client's mark, `-1` without one. */
  push(document: JsonDocument, node: number, mark: number, markable: boolean): void {
    this.nodes.push(node);
    this.marks.push(mark >= 0 && document.kind(mark) !== Kind.Null ? mark : -1);
    this.markable.push(markable ? 1 : 0);
    if (mark >= 0) this.#marked = true;
  }
}
