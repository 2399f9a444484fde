import { BlockKind } from '../dialects/block-list.ts';
import { IntList } from '../std/json/int-list.ts';

/**
 * Tokens are told from bytes so that no prefix is taken for too short that is not: a token in two bytes, where prose
 * and code have three to four and a half, but hexadecimal digits, numbers and some scripts hardly more than two. So marks
 * begin at about half the model's minimum. The two errors do not cost alike: a mark on a prefix that is too short is
 * ignored by the vendor, a missing one costs the whole prefix.
 */
const BYTES_PER_TOKEN = 2;

/**
 * An image or a document may be a few bytes of address, and a document any number of pages: more than the minimum of every
 * model, in bytes.
 */
const MEDIA_BYTES = 8_192 * BYTES_PER_TOKEN;

/** Whose message ends: the user's side (tool results with it), the assistant's, or a system message among them. */
export type Speaker = 'user' | 'assistant' | 'system';

/**
 * A prompt as a cache sees it: a row of blocks in the vendor's order (tools, system, messages). Refilled for every
 * request, block by block.
 *
 * ```
 *   tools      system      messages
 *   0 … toolsEnd … systemEnd … length
 *                            u  a a  u u  a  u      speakers
 *                            0       1 1     2      runs: messages of the user's side without an answer in between
 *                            ▲       ▲ ▲     ▲      ends: the last block of each that can carry a mark
 * ```
 */
export class PromptLayout {
  /** Of each block: its position in the look-back (equal for all of a row that counts once). */
  readonly positions = new IntList();
  readonly #bytes = new IntList();
  readonly #markable = new IntList();
  /** The client's marks: a set of TTLs. */
  readonly ttls = new IntList();
  readonly ends = new IntList();
  readonly runs = new IntList();
  toolsEnd = 0;
  systemEnd = 0;
  /** Of the mark that the vendor puts on the last block by itself. */
  automaticTtl = 0;
  /** How many marks the client has set, the automatic one among them. */
  clientMarks = 0;
  #foldsToolRows = false;
  #lastKind: number = BlockKind.Other;
  #mediaBytes = 0;
  #messageStart = 0;
  #answered = true;

  get length(): number {
    return this.positions.length;
  }

  /** @param foldsToolRows a row of tool calls counts as one position, as does a row of tool results. */
  open(foldsToolRows: boolean, clientMarks: number, automaticTtl: number): void {
    this.positions.clear();
    this.#bytes.clear();
    this.#markable.clear();
    this.ttls.clear();
    this.ends.clear();
    this.runs.clear();
    this.toolsEnd = this.systemEnd = this.#messageStart = this.#mediaBytes = 0;
    this.automaticTtl = automaticTtl;
    this.clientMarks = clientMarks + (automaticTtl === 0 ? 0 : 1);
    this.#foldsToolRows = foldsToolRows;
    this.#answered = true;
    this.#lastKind = BlockKind.Other;
  }

  /** Adds a block. `bytes` counts the prompt up to and with it. */
  add(kind: number, bytes: number, markable: boolean, ttls: number): void {
    const { length } = this;
    const folds =
      this.#foldsToolRows &&
      kind === this.#lastKind &&
      (kind === BlockKind.ToolCall || kind === BlockKind.ToolResult);
    this.positions.push(length === 0 ? 0 : this.positions.at(length - 1) + (folds ? 0 : 1));
    this.#lastKind = kind;
    if (kind === BlockKind.Media) this.#mediaBytes += MEDIA_BYTES;
    this.#bytes.push(bytes + this.#mediaBytes);
    this.#markable.push(markable ? 1 : 0);
    this.ttls.push(ttls);
  }

  endTools(): void {
    this.toolsEnd = this.systemEnd = this.#messageStart = this.length;
  }

  endSystem(): void {
    this.systemEnd = this.#messageStart = this.length;
  }

  endMessage(speaker: Speaker): void {
    const start = this.#messageStart;
    this.#messageStart = this.length;
    if (speaker === 'assistant') this.#answered = true;
    if (speaker !== 'user') return;
    const end = this.lastMarkable(start, this.length);
    if (end < 0) return;
    const { runs } = this;
    const last = runs.length === 0 ? -1 : runs.at(runs.length - 1);
    this.ends.push(end);
    runs.push(this.#answered ? last + 1 : last);
    this.#answered = false;
  }

  markable(block: number): boolean {
    return this.#markable.at(block) === 1;
  }

  /** The last block in `[start, end)` that can carry a mark, or -1. */
  lastMarkable(start: number, end: number): number {
    for (let block = end - 1; block >= start; block--) if (this.markable(block)) return block;
    return -1;
  }

  /** More tokens than the prompt has up to and with a block. */
  tokensAtMost(block: number): number {
    return Math.ceil(this.#bytes.at(block) / BYTES_PER_TOKEN);
  }
}
