import type { Answer } from '../answers.ts';
import type { Boundary, CachePrompt } from '../cache/types.ts';
import { canonicalModel } from '../prices.ts';
import type { TokenWriter } from '../tokens.ts';
import {
  type ChatBody,
  type ChatMessage,
  functionOf,
  isObject,
  type Json,
  textOfParts,
  toolCallsOf,
} from './chat-body.ts';

const BEGIN = 0;
const EFFORT = 1;
const SYSTEM = 2;
const TOOL = 3;
const SCHEMA = 4;
const USER = 5;
const RESULT = 6;
const ASSISTANT = 7;
const THINK = 8;
const THOUGHT = 9;
const CALL = 10;
const PARAMETER = 11;
const END = 12;

/** What an image or a file is worth here. */
const ATTACHMENT_TOKENS = 256;
/** Content parts are joined by a blank line, so one string and two parts are different prompts. */
const PART_SEPARATOR = '\n\n';
/** Other names of the efforts. */
const EFFORTS: ReadonlyMap<unknown, string> = new Map([
  ['minimal', 'low'],
  ['low', 'low'],
  ['max', 'max'],
  ['ultra', 'max'],
]);

function renderContent(writer: TokenWriter, content: unknown): void {
  writer.text(textOfParts(content, PART_SEPARATOR));
  if (!Array.isArray(content)) return;
  for (const part of content) {
    if (isObject(part) && typeof part['text'] !== 'string')
      writer.opaque(JSON.stringify(part), ATTACHMENT_TOKENS);
  }
}

/** Arguments are parsed and written again parameter by parameter: whitespace is lost, key order is not. */
function renderCall(writer: TokenWriter, name: string, text: string): void {
  writer.control(CALL);
  writer.text(name);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = text;
  }
  if (!isObject(parsed)) {
    writer.text(text);
    return;
  }
  for (const [key, value] of Object.entries(parsed)) {
    writer.control(PARAMETER);
    writer.text(key);
    writer.text(typeof value === 'string' ? value : JSON.stringify(value));
  }
}

interface Said {
  readonly reasoning: string | null;
  readonly content: unknown;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
}

/** What follows the header of an assistant turn. */
function renderSaid(writer: TokenWriter, said: Said): void {
  if (said.reasoning !== null) {
    writer.text(said.reasoning);
    writer.control(THOUGHT);
  }
  renderContent(writer, said.content);
  for (const call of said.calls) renderCall(writer, call.name, call.arguments);
  writer.control(END);
}

const opening = (reasoning: string | null): number => (reasoning === null ? THOUGHT : THINK);

function renderAssistant(writer: TokenWriter, said: Said): void {
  writer.control(ASSISTANT);
  writer.control(opening(said.reasoning));
  renderSaid(writer, said);
}

/** Earlier reasoning is dropped unless the request has tools. */
function saidIn(message: ChatMessage, keepReasoning: boolean): Said {
  const reasoning = message['reasoning_content'];
  const calls = toolCallsOf(message).map((call) => functionOf(call));
  return {
    reasoning: keepReasoning && typeof reasoning === 'string' ? reasoning : null,
    content: message['content'],
    calls: calls.map(({ name, arguments: text }) => ({ name: String(name), arguments: String(text) })),
  };
}

/** Results are sorted by the order of the calls they answer. */
function sortedResults(results: readonly ChatMessage[], calls: readonly Json[]): readonly ChatMessage[] {
  const position = new Map(calls.map((call, index) => [call['id'], index]));
  const of = (message: ChatMessage): number => position.get(message['tool_call_id']) ?? calls.length;
  return [...results].sort((a, b) => of(a) - of(b));
}

function renderHead(writer: TokenWriter, body: ChatBody, thinking: boolean): number {
  const { json, messages } = body;
  writer.control(BEGIN);
  if (thinking) {
    writer.control(EFFORT);
    writer.text(EFFORTS.get(json['reasoning_effort']) ?? 'high');
  }
  writer.control(SYSTEM);
  const hasSystem = messages[0]?.role === 'system' || messages[0]?.role === 'developer';
  if (hasSystem) renderContent(writer, messages[0]?.['content']);
  for (const tool of body.tools) {
    writer.control(TOOL);
    writer.text(JSON.stringify(functionOf(tool)));
  }
  const format = json['response_format'];
  if (isObject(format) && format['type'] !== 'text') {
    writer.control(SCHEMA);
    writer.text(JSON.stringify(format));
  }
  return hasSystem ? 1 : 0;
}

/**
 * The prompt in the order of DeepSeek's public encoder for V4.1: effort line, system text, tools (keys in the client's order),
 * schema, then the turns, tool results folded into the user's; and after it the answer, as the next request will render it.
 */
export function renderDeepseek(
  writer: TokenWriter,
  body: ChatBody,
  options: { readonly account: string; readonly thinking: boolean; readonly answer: Answer },
): CachePrompt {
  const { json, messages } = body;
  const keepReasoning = options.thinking && body.tools.length > 0;
  const boundaries: Boundary[] = [];
  writer.clear();
  let index = renderHead(writer, body, options.thinking);
  if (index > 0) boundaries.push({ tokens: writer.length, kind: 'developer' });
  let calls: readonly Json[] = [];
  while (index < messages.length) {
    const message = messages[index++];
    if (message === undefined) break;
    if (message.role === 'tool') {
      const results = [message];
      while (messages[index]?.role === 'tool') results.push(messages[index++]!);
      writer.control(USER);
      for (const result of sortedResults(results, calls)) {
        writer.control(RESULT);
        renderContent(writer, result['content']);
      }
    } else if (message.role === 'assistant') {
      calls = toolCallsOf(message);
      renderAssistant(writer, saidIn(message, keepReasoning));
    } else {
      writer.control(message.role === 'user' ? USER : SYSTEM);
      renderContent(writer, message['content']);
    }
    boundaries.push({ tokens: writer.length, kind: 'message' });
  }

  const { answer } = options;
  const inputTokens = writer.length;
  const reasoning = answer.reasoning?.text ?? null;
  writer.control(ASSISTANT);
  writer.control(opening(reasoning));
  const promptTokens = writer.length;
  renderSaid(writer, {
    reasoning,
    content: answer.content?.text ?? '',
    calls: answer.toolCalls.map((call) => ({ name: call.name, arguments: call.arguments.text })),
  });
  const user = json['user_id'];
  return {
    tokens: writer.tokens,
    inputTokens,
    promptTokens,
    boundaries,
    scope: JSON.stringify([
      options.account,
      typeof user === 'string' ? user : null,
      canonicalModel(body.model),
    ]),
    cacheKey: '',
    explicitMarks: false,
    extendedRetention: false,
    marked: null,
  };
}
