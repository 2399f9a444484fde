import type { Conversation, ToolChoice, ToolSpec } from '../conversation.ts';
import { type VendorError, vendorError } from '../vendor-error.ts';
import type { Headers } from './types.ts';

/** Chat Completions, as far as the simulator reads it; both vendors speak it. */

export type Json = Readonly<Record<string, unknown>>;

export interface ChatMessage extends Json {
  readonly role: string;
}

/** A body whose shape has been checked. */
export interface ChatBody {
  readonly json: Json;
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly Json[];
  readonly stream: boolean;
  readonly streamOptions: Json;
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function']);
const TOOL_NAME = /^[a-zA-Z0-9_-]+$/;
const MAX_CHOICES = 128;

const missing = (param: string): VendorError =>
  vendorError(400, `Missing required parameter: '${param}'.`, 'missing_required_parameter', param);
const wrong = (param: string, expected: string): VendorError =>
  vendorError(400, `Invalid type for '${param}': expected ${expected}.`, 'invalid_type', param);

const NO_CREDENTIALS: VendorError = vendorError(
  401,
  "You didn't provide an API key. Provide it in an Authorization header using Bearer auth (Authorization: Bearer YOUR_KEY).",
);

/** Credentials are required, whichever they are. */
export function bearerAccount(headers: Headers): string | VendorError {
  const authorization = headers.get('authorization') ?? '';
  return authorization === '' || /^bearer$/i.test(authorization) ? NO_CREDENTIALS : authorization;
}

/** The function of a tool or tool choice. */
export function functionOf(tool: Json): Json {
  return isObject(tool['function']) ? tool['function'] : {};
}

export function textOfParts(content: unknown, separator: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .filter(isObject)
    .map((part) => (typeof part['text'] === 'string' ? part['text'] : ''))
    .join(separator);
}

/** Tool calls of an assistant message. */
export function toolCallsOf(message: ChatMessage): Json[] {
  return Array.isArray(message['tool_calls']) ? message['tool_calls'].filter(isObject) : [];
}

function checkMessages(messages: readonly unknown[]): VendorError | null {
  for (const [index, message] of messages.entries()) {
    if (!isObject(message)) return wrong(`messages[${index}]`, 'an object');
    if (typeof message['role'] !== 'string') return missing(`messages[${index}].role`);
    if (!ROLES.has(message['role']))
      return vendorError(
        400,
        `Invalid value: '${message['role']}'.`,
        'invalid_value',
        `messages[${index}].role`,
      );
  }
  return checkToolResults(messages as readonly ChatMessage[]);
}

/** Each tool message answers a call of the assistant message before it, and each call is answered. */
function checkToolResults(messages: readonly ChatMessage[]): VendorError | null {
  let open = new Set<unknown>();
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (!open.delete(message['tool_call_id'])) {
        const text = "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'.";
        return vendorError(400, text, null, `messages[${index}].role`);
      }
      continue;
    }
    if (open.size > 0) break;
    open = new Set(toolCallsOf(message).map((call) => call['id']));
  }
  if (open.size === 0) return null;
  const ids = [...open].join(', ');
  const text = `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. Missing: ${ids}`;
  return vendorError(400, text, null, 'messages');
}

/** `maxNameLength`: 64 at OpenAI, 128 at DeepSeek. */
function checkTools(tools: readonly unknown[], maxNameLength: number): VendorError | null {
  for (const [index, tool] of tools.entries()) {
    if (!isObject(tool)) return wrong(`tools[${index}]`, 'an object');
    if (tool['type'] !== 'function') continue;
    const { name } = functionOf(tool);
    const param = `tools[${index}].function.name`;
    if (typeof name !== 'string') return missing(param);
    if (name.length > maxNameLength || !TOOL_NAME.test(name))
      return vendorError(400, `Invalid '${param}': '${name.slice(0, 80)}'.`, 'invalid_value', param);
  }
  return null;
}

/** Checks what both vendors demand. */
export function readChatBody(json: Json, maxNameLength: number): ChatBody | VendorError {
  const { model, messages, tools, stream } = json;
  if (typeof model !== 'string' || model === '') return missing('model');
  if (!Array.isArray(messages)) return missing('messages');
  if (messages.length === 0)
    return vendorError(400, "Invalid 'messages': empty array.", 'empty_array', 'messages');
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean')
    return wrong('stream', 'a boolean');
  if (tools !== undefined && tools !== null && !Array.isArray(tools)) return wrong('tools', 'an array');
  const list: readonly unknown[] = Array.isArray(tools) ? tools : [];
  const error = checkMessages(messages) ?? checkTools(list, maxNameLength);
  if (error !== null) return error;
  if (isObject(json['stream_options']) && stream !== true) {
    const text = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    return vendorError(400, text, 'invalid_request', 'stream_options');
  }
  return {
    json,
    model,
    messages: messages as readonly ChatMessage[],
    tools: list as readonly Json[],
    stream: stream === true,
    streamOptions: isObject(json['stream_options']) ? json['stream_options'] : {},
  };
}

function toolChoiceOf(choice: unknown): ToolChoice {
  if (choice === 'none' || choice === 'required') return choice;
  if (!isObject(choice)) return 'auto';
  if (choice['type'] === 'allowed_tools' && isObject(choice['allowed_tools']))
    return choice['allowed_tools']['mode'] === 'required' ? 'required' : 'auto';
  const { name } = functionOf(choice);
  return typeof name === 'string' ? { name } : 'auto';
}

/** Names that `tool_choice: {type: "allowed_tools"}` leaves; null: all. */
function allowedNames(choice: unknown): Set<unknown> | null {
  if (!isObject(choice) || !isObject(choice['allowed_tools'])) return null;
  const { tools } = choice['allowed_tools'];
  return Array.isArray(tools)
    ? new Set(tools.filter(isObject).map((tool) => functionOf(tool)['name']))
    : null;
}

function toolSpecs(body: ChatBody): ToolSpec[] {
  const allowed = allowedNames(body.json['tool_choice']);
  const specs: ToolSpec[] = [];
  for (const tool of body.tools) {
    const { name, parameters } = functionOf(tool);
    if (typeof name === 'string' && (allowed === null || allowed.has(name)))
      specs.push({ name, schema: parameters });
  }
  return specs;
}

/** Says how to answer, not what to. */
const isInstruction = (role: unknown): boolean => role === 'system' || role === 'developer';

/** Results at the end of the conversation. */
function trailingResults(messages: readonly ChatMessage[]): string[] {
  const results: string[] = [];
  for (let index = messages.length - 1; messages[index]?.role === 'tool'; index--) {
    results.unshift(textOfParts(messages[index]?.['content'], '\n'));
  }
  return results;
}

/** Identity of who said what; blind to marks, ids and the spelling of the JSON. */
function hashOf(messages: readonly ChatMessage[]): bigint {
  let hash = 0n;
  for (const message of messages) {
    const calls = toolCallsOf(message).map((call) => functionOf(call));
    const said = calls.map(({ name, arguments: text }) => `\0${String(name)}\0${String(text)}`).join('');
    hash = Bun.hash.xxHash3(`${message.role}\0${textOfParts(message['content'], '\0')}${said}`, hash);
  }
  return hash;
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) ? value : null;
}

/** `maxOutputTokens`, `thinking`: as the vendor reads them. */
export function conversationOf(
  body: ChatBody,
  vendor: { readonly maxOutputTokens: number; readonly thinking: boolean },
): Conversation | VendorError {
  const { json, messages } = body;
  const said = messages.slice(0, messages.findLastIndex(({ role }) => !isInstruction(role)) + 1);
  const last = said.at(-1);
  const asked = said.findLastIndex(({ role }) => role === 'user');
  const choices = json['n'] === undefined || json['n'] === null ? 1 : countOf(json['n']);
  if (choices === null || choices < 1 || choices > MAX_CHOICES)
    return vendorError(400, `Invalid 'n': expected 1 to ${MAX_CHOICES}.`, 'integer_out_of_range', 'n');
  if (vendor.maxOutputTokens < 1)
    return vendorError(400, 'Invalid token limit: at least 1.', 'integer_below_min_value', 'max_tokens');
  const toolChoice = toolChoiceOf(json['tool_choice']);
  const tools = toolSpecs(body);
  if (typeof toolChoice === 'object' && !tools.some((tool) => tool.name === toolChoice.name))
    return vendorError(400, `Tool choice '${toolChoice.name}' not found in 'tools'.`, null, 'tool_choice');
  return {
    model: body.model,
    hash: hashOf(messages),
    userText: last?.role === 'user' ? textOfParts(last['content'], '\n') : null,
    toolResults: trailingResults(said),
    askedText: asked < 0 ? '' : textOfParts(said[asked]?.['content'], '\n'),
    callRounds: said.slice(asked + 1).filter((message) => toolCallsOf(message).length > 0).length,
    tools,
    toolChoice,
    parallelToolCalls: json['parallel_tool_calls'] !== false,
    thinking: vendor.thinking,
    thinkingBlocks: null,
    choices,
    maxOutputTokens: vendor.maxOutputTokens,
    maxPromptTokens: Infinity,
    stopSequences: [],
    stream: body.stream,
    streamUsage: body.streamOptions['include_usage'] === true,
    obfuscation: body.streamOptions['include_obfuscation'] !== false,
  };
}

/** The bound of the output: the first of `names` that is given. */
export function tokenLimit(json: Json, names: readonly string[]): number | VendorError {
  for (const name of names) {
    const value = json[name];
    if (value === undefined || value === null) continue;
    return countOf(value) ?? wrong(name, 'an integer');
  }
  return Infinity;
}
