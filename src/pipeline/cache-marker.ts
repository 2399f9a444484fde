import { MarkPlanner } from '../cache/mark-planner.ts';
import { PromptLayout, type Speaker } from '../cache/prompt-layout.ts';
import { BlockKind, IN_SYSTEM } from '../dialects/block-list.ts';
import { markMember, Ttl, ttlOf } from '../dialects/cache-mark.ts';
import { Role } from '../dialects/request-facts.ts';
import { claudeModel } from '../models/claude.ts';
import { Kind } from '../std/json/document.ts';
import { TEXT_BLOCK_START } from './block-notes.ts';
import type { Envelope } from './envelope.ts';
import type { CacheTtl } from './inbound-adapter.ts';

/**
 * Puts cache marks on the blocks that the planner names, as insertions into the canonical body. A string that gets one
 * becomes a text block for this turn, which means the same to the vendors that take marks.
 */
export class CacheMarker {
  readonly #ttl: number;
  readonly #layout = new PromptLayout();
  readonly #planner = new MarkPlanner();

  constructor(ttl: CacheTtl) {
    this.#ttl = ttl === '1h' ? Ttl.OneHour : Ttl.FiveMinutes;
  }

  mark(envelope: Envelope): void {
    this.#lay(envelope);
    const planner = this.#planner;
    planner.plan(this.#layout, claudeModel(envelope.route.upstreamModel).minCacheTokens, this.#ttl);
    for (let index = 0; index < planner.blocks.length; index++)
      putMark(envelope, planner.blocks.at(index), planner.ttls.at(index));
  }

  /** Tools, system, messages: the order in which they are rendered. */
  #lay(envelope: Envelope): void {
    const layout = this.#layout;
    const { request, route, sent } = envelope;
    const rules = route.provider.profile.cacheMarks;
    let marks = request.blocks.marks.length;
    for (let place = 0; place < sent.toolMarks.length; place++) if (sent.toolMarks.at(place) >= 0) marks++;
    layout.open(rules?.foldsToolRows ?? false, marks, request.automaticTtl);
    this.#layTools(envelope, rules?.onTools ?? false);
    layout.endTools();
    this.#layBlocks(envelope);
  }

  #layTools({ blocks, document, request, sent }: Envelope, markable: boolean): void {
    for (let place = 0; place < sent.tools.length; place++) {
      const mark = place < sent.toolMarks.length ? sent.toolMarks.at(place) : -1;
      const carries = markable && request.tools.markable.at(blocks.tools.at(place)) === 1;
      const ttls = mark < 0 ? Ttl.None : ttlOf(document, mark);
      this.#layout.add(BlockKind.Other, sent.tools.end(place) - sent.toolsStart, carries, ttls);
    }
  }

  #layBlocks({ blocks: { systemEnd }, request, sent }: Envelope): void {
    const layout = this.#layout;
    const { blocks, roles } = request;
    let block = 0;
    /** Adds the blocks of a message; the prompt has `before` bytes up to the offset `from`. */
    const add = (message: number, from: number, before: number): void => {
      for (; block < blocks.length && blocks.messages.at(block) === message; block++) {
        const bytes = before + sent.blocks.end(block) - from;
        layout.add(blocks.kinds.at(block), bytes, blocks.markable(block), blocks.ttls.at(block));
      }
    };
    const tools = sent.toolsEnd - sent.toolsStart;
    add(IN_SYSTEM, sent.systemStart, tools);
    if (systemEnd === 0) layout.endSystem();
    const head = tools + (systemEnd === 0 ? sent.systemEnd - sent.systemStart : 0);
    for (let message = 0; message < roles.length; message++) {
      add(message, sent.messages.start(0), head);
      if (message >= systemEnd) layout.endMessage(speakerOf(roles.at(message)));
      else if (message === systemEnd - 1) layout.endSystem();
    }
  }
}

function speakerOf(role: number): Speaker {
  if (role === Role.Assistant) return 'assistant';
  return role === Role.System || role === Role.Developer ? 'system' : 'user';
}

/** @param at counts tools as they are sent, then blocks. */
function putMark({ document, edits, request, sent }: Envelope, at: number, ttl: number): void {
  const member = markMember(ttl);
  if (at < sent.tools.length) {
    edits.add(sent.tools.end(at) - 1, sent.tools.end(at) - 1, `,${member}`);
    return;
  }
  const block = at - sent.tools.length;
  const end = sent.blocks.end(block);
  if (document.kind(request.blocks.nodes.at(block)) === Kind.Object) {
    edits.add(end - 1, end - 1, `,${member}`);
    return;
  }
  edits.add(sent.blocks.start(block), sent.blocks.start(block), TEXT_BLOCK_START);
  edits.add(end, end, `,${member}}]`);
}
