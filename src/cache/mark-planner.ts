import { MAX_MARKS, Ttl } from '../dialects/cache-mark.ts';
import { IntList } from '../std/json/int-list.ts';
import type { PromptLayout } from './prompt-layout.ts';

/** Positions that a mark finds earlier entries at, its own the first of them. */
const LOOK_BACK = 20;

/**
 * Decides which blocks of a prompt carry cache marks (Anthropic guide "Prompt caching"). An entry is written at marks
 * only, and found from a mark by looking back over 20 positions. What a turn writes must be found by the next one, so:
 *
 * 1. the newest turn's end: what the next turn reads,
 * 2. the end of the turn before: what this turn reads, however many blocks lie between; and clients that rewrite their
 *    last message (to take volatile parts out again) leave the rewritten one behind as an entry,
 * 3. an end of a message within the newest turn that no mark reaches: a client went on without an answer, and its last
 *    request ended there,
 * 4. the end of the turn before the last two, if no mark reaches it: of a client that sends two turns at once, or rewrites
 *    its last message,
 * 5. the end of the system prompt, or of the tools where there is none: shared by conversations,
 * 6. the end of the tools, which outlive a changed system prompt,
 * 7. older ends that no mark reaches.
 *
 * The client's own marks stay, count, and come first; more than four are never made. Marks before one of the client's
 * cost nothing more: all up to the last mark is written either way. What lies behind its last mark would cost the
 * premium of a write, which the client chose not to pay; so nothing is marked there in its first turn, nor where it
 * marks its newest turn itself. Longer TTLs come before shorter ones, or the vendor refuses: a mark before a long one of
 * the client's is long. All others are short if the client has a short one: a long one before that would make the client pay
 * for an hour, a long one behind it is refused.
 *
 * A pure function of the prompt, so what holds for a turn holds for it on every thread and whatever follows.
 */
export class MarkPlanner {
  /** The plan: blocks to be marked, and the TTL of each. */
  readonly blocks = new IntList();
  readonly ttls = new IntList();
  readonly #marked = new IntList();
  #minTokens = 0;
  #ttl = 0;
  #free = 0;
  /** Blocks from here on are not marked. */
  #limit = 0;
  /** The first mark of the client with the short TTL, the last with the long one. */
  #firstShort = 0;
  #lastLong = 0;

  /**
   * @param minTokens shorter prefixes are not cached by the model.
   * @param ttl of marks where the client's do not decide it.
   */
  plan(layout: PromptLayout, minTokens: number, ttl: number): void {
    this.blocks.clear();
    this.ttls.clear();
    this.#free = MAX_MARKS - layout.clientMarks;
    const { ends, length, systemEnd, toolsEnd } = layout;
    if (this.#free <= 0 || length === 0) return;
    this.#minTokens = minTokens;
    const newest = ends.length - 1;
    const previous = lastOfRunBefore(layout, newest);
    const earlier = lastOfRunBefore(layout, previous);
    this.#readClientMarks(layout, previous < 0 ? -1 : ends.at(previous));
    const short = this.#firstShort < length || layout.automaticTtl === Ttl.FiveMinutes;
    this.#ttl = short ? Ttl.FiveMinutes : ttl;
    if (newest >= 0) this.#mark(layout, ends.at(newest));
    if (previous >= 0) this.#mark(layout, ends.at(previous));
    for (let at = newest - 1; at > previous && !this.#markUnreached(layout, ends.at(at)); at--);
    if (earlier >= 0) this.#markUnreached(layout, ends.at(earlier));
    const system = layout.lastMarkable(toolsEnd, systemEnd);
    const tools = layout.lastMarkable(0, toolsEnd);
    this.#mark(layout, system);
    this.#mark(layout, tools);
    for (let at = newest - 1; at >= 0 && this.#free > 0; at--) this.#markUnreached(layout, ends.at(at));
  }

  /** @param previous end of the turn before the newest, -1 in the first. */
  #readClientMarks(layout: PromptLayout, previous: number): void {
    const { automaticTtl, ends, length, systemEnd, ttls } = layout;
    this.#marked.clear();
    this.#firstShort = length;
    this.#lastLong = -1;
    let last = -1;
    for (let block = 0; block < length; block++) {
      const set = ttls.at(block);
      if (set === 0) continue;
      this.#marked.push(block);
      last = block;
      if ((set & Ttl.FiveMinutes) !== 0 && this.#firstShort === length) this.#firstShort = block;
      if ((set & Ttl.OneHour) !== 0) this.#lastLong = block;
    }
    if (automaticTtl !== 0) {
      // The vendor decides which block is the last that can carry it.
      last = length - 1;
      this.#marked.push(last);
      if (automaticTtl === Ttl.OneHour) this.#lastLong = length;
    }
    const covers = last > previous || previous < 0;
    // The automatic mark may come to lie anywhere in the newest turn, and two on one block must agree.
    if (automaticTtl !== 0) this.#limit = previous >= 0 ? previous + 1 : ends.length > 0 ? systemEnd : 0;
    else this.#limit = last >= 0 && covers ? last : length;
  }

  /** Marks a block that no mark finds an entry at; answers whether it did. */
  #markUnreached(layout: PromptLayout, block: number): boolean {
    const { positions } = layout;
    for (let index = 0; index < this.#marked.length; index++) {
      const mark = this.#marked.at(index);
      if (mark >= block && positions.at(mark) - positions.at(block) < LOOK_BACK) return false;
    }
    return this.#mark(layout, block);
  }

  /** Marks a block unless that is impossible, of no use, or not wanted; answers whether it did. */
  #mark(layout: PromptLayout, block: number): boolean {
    if (block < 0 || block >= this.#limit || this.#free === 0) return false;
    if (!layout.markable(block) || layout.ttls.at(block) !== 0) return false;
    if (layout.tokensAtMost(block) < this.#minTokens) return false;
    for (let index = 0; index < this.blocks.length; index++)
      if (this.blocks.at(index) === block) return false;
    const longBehind = block < this.#lastLong;
    const shortBefore = block > this.#firstShort;
    if (longBehind && shortBefore) return false;
    this.#free--;
    this.#marked.push(block);
    this.blocks.push(block);
    this.ttls.push(longBehind ? Ttl.OneHour : this.#ttl);
    return true;
  }
}

/** Index of the last end of the run before that of `at`, or -1. */
function lastOfRunBefore({ runs }: PromptLayout, at: number): number {
  let before = at;
  while (before >= 0 && runs.at(before) === runs.at(at)) before--;
  return before;
}
