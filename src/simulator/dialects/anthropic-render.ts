import type { CachePrompt, PromptBlock } from '../cache/types.ts';
import { canonicalModel } from '../prices.ts';
import type { TokenWriter } from '../tokens.ts';
import { type Block, isClientTool, type MessagesBody, type Turn } from './anthropic-body.ts';
import type { Marks } from './anthropic-marks.ts';
import { outputConfig, type ThinkingSetting, toolChoiceOf } from './anthropic-rules.ts';
import { isObject, type Json } from './chat-body.ts';

const TOOL = 0;
const SYSTEM = 1;
const TEXT = 2;
const CALL = 3;
const RESULT = 4;
const FAILED = 5;
const THINKING = 6;
const OTHER = 7;
const ROLES: Readonly<Record<Turn['role'], number>> = { user: 8, assistant: 9, system: 10 };

/** What an image or a document is worth here. */
const ATTACHMENT_TOKENS = 256;

/** Everything of a request that its prompt is made of. */
export interface RenderedRequest {
  readonly body: MessagesBody;
  readonly marks: Marks;
  readonly thinking: ThinkingSetting;
  /** Thinking blocks the model sees, with their tokens. */
  readonly kept: ReadonlyMap<Block, number>;
}

/** A value without marks; the order of its fields is the client's. */
const unmarked = (value: Json): string => {
  const { cache_control: _, ...rest } = value;
  return JSON.stringify(rest);
};

/** The fields of the wrapper in one order, the schema in the client's: its keys are part of the prompt. */
function renderTool(writer: TokenWriter, tool: Json): void {
  writer.control(TOOL);
  const { name, description, input_schema: schema, cache_control: _, ...others } = tool;
  writer.text(String(name));
  if (typeof description === 'string') writer.text(description);
  writer.text(JSON.stringify(schema ?? null));
  const settings = Object.entries(others).sort(([a], [b]) => (a < b ? -1 : 1));
  if (settings.length > 0) writer.text(JSON.stringify(settings));
}

/** A string and one text block are the same prompt. */
function renderParts(writer: TokenWriter, content: unknown): void {
  if (typeof content === 'string') renderPart(writer, { type: 'text', text: content });
  else if (Array.isArray(content)) for (const part of content) if (isObject(part)) renderPart(writer, part);
}

function renderPart(writer: TokenWriter, block: Json): void {
  switch (block['type']) {
    case 'text':
      writer.control(TEXT);
      writer.text(String(block['text']));
      return;
    case 'tool_use':
      writer.control(CALL);
      writer.text(String(block['name']));
      writer.text(JSON.stringify(block['input']));
      return;
    case 'tool_result':
      writer.control(block['is_error'] === true ? FAILED : RESULT);
      renderParts(writer, block['content']);
      return;
    case 'image':
    case 'document':
      writer.control(OTHER);
      writer.opaque(unmarked(block), ATTACHMENT_TOKENS);
      return;
    default:
      writer.control(OTHER);
      writer.text(unmarked(block));
  }
}

/** First turn whose thinking is still in the prompt: older models forget it with the next turn of the user's own. */
function thinkingFrom({ turns, claude }: MessagesBody): number {
  if (claude.keepsThinking) return 0;
  return turns.findLastIndex(
    ({ role, blocks }) => role === 'user' && blocks.some((block) => block.type !== 'tool_result'),
  );
}

const someBlock = (body: MessagesBody, test: (block: Json) => boolean): boolean =>
  body.turns.some(({ blocks }) =>
    blocks.some(
      (block) =>
        test(block) || (Array.isArray(block['content']) && block['content'].filter(isObject).some(test)),
    ),
  );

/**
 * Settings that are part of the prefix, by the level they spoil (guide "Prompt caching", "What invalidates the cache"):
 *
 *   all levels   model, output schema; on models that think adaptively also thinking and effort
 *   system on    web search, citations, speed
 *   messages     tool choice, images anywhere, thinking and effort
 */
function saltsOf({ body, thinking }: RenderedRequest): { all: string; system: string; messages: string } {
  const { json, claude } = body;
  const mind = [thinking.mode, claude.effort ? thinking.effort : '', thinking.budgetTokens];
  const webSearch = body.tools.filter((tool) => isWebSearch(tool)).map(unmarked);
  const cites = someBlock(
    body,
    (block) => isObject(block['citations']) && block['citations']['enabled'] === true,
  );
  const system = JSON.stringify([webSearch, cites, json['speed'] ?? 'standard']);
  const choice = toolChoiceOf(body);
  const images = someBlock(body, (block) => block['type'] === 'image');
  const asked = [
    choice['type'] ?? 'auto',
    choice['name'] ?? '',
    choice['disable_parallel_tool_use'] === true,
  ];
  return {
    all: JSON.stringify([outputConfig(body)['format'] ?? null, claude.budgetThinking ? null : mind]),
    system,
    messages: system + JSON.stringify([asked, images, mind]),
  };
}

const isWebSearch = (tool: Json): boolean =>
  !isClientTool(tool) && String(tool['type']).startsWith('web_search');

/** The prompt in the vendor's order: tools, system, messages. Ids are not rendered, whether they are is not published. */
export function renderAnthropic(writer: TokenWriter, request: RenderedRequest, account: string): CachePrompt {
  const { body, marks, kept } = request;
  const salts = saltsOf(request);
  const blocks: PromptBlock[] = [];
  let position = -1;
  let run = '';
  const end = (carrier: Json, salt: string): void => {
    const { type } = carrier;
    const isRun = type === 'tool_use' || type === 'tool_result';
    if (!isRun || type !== run) position++;
    run = isRun ? type : '';
    blocks.push({ tokens: writer.length, position, salt, ttlMs: marks.get(carrier) ?? 0 });
  };

  writer.clear();
  for (const tool of body.tools) {
    // Deferred tools are not in the prompt until they are found; switching web search on or off spares the other tools.
    if (tool['defer_loading'] === true) continue;
    if (!isWebSearch(tool)) renderTool(writer, tool);
    end(tool, '');
  }
  if (body.system.length > 0) writer.control(SYSTEM);
  for (const block of body.system) {
    renderPart(writer, block);
    end(block, salts.system);
  }
  const firstThinking = thinkingFrom(body);
  let role = '';
  for (const [index, turn] of body.turns.entries()) {
    if (turn.role !== role) writer.control(ROLES[turn.role]);
    ({ role } = turn);
    for (const block of turn.blocks) {
      if (block.type === 'thinking') {
        const tokens = kept.get(block);
        if (tokens === undefined || index < firstThinking) continue;
        writer.control(THINKING);
        writer.opaque(String(block['signature']), tokens);
      } else {
        renderPart(writer, block);
      }
      end(block, salts.messages);
    }
  }
  if (role !== 'assistant') writer.control(ROLES.assistant);
  return {
    tokens: writer.tokens,
    inputTokens: writer.length,
    promptTokens: writer.length,
    boundaries: [],
    scope: JSON.stringify([account, canonicalModel(body.model), salts.all]),
    cacheKey: '',
    explicitMarks: true,
    extendedRetention: false,
    marked: { blocks, minTokens: body.claude.minCacheTokens },
  };
}
