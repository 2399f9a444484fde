import type { Boundary, CachePrompt } from '../cache/types.ts';
import { canonicalModel } from '../prices.ts';
import type { TokenWriter } from '../tokens.ts';
import {
  type ChatBody,
  type ChatMessage,
  functionOf,
  isObject,
  type Json,
  toolCallsOf,
} from './chat-body.ts';
import { hasExtendedRetention } from './openai-rules.ts';

const SCHEMA = 0;
const TOOL = 1;
const END = 2;
const PART = 3;
const CALL = 4;
const ROLES: ReadonlyMap<string, number> = new Map([
  ['system', 8],
  ['developer', 9],
  ['user', 10],
  ['assistant', 11],
  ['tool', 12],
  ['function', 13],
]);
const ASSISTANT = 11;

/** What an image, a sound or a file is worth here. */
const ATTACHMENT_TOKENS = 256;
/** Further settings that are part of the prefix (guide "Prompt caching", diagnosis reasons). */
const SETTINGS = ['parallel_tool_calls', 'reasoning_effort', 'verbosity', 'service_tier'] as const;

function renderPart(writer: TokenWriter, part: Json): void {
  writer.control(PART);
  if (typeof part['text'] === 'string') writer.text(part['text']);
  else if (typeof part['refusal'] === 'string') writer.text(part['refusal']);
  else {
    const { prompt_cache_breakpoint: _, ...attachment } = part;
    writer.opaque(JSON.stringify(attachment), ATTACHMENT_TOKENS);
  }
}

function renderMessage(writer: TokenWriter, message: ChatMessage, boundaries: Boundary[]): void {
  writer.control(ROLES.get(message.role) ?? ASSISTANT);
  const { content, name } = message;
  if (typeof name === 'string') writer.text(name);
  if (typeof content === 'string') writer.text(content);
  else if (Array.isArray(content)) {
    for (const part of content) {
      if (!isObject(part)) continue;
      renderPart(writer, part);
      const mark = part['prompt_cache_breakpoint'];
      if (isObject(mark) && mark['mode'] === 'explicit')
        boundaries.push({ tokens: writer.length, kind: 'mark' });
    }
  }
  for (const call of toolCallsOf(message)) {
    writer.control(CALL);
    const { name: called, arguments: text } = functionOf(call);
    writer.text(String(called));
    writer.text(String(text));
  }
  writer.control(END);
}

const isInstruction = (message: ChatMessage | undefined): boolean =>
  message?.role === 'system' || message?.role === 'developer';

/**
 * The prompt as OpenAI's models see it, as far as the vendor tells: tools and schema, then the messages in order. The order of
 * tools and schema is not published; neither is the order of keys, so the client's counts. Ids are not rendered.
 */
export function renderOpenai(writer: TokenWriter, body: ChatBody, account: string): CachePrompt {
  const { json, messages, model } = body;
  const boundaries: Boundary[] = [];
  writer.clear();
  for (const tool of body.tools) {
    writer.control(TOOL);
    writer.text(JSON.stringify(tool));
  }
  const format = json['response_format'];
  if (isObject(format) && format['type'] === 'json_schema') {
    writer.control(SCHEMA);
    writer.text(JSON.stringify(format));
  }
  let leading = true;
  for (const [index, message] of messages.entries()) {
    leading &&= isInstruction(message);
    renderMessage(writer, message, boundaries);
    const next = messages[index + 1];
    const endsInstructions = leading && !isInstruction(next);
    const endsResults = message.role === 'tool' && next?.role !== 'tool';
    if (endsInstructions) boundaries.push({ tokens: writer.length, kind: 'developer' });
    else if (message.role === 'user' || endsResults)
      boundaries.push({ tokens: writer.length, kind: 'message' });
  }
  const inputTokens = writer.length;
  writer.control(ASSISTANT);
  const options = isObject(json['prompt_cache_options']) ? json['prompt_cache_options'] : {};
  const key = json['prompt_cache_key'];
  const retention = json['prompt_cache_retention'];
  return {
    tokens: writer.tokens,
    inputTokens,
    promptTokens: writer.length,
    boundaries,
    scope: JSON.stringify([account, canonicalModel(model), ...SETTINGS.map((name) => json[name] ?? null)]),
    cacheKey: typeof key === 'string' ? key : '',
    explicitMarks: options['mode'] === 'explicit',
    extendedRetention: retention === undefined ? hasExtendedRetention(model) : retention === '24h',
    marked: null,
  };
}
