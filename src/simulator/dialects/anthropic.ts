import type { Conversation, ToolChoice } from '../conversation.ts';
import { TokenWriter } from '../tokens.ts';
import { isVendorError, type VendorError, vendorError } from '../vendor-error.ts';
import {
  type Block,
  LATEST_VERSION,
  type MessagesBody,
  readMessagesBody,
  type Turn,
} from './anthropic-body.ts';
import { marksOf } from './anthropic-marks.ts';
import { type RenderedRequest, renderAnthropic } from './anthropic-render.ts';
import {
  clientTools,
  isForced,
  rulesRefusal,
  type ThinkingSetting,
  thinkingSetting,
  toolChoiceOf,
} from './anthropic-rules.ts';
import {
  type CheckedThinking,
  checkThinking,
  dropsForeignThinking,
  thinkingBlocks,
} from './anthropic-thinking.ts';
import { turnsRefusal } from './anthropic-turns.ts';
import { AnthropicWriter, messageId, PING_EVENT } from './anthropic-writer.ts';
import { type Json, textOfParts } from './chat-body.ts';
import { namedEvent } from './sse.ts';
import type { Call, Dialect, Headers } from './types.ts';

const VERSIONS = new Set(['2023-06-01', LATEST_VERSION]);

/** Error types by status. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** Either header will do, `x-api-key` before the other, and the same key is the same account. */
function account(headers: Headers): string | VendorError {
  const bearer = /^bearer +(.+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? '';
  const key = headers.get('x-api-key') ?? bearer;
  if (key === '') return vendorError(401, 'x-api-key header is required');
  const version = headers.get('anthropic-version');
  if (version === undefined) return vendorError(400, 'anthropic-version: header is required');
  return VERSIONS.has(version)
    ? key
    : vendorError(400, `anthropic-version: "${version}" is not a valid version`);
}

/** Text a hash of who said what is made of; blind to marks, ids, thinking and the spelling of the JSON. */
function saidIn(block: Block): string {
  if (block.type === 'tool_use') return `\0${String(block['name'])}\0${JSON.stringify(block['input'])}`;
  return block.type === 'tool_result' ? textOfParts(block['content'], '\0') : textOfParts([block], '\0');
}

function hashOf(body: MessagesBody): bigint {
  let hash = 0n;
  const add = (role: string, block: Block): void => {
    hash = Bun.hash.xxHash3(`${role}\0${saidIn(block)}`, hash);
  };
  for (const block of body.system) add('system', block);
  for (const { role, blocks } of body.turns) {
    for (const block of blocks) if (!block.type.endsWith('thinking')) add(role, block);
  }
  return hash;
}

const CHOICES: Readonly<Record<string, ToolChoice>> = { any: 'required', none: 'none' };

function toolChoice(choice: Json): ToolChoice {
  const { type, name } = choice;
  return type === 'tool' ? { name: String(name) } : (CHOICES[String(type)] ?? 'auto');
}

const isResult = (block: Block): boolean => block.type === 'tool_result';

type LastWords = Pick<Conversation, 'userText' | 'toolResults' | 'askedText' | 'callRounds'>;

/** What the user said last and which results the conversation ends with; text after results counts, not they. */
function lastWords(turns: readonly Turn[]): LastWords {
  const last = turns.findLast(({ role }) => role !== 'system');
  const asked = turns.findLastIndex(({ role, blocks }) => role === 'user' && !blocks.every(isResult));
  const askedText = textOfParts(
    turns[asked]?.blocks.filter((block) => !isResult(block)),
    '\n',
  );
  const calls = turns.slice(asked + 1).filter(({ blocks }) => blocks.some(({ type }) => type === 'tool_use'));
  const words = { askedText, callRounds: calls.length };
  if (last?.role !== 'user') return { userText: null, toolResults: [], ...words };
  return last.blocks.every(isResult)
    ? {
        userText: null,
        toolResults: last.blocks.map((block) => textOfParts(block['content'], '\n')),
        ...words,
      }
    : { userText: askedText, toolResults: [], ...words };
}

/** Thinks before this very answer. */
function thinks(setting: ThinkingSetting, choice: Json, afterResults: boolean): boolean {
  if (isForced(choice)) return false;
  return setting.mode === 'between_tools' ? afterResults : setting.mode !== 'disabled';
}

function conversationOf(
  body: MessagesBody,
  setting: ThinkingSetting,
  checked: CheckedThinking,
  beta: string,
): Conversation {
  const { json } = body;
  const choice = toolChoiceOf(body);
  const last = lastWords(body.turns);
  return {
    model: body.model,
    hash: hashOf(body),
    ...last,
    tools: clientTools(body).map((tool) => ({ name: String(tool['name']), schema: tool['input_schema'] })),
    toolChoice: toolChoice(choice),
    parallelToolCalls: choice['disable_parallel_tool_use'] !== true,
    thinking: thinks(setting, choice, last.toolResults.length > 0),
    thinkingBlocks: thinkingBlocks(checked, setting, beta),
    choices: 1,
    maxOutputTokens: body.maxTokens,
    maxPromptTokens: body.claude.maxPromptTokens,
    stopSequences: Array.isArray(json['stop_sequences']) ? (json['stop_sequences'] as string[]) : [],
    stream: body.stream,
    streamUsage: true,
    obfuscation: true,
  };
}

const betaOf = (headers: Headers): string => headers.get('anthropic-beta') ?? '';

/** Reads and judges a body. `counting`: for counting its tokens only. */
function readRequest(
  json: Json,
  headers: Headers,
  counting: boolean,
): { readonly request: RenderedRequest; readonly checked: CheckedThinking } | VendorError {
  const beta = betaOf(headers);
  const body = readMessagesBody(json, { counting, version: headers.get('anthropic-version') ?? '' });
  if (isVendorError(body)) return body;
  const refusal = turnsRefusal(body) ?? rulesRefusal(body, beta);
  if (refusal !== null) return refusal;
  const marks = marksOf(body);
  if (isVendorError(marks)) return marks;
  const checked = checkThinking(body, dropsForeignThinking(body, beta));
  if (isVendorError(checked)) return checked;
  const thinking = thinkingSetting(body);
  const kept = thinking.mode === 'disabled' ? new Map<Block, number>() : checked.kept;
  return { request: { body, marks, thinking, kept }, checked };
}

function read(json: Json, headers: Headers): Call | VendorError {
  const found = readRequest(json, headers, false);
  if (isVendorError(found)) return found;
  const { request, checked } = found;
  return {
    conversation: conversationOf(request.body, request.thinking, checked, betaOf(headers)),
    render: (writer, _answer, payer) => renderAnthropic(writer, request, payer),
  };
}

/** The answer of `/v1/messages/count_tokens`. */
export function countMessageTokens(
  json: Json,
  headers: Headers,
): { readonly input_tokens: number } | VendorError {
  const found = readRequest(json, headers, true);
  if (isVendorError(found)) return found;
  return { input_tokens: renderAnthropic(new TokenWriter(), found.request, '').promptTokens };
}

const errorJson = (type: string, message: string, id: string): string =>
  JSON.stringify({ type: 'error', error: { type, message }, request_id: `req_01Sim${id}` });

export const anthropicDialect: Dialect = {
  name: 'anthropic',
  account,
  read,
  answer: (frame) => new AnthropicWriter(frame),
  answerId: messageId,
  keepAlive: PING_EVENT,
  // What ends a stream that had begun well is a lack of capacity.
  errorEvent: (_error, id) => namedEvent('error', errorJson('overloaded_error', 'Overloaded', id)),
  errorBody: (error, id) => {
    const fallback = error.status >= 500 ? 'api_error' : 'invalid_request_error';
    return errorJson(TYPES[error.status] ?? fallback, error.message, id);
  },
  headers: (id) =>
    `request-id: req_01Sim${id}\r\nanthropic-organization-id: 00000000-0000-4000-8000-000000000000\r\n`,
};
