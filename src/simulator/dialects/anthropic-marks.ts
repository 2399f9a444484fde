import type { VendorError } from '../vendor-error.ts';
import { bad, type Block, isGiven, type MessagesBody } from './anthropic-body.ts';
import { isObject, type Json } from './chat-body.ts';

/** Marks of the prompt cache, `cache_control` (guide "Prompt caching", November 2026). */

const MAX_MARKS = 4;
export const TTL_5M_MS = 5 * 60_000;
export const TTL_1H_MS = 60 * 60_000;

interface Mark {
  readonly path: string;
  readonly ttlMs: number;
}

/** Tool or block → how long the prefix that ends with it shall be kept. */
export type Marks = ReadonlyMap<Json, number>;

const UNCACHEABLE = new Set(['thinking', 'redacted_thinking']);

/** 0: there is none. */
function ttlOf(control: unknown, path: string): number | VendorError {
  if (!isGiven(control)) return 0;
  if (!isObject(control) || control['type'] !== 'ephemeral')
    return bad(`${path}.cache_control.type: Input should be 'ephemeral'`);
  const { ttl = '5m' } = control;
  if (ttl === '5m') return TTL_5M_MS;
  return ttl === '1h' ? TTL_1H_MS : bad(`${path}.cache_control.ttl: Input should be '5m' or '1h'`);
}

interface Carrier {
  readonly carrier: Json;
  readonly holder: Json;
  readonly path: string;
}

/** All that can carry a mark, in the order the vendor goes through it; what is in a block stands for the block. */
function* carriers(body: MessagesBody): Generator<Carrier> {
  for (const [index, tool] of body.tools.entries())
    yield { carrier: tool, holder: tool, path: `tools.${index}` };
  for (const [index, block] of body.system.entries())
    yield { carrier: block, holder: block, path: `system.${index}` };
  for (const [turnIndex, turn] of body.turns.entries()) {
    for (const [index, block] of turn.blocks.entries())
      yield* within(block, block, `messages.${turnIndex}.content.${index}`);
  }
}

/** A block and the blocks in it: its content, the content of a document's source. */
function* within(carrier: Json, holder: Json, path: string): Generator<Carrier> {
  const { content, source } = carrier;
  const inner = isObject(source) ? source['content'] : content;
  const at = inner === content ? 'content' : 'source.content';
  if (Array.isArray(inner)) {
    for (const [index, part] of inner.entries())
      if (isObject(part)) yield* within(part, holder, `${path}.${at}.${index}`);
  }
  yield { carrier, holder, path };
}

/** The last block a mark may stand on. */
function lastCacheable(body: MessagesBody): Block | undefined {
  for (let index = body.turns.length - 1; index >= 0; index--) {
    const block = body.turns[index]?.blocks.findLast(({ type }) => !UNCACHEABLE.has(type));
    if (block !== undefined) return block;
  }
  return undefined;
}

/** Explicit marks and the automatic one, which the top-level `cache_control` asks for. */
export function marksOf(body: MessagesBody): Marks | VendorError {
  const marks = new Map<Json, number>();
  const found: Mark[] = [];
  for (const { carrier, holder, path } of carriers(body)) {
    const ttlMs = ttlOf(carrier['cache_control'], path);
    if (typeof ttlMs !== 'number') return ttlMs;
    if (ttlMs === 0) continue;
    found.push({ path, ttlMs });
    marks.set(holder, Math.max(ttlMs, marks.get(holder) ?? 0));
  }
  const automaticMs = ttlOf(body.json['cache_control'], 'cache_control');
  if (typeof automaticMs !== 'number') return automaticMs;
  const last = automaticMs > 0 ? lastCacheable(body) : undefined;
  if (last !== undefined) {
    const own = marks.get(last);
    if (own !== undefined && own !== automaticMs)
      return bad('cache_control: the last block has a cache_control of another ttl');
    if (own === undefined) found.push({ path: 'cache_control', ttlMs: automaticMs });
    marks.set(last, automaticMs);
  }
  if (found.length > MAX_MARKS)
    return bad(`A maximum of ${MAX_MARKS} blocks with cache_control may be provided. Found ${found.length}.`);
  const late = found.find(({ ttlMs }, index) => ttlMs > (found[index - 1]?.ttlMs ?? Infinity));
  if (late === undefined) return marks;
  return bad(
    `${late.path}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: \`tools\`, \`system\`, \`messages\`.`,
  );
}
