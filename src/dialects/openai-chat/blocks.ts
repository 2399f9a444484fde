import { Kind, type JsonDocument } from '../../std/json/document.ts';
import { BlockKind, type BlockList } from '../block-list.ts';
import { MARK_KEY, Ttl, ttlOf } from '../cache-mark.ts';
import { Role, type RequestFacts } from '../request-facts.ts';

/**
 * Fills `blocks` and the marks of `tools` of a Chat Completions request for a host that hands Claude models on and takes
 * Anthropic's marks (OpenRouter guide "Prompt caching"): on text parts of any message, and in the place of a string, which
 * that host turns into a text block as it does a text part.
 */
export function locateBlocks(document: JsonDocument, request: RequestFacts): void {
  const { blocks, messages, parts, roles, tools } = request;
  blocks.clear();
  for (let index = 0; index < messages.length; index++) {
    const message = messages.at(index);
    const role = roles.at(index);
    const kind = role === Role.Tool || role === Role.Function ? BlockKind.ToolResult : BlockKind.Other;
    const before = blocks.length;
    if (parts.at(index) >= 0) locateParts(document, blocks, parts.at(index), index, kind);
    else locateString(document, blocks, document.member(message, 'content'), index, kind);
    if (role === Role.Assistant) locateCalls(document, blocks, message, index);
    // No part of the vendor's dialect, but some clients write it, and it may count as one of the marks.
    const mark = document.member(message, MARK_KEY);
    if (mark >= 0 && blocks.length > before && ttlOf(document, mark) !== Ttl.None)
      blocks.mark(-1, ttlOf(document, mark));
  }
  const automatic = document.member(0, MARK_KEY);
  request.automaticTtl = automatic < 0 ? Ttl.None : ttlOf(document, automatic);
  const nodes = Array.from({ length: tools.length }, (_, index) => tools.nodes.at(index));
  tools.clear();
  for (const tool of nodes) {
    const mark = document.member(tool, MARK_KEY);
    tools.push(document, tool, mark, true);
  }
}

function locateString(
  document: JsonDocument,
  blocks: BlockList,
  content: number,
  message: number,
  kind: number,
): void {
  if (content < 0 || document.kind(content) !== Kind.String) return;
  blocks.open(content, message);
  blocks.describe(kind, document.end(content) - document.start(content) > 2, true);
}

function locateParts(
  document: JsonDocument,
  blocks: BlockList,
  parts: number,
  message: number,
  kind: number,
): void {
  const end = document.next(parts);
  for (let part = parts + 1; part < end; part = document.next(part)) {
    let text = -1;
    let isText = false;
    let plain = true;
    let markable = true;
    blocks.open(part, message);
    const partEnd = document.next(part);
    for (let key = part + 1; key < partEnd; key = document.next(key + 1)) {
      const value = key + 1;
      if (document.textEquals(key, 'type'))
        isText = document.kind(value) === Kind.String && document.textEquals(value, 'text');
      else if (document.textEquals(key, 'text')) text = value;
      else if (document.textEquals(key, MARK_KEY)) {
        markable = false;
        if (document.kind(value) === Kind.Null) plain = false;
        else blocks.mark(value, ttlOf(document, value));
      } else plain = false;
    }
    const filled = isText && text >= 0 && document.end(text) - document.start(text) > 2;
    blocks.describe(
      isText || kind === BlockKind.ToolResult ? kind : BlockKind.Media,
      filled && markable,
      plain && filled,
    );
  }
}

function locateCalls(document: JsonDocument, blocks: BlockList, message: number, index: number): void {
  const calls = document.member(message, 'tool_calls');
  if (calls < 0 || document.kind(calls) !== Kind.Array) return;
  const end = document.next(calls);
  for (let call = calls + 1; call < end; call = document.next(call)) {
    blocks.open(call, index);
    blocks.describe(BlockKind.ToolCall, false, false);
  }
}
