import type { VendorError } from '../vendor-error.ts';
import { bad, type Block, type MessagesBody, type Turn } from './anthropic-body.ts';
import { isObject, type Json } from './chat-body.ts';

/** Rules about the order of messages and blocks (Messages reference and tool use guide). */

/** Ends with the call of a tool that the vendor itself runs. */
const endsInServerTool = (turn: Turn): boolean =>
  turn.role === 'assistant' && /^(server|mcp)_tool_use$/.test(turn.blocks.at(-1)?.type ?? '');

function checkTexts(blocks: readonly Block[], path: string): VendorError | null {
  for (const block of blocks) {
    if (block.type !== 'text') continue;
    const text = String(block['text']);
    if (text === '') return bad(`${path}: text content blocks must be non-empty`);
    if (text.trim() === '') return bad(`${path}: text content blocks must contain non-whitespace text`);
  }
  return null;
}

function checkRoles({ turns, claude }: MessagesBody): VendorError | null {
  for (const [index, turn] of turns.entries()) {
    const path = `messages.${index}`;
    if (turn.role === 'system') {
      if (!claude.lateSystem)
        return bad(
          'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as an input message role.',
        );
      const before = turns[index - 1];
      if (before === undefined) return bad(`${path}: the first message cannot have the role "system"`);
      if (before.role === 'assistant' && !endsInServerTool(before))
        return bad(`${path}: a message of role "system" must follow a user turn`);
    }
    if (turn.blocks.length === 0 && !(index === turns.length - 1 && turn.role === 'assistant'))
      return bad(
        `${path}: all messages must have non-empty content except for the optional final assistant message`,
      );
    for (const { type } of turn.blocks) {
      if (/^(tool_use|thinking|redacted_thinking)$/.test(type) && turn.role !== 'assistant')
        return bad(`${path}: \`${type}\` blocks can only be in \`assistant\` messages`);
      if (type === 'tool_result' && turn.role !== 'user')
        return bad(`${path}: \`tool_result\` blocks can only be in \`user\` messages`);
    }
  }
  return turns[0]?.role === 'user' ? null : bad('messages: first message must use the "user" role');
}

const idsOf = (turn: Turn | undefined, type: string, field: string): string[] =>
  (turn?.blocks ?? []).filter((block) => block.type === type).map((block) => String(block[field]));

/** The results a turn opens with. */
function leadingResults(turn: Turn | undefined): Set<string> {
  const blocks = turn?.blocks ?? [];
  const end = blocks.findIndex((block) => block.type !== 'tool_result');
  return new Set(
    blocks.slice(0, end === -1 ? blocks.length : end).map((block) => String(block['tool_use_id'])),
  );
}

function checkResults(turn: Turn, calls: readonly string[], path: string): VendorError | null {
  const results = idsOf(turn, 'tool_result', 'tool_use_id');
  const stray = results.find((id) => !calls.includes(id));
  if (stray !== undefined)
    return bad(
      `${path}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${stray}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
    );
  return new Set(results).size < results.length
    ? bad(`${path}: each tool_use must have a single result. Found multiple \`tool_result\` blocks.`)
    : null;
}

/**
 * Every call has its result at the head of the very next message of the user, and every result its call in the message before.
 * Messages of the assistant in a row are one (recorded); results in several messages of the user are refused all the same.
 */
function checkPairs(turns: readonly Turn[]): VendorError | null {
  let calls: string[] = [];
  for (const [index, turn] of turns.entries()) {
    const path = `messages.${index}`;
    if (turn.role === 'assistant') {
      const follows = turns[index - 1]?.role === 'assistant';
      calls = [...(follows ? calls : []), ...idsOf(turn, 'tool_use', 'id')];
      if (new Set(calls).size < calls.length) return bad(`${path}: \`tool_use\` ids must be unique`);
      if (turns[index + 1]?.role === 'assistant') continue;
      const answered = leadingResults(turns[index + 1]);
      const open = calls.filter((id) => !answered.has(id));
      if (open.length > 0)
        return bad(
          `${path}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
        );
    } else {
      const error = checkResults(turn, calls, path);
      if (error !== null) return error;
      calls = [];
    }
  }
  return null;
}

function checkPrefill({ turns, claude }: MessagesBody): VendorError | null {
  const last = turns.at(-1);
  if (last?.role !== 'assistant' || endsInServerTool(last) || last.blocks.at(-1)?.type === 'compaction')
    return null;
  if (!claude.prefill)
    return bad(
      'This model does not support assistant message prefill. The conversation must end with a user message.',
    );
  const end = last.blocks.at(-1);
  const text = end?.type === 'text' ? String(end['text']) : '';
  return text.trimEnd() === text
    ? null
    : bad('messages: final assistant content cannot end with trailing whitespace');
}

const cites = (block: Json): boolean =>
  block['type'] === 'text' && Array.isArray(block['citations']) && block['citations'].length > 0;

/** Version 2026-10-21: documents are the user's, citations the assistant's. */
function checkStrictly({ turns, strict }: MessagesBody): VendorError | null {
  if (!strict) return null;
  for (const [index, { role, blocks }] of turns.entries()) {
    for (const [blockIndex, block] of blocks.entries()) {
      const path = `messages.${index}.content.${blockIndex}`;
      if (role === 'assistant' && block.type === 'document')
        return bad(`${path}: \`document\` blocks are not permitted in \`assistant\` messages`);
      const { content } = block;
      const inner = block.type === 'search_result' && Array.isArray(content) ? content.filter(isObject) : [];
      if (role === 'user' && [block, ...inner].some(cites))
        return bad(`${path}: \`citations\` are not permitted on \`text\` blocks in \`user\` messages`);
    }
  }
  return null;
}

/** What is wrong with the order of the messages and blocks. */
export function turnsRefusal(body: MessagesBody): VendorError | null {
  for (const turn of body.turns) {
    const error = checkTexts(turn.blocks, 'messages');
    if (error !== null) return error;
  }
  return (
    checkTexts(body.system, 'system') ??
    checkRoles(body) ??
    checkPrefill(body) ??
    checkPairs(body.turns) ??
    checkStrictly(body)
  );
}
