import { Kind, type JsonDocument } from '../../std/json/document.ts';
import { IntList } from '../../std/json/int-list.ts';
import { KeyTable } from '../../std/json/keys.ts';
import { BlockKind, type BlockList } from '../block-list.ts';
import { MARK_KEY, ttlOf } from '../cache-mark.ts';

/** The keys of blocks of all types, in the order in which the vendor's answers and SDKs write them. */
export const BLOCK_KEYS = new KeyTable([
  'type',
  'id',
  'tool_use_id',
  'name',
  'input',
  'text',
  'source',
  'content',
  'is_error',
  'thinking',
  'signature',
  'data',
  'title',
  'context',
  'citations',
  MARK_KEY,
]);
const TYPE = BLOCK_KEYS.names.indexOf('type');
const TEXT = BLOCK_KEYS.names.indexOf('text');
const SOURCE = BLOCK_KEYS.names.indexOf('source');
const CONTENT = BLOCK_KEYS.names.indexOf('content');
const MARK = BLOCK_KEYS.names.indexOf(MARK_KEY);

/** Types whose content is blocks again, with marks of their own. */
export const NESTING_TYPES = ['tool_result', 'search_result', 'mcp_tool_result'] as const;

/** Types that may carry a mark (guide "Prompt caching"), text apart: an empty one may not. */
const MARKABLE: readonly (readonly [type: string, kind: number])[] = [
  ['tool_result', BlockKind.ToolResult],
  ['tool_use', BlockKind.ToolCall],
  ['image', BlockKind.Media],
  ['document', BlockKind.Media],
  ['search_result', BlockKind.Media],
];

/** Instead of a message's number: the block is within another one. */
const NESTED = -2;

/** TTLs of marks further within the block that is being read. */
const deeper = new IntList();

/** Adds a block to the list; answers whether its keys, and those of blocks in it, stand in canonical order. */
export function readBlock(
  document: JsonDocument,
  block: number,
  message: number,
  blocks: BlockList,
): boolean {
  let type = -1;
  let text = -1;
  let source = -1;
  let content = -1;
  let mark = -1;
  let plain = true;
  let ordered = true;
  let lastRank = -1;
  if (message !== NESTED) {
    blocks.open(block, message);
    deeper.clear();
  }
  const end = document.next(block);
  for (let key = block + 1; key < end; key = document.next(key + 1)) {
    const found = BLOCK_KEYS.find(document, key);
    const rank = found < 0 ? BLOCK_KEYS.names.length : found;
    if (rank <= lastRank) ordered = false;
    lastRank = rank;
    if (rank === TYPE) type = key + 1;
    else if (rank === TEXT) text = key + 1;
    else if (rank === MARK) mark = key + 1;
    else plain = false;
    if (rank === SOURCE) source = key + 1;
    else if (rank === CONTENT) content = key + 1;
  }
  if (type >= 0 && document.kind(type) !== Kind.String) type = -1;
  // Marks are noted in the order of a text whose keys are in order.
  if (nests(document, type, content)) {
    const contentEnd = document.next(content);
    for (let inner = content + 1; inner < contentEnd; inner = document.next(inner))
      if (document.kind(inner) === Kind.Object && !readBlock(document, inner, NESTED, blocks))
        ordered = false;
  } else if (content >= 0 && document.kind(content) !== Kind.String) {
    blocks.media = true;
    findMarks(document, content);
  }
  if (source >= 0) {
    blocks.media = true;
    findMarks(document, source);
  }
  if (mark >= 0) {
    // Null is none, and is left out when the block is written.
    if (document.kind(mark) === Kind.Null) ordered = false;
    else blocks.mark(mark, ttlOf(document, mark));
  }
  if (message === NESTED) return ordered;
  // They have no place in the order of the others, which are cut out of the prefix.
  for (let index = 0; index < deeper.length; index++) blocks.mark(-1, deeper.at(index));
  describe(document, type, text, plain, blocks);
  return ordered;
}

/**
 * Notes the marks in a `content` or `source` that is not read block by block: a document's source may be blocks, a fetched
 * page has a document in it. The vendor counts them all, so one too many does less harm than one too few.
 */
function findMarks(document: JsonDocument, value: number): void {
  const end = document.next(value);
  for (let node = value; node < end; node++) {
    if (document.kind(node) !== Kind.Object) continue;
    const mark = document.member(node, MARK_KEY);
    if (mark >= 0 && document.kind(mark) !== Kind.Null) deeper.push(ttlOf(document, mark));
  }
}

const nests = (document: JsonDocument, type: number, content: number): boolean =>
  type >= 0 &&
  content >= 0 &&
  document.kind(content) === Kind.Array &&
  NESTING_TYPES.some((name) => document.textEquals(type, name));

function describe(
  document: JsonDocument,
  type: number,
  text: number,
  plain: boolean,
  blocks: BlockList,
): void {
  if (type < 0) return;
  if (document.textEquals(type, 'text')) {
    const isText = text >= 0 && document.kind(text) === Kind.String;
    const filled = isText && document.end(text) - document.start(text) > 2;
    blocks.describe(BlockKind.Other, filled, plain && isText);
    return;
  }
  for (const [name, kind] of MARKABLE) {
    if (!document.textEquals(type, name)) continue;
    blocks.describe(kind, true, false);
    return;
  }
}
