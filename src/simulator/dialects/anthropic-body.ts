import { type VendorError, vendorError } from '../vendor-error.ts';
import { type ClaudeModel, claudeModel } from './anthropic-models.ts';
import { isObject, type Json } from './chat-body.ts';

/** The Messages API, as far as the simulator reads it: the shape of a body, before any rule about its content. */

export interface Block extends Json {
  readonly type: string;
}

export interface Turn {
  readonly role: 'user' | 'assistant' | 'system';
  /** A string is one text block: the vendor makes no difference. */
  readonly blocks: readonly Block[];
}

/** A body whose shape has been checked. */
export interface MessagesBody {
  readonly json: Json;
  readonly model: string;
  readonly claude: ClaudeModel;
  readonly tools: readonly Json[];
  readonly system: readonly Block[];
  readonly turns: readonly Turn[];
  /** `anthropic-version` 2026-10-21, which takes less (migration guide). */
  readonly strict: boolean;
  /** Infinity where only tokens are counted. */
  readonly maxTokens: number;
  readonly stream: boolean;
}

export const bad = (message: string): VendorError => vendorError(400, message);
const required = (path: string): VendorError => bad(`${path}: Field required`);
const wrong = (path: string, expected: string): VendorError => bad(`${path}: Input should be ${expected}`);
export const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** Fields that counting takes too; a call takes these and `CALL_FIELDS`. */
const COUNT_FIELDS =
  'model messages system tools tool_choice thinking output_config cache_control speed mcp_servers context_management container';
const CALL_FIELDS =
  'max_tokens stream stop_sequences metadata service_tier inference_geo diagnostics user_profile_id workspace_id';
/** Gone with version 2026-10-21. */
const SAMPLING_FIELDS = 'temperature top_p top_k';
const fields = (names: string): ReadonlySet<string> => new Set(names.split(' '));
const COUNTED = fields(COUNT_FIELDS);
const STRICTLY_CALLED = fields(`${COUNT_FIELDS} ${CALL_FIELDS}`);
const CALLED = fields(`${COUNT_FIELDS} ${CALL_FIELDS} ${SAMPLING_FIELDS}`);
const TURN = fields('role content');
const TOOL = fields(
  'type name description input_schema cache_control strict defer_loading eager_input_streaming input_examples allowed_callers',
);

/** Fields of each kind of block; what is not here is checked by its name alone. */
const BLOCKS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['text', fields('type text citations cache_control')],
  ['image', fields('type source transformations cache_control')],
  ['document', fields('type source title context citations cache_control')],
  ['search_result', fields('type source title content citations cache_control')],
  ['tool_use', fields('type id name input caller toolset_name cache_control')],
  ['tool_result', fields('type tool_use_id content is_error toolset_name cache_control')],
  ['thinking', fields('type thinking signature')],
  ['redacted_thinking', fields('type data')],
]);
/** Blocks of server tools and betas. */
const OTHER_BLOCKS =
  /^(server_tool_use|mcp_tool_use|[a-z_]+_tool_result|container_upload|compaction|tool_(addition|removal|reference))$/;
/** What must be a text in each kind of block. */
const TEXTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['text', ['text']],
  ['tool_use', ['id', 'name']],
  ['tool_result', ['tool_use_id']],
  ['thinking', ['thinking', 'signature']],
  ['redacted_thinking', ['data']],
]);
const MEDIA_TYPES = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);
const ROLES = new Set<unknown>(['user', 'assistant', 'system']);
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
export const TOOL_ID = /^[a-zA-Z0-9_-]+$/;
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,128}$/;
const MAX_TURNS = 100_000;

function unknownField(value: Json, known: ReadonlySet<string>, path: string): VendorError | null {
  const name = Object.keys(value).find((field) => !known.has(field));
  return name === undefined ? null : bad(`${path}${name}: Extra inputs are not permitted`);
}

function checkImage(source: unknown, path: string): VendorError | null {
  if (!isObject(source)) return required(`${path}.source`);
  if (source['type'] === 'url' || source['type'] === 'file') return null;
  if (source['type'] !== 'base64') return wrong(`${path}.source`, "one of 'base64', 'url', 'file'");
  if (!MEDIA_TYPES.has(String(source['media_type'])))
    return wrong(
      `${path}.source.base64.media_type`,
      "'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
    );
  if (typeof source['data'] !== 'string' || !BASE64.test(source['data']))
    return bad(`${path}.source.base64.data: The image was specified as base64 but could not be decoded`);
  return null;
}

function checkBlock(block: unknown, path: string): VendorError | null {
  if (!isObject(block)) return wrong(path, 'a valid dictionary');
  const { type } = block;
  if (typeof type !== 'string') return required(`${path}.type`);
  const known = BLOCKS.get(type);
  if (known === undefined) {
    if (OTHER_BLOCKS.test(type)) return null;
    const tags = [...BLOCKS.keys()].map((name) => `'${name}'`).join(', ');
    return bad(
      `${path}: Input tag '${type}' found using 'type' does not match any of the expected tags: ${tags}`,
    );
  }
  for (const name of TEXTS.get(type) ?? []) {
    if (block[name] === undefined) return required(`${path}.${type}.${name}`);
    if (typeof block[name] !== 'string') return wrong(`${path}.${type}.${name}`, 'a valid string');
  }
  const extra = unknownField(block, known, `${path}.${type}.`);
  if (extra !== null) return extra;
  if (type === 'image') return checkImage(block['source'], `${path}.image`);
  if (type === 'tool_use') {
    if (block['input'] === undefined) return required(`${path}.tool_use.input`);
    if (!isObject(block['input'])) return wrong(`${path}.tool_use.input`, 'a valid dictionary');
    if (!TOOL_ID.test(String(block['id'])))
      return bad(`${path}.tool_use.id: String should match pattern '${TOOL_ID.source}'`);
  }
  const { content } = block;
  if (type !== 'tool_result' || !isGiven(content) || typeof content === 'string') return null;
  return checkBlocks(content, `${path}.tool_result.content`);
}

function checkBlocks(content: unknown, path: string): VendorError | null {
  if (!Array.isArray(content)) return wrong(path, 'a valid list');
  for (const [index, block] of content.entries()) {
    const error = checkBlock(block, `${path}.${index}`);
    if (error !== null) return error;
  }
  return null;
}

function checkTurns(messages: unknown): VendorError | null {
  if (messages === undefined) return required('messages');
  if (!Array.isArray(messages)) return wrong('messages', 'a valid list');
  if (messages.length === 0) return bad('messages: at least one message is required');
  if (messages.length > MAX_TURNS) return bad(`messages: at most ${MAX_TURNS} messages are allowed`);
  for (const [index, message] of messages.entries()) {
    const path = `messages.${index}`;
    if (!isObject(message)) return wrong(path, 'a valid dictionary');
    if (!ROLES.has(message['role'])) {
      const given = message['role'];
      return given === undefined ? required(`${path}.role`) : wrong(`${path}.role`, "'user' or 'assistant'");
    }
    const { content } = message;
    if (content === undefined) return required(`${path}.content`);
    const error =
      unknownField(message, TURN, `${path}.`) ??
      (typeof content === 'string' ? null : checkBlocks(content, `${path}.content`));
    if (error !== null) return error;
  }
  return null;
}

/** A tool without a type, or of type `custom`, is the client's own; the others are the vendor's. */
export const isClientTool = (tool: Json): boolean => !isGiven(tool['type']) || tool['type'] === 'custom';

function checkTools(tools: readonly unknown[]): VendorError | null {
  const names = new Set<unknown>();
  for (const [index, tool] of tools.entries()) {
    if (!isObject(tool)) return wrong(`tools.${index}`, 'a valid dictionary');
    const path = `tools.${index}.custom`;
    const { name, input_schema: schema } = tool;
    if (names.has(name)) return bad('tools: Tool names must be unique.');
    names.add(name);
    if (!isClientTool(tool)) continue;
    if (name === undefined) return required(`${path}.name`);
    if (typeof name !== 'string' || !TOOL_NAME.test(name))
      return bad(`${path}.name: String should match pattern '${TOOL_NAME.source}'`);
    if (!isObject(schema)) return required(`${path}.input_schema`);
    if (schema['type'] !== 'object') return wrong(`${path}.input_schema.type`, "'object'");
    const extra = unknownField(tool, TOOL, `${path}.`);
    if (extra !== null) return extra;
    if (tool['defer_loading'] === true && isGiven(tool['cache_control']))
      return bad(`${path}: Tools with defer_loading=true cannot have cache_control set.`);
  }
  return null;
}

const blocksOf = (content: unknown): readonly Block[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : (content as readonly Block[]);

function checkMaxTokens(json: Json, model: string, claude: ClaudeModel): VendorError | null {
  const { max_tokens: limit } = json;
  if (limit === undefined) return required('max_tokens');
  if (typeof limit !== 'number' || !Number.isInteger(limit)) return wrong('max_tokens', 'a valid integer');
  if (limit < 0) return wrong('max_tokens', 'greater than or equal to 0');
  if (limit <= claude.maxOutputTokens) return null;
  return bad(
    `max_tokens: ${limit} > ${claude.maxOutputTokens}, which is the maximum allowed number of output tokens for ${model}`,
  );
}

/** What the path and the headers say about a body. */
export interface BodyOptions {
  /** For `/v1/messages/count_tokens`, which takes no settings of the output. */
  readonly counting: boolean;
  /** `anthropic-version`. */
  readonly version: string;
}

export const LATEST_VERSION = '2026-10-21';

export function readMessagesBody(json: Json, { counting, version }: BodyOptions): MessagesBody | VendorError {
  const { model, messages, system, tools, stream, max_tokens: limit } = json;
  if (model === undefined) return required('model');
  if (typeof model !== 'string') return wrong('model', 'a valid string');
  const claude = claudeModel(model);
  if (claude === null) return vendorError(404, `model: ${model}`);
  if (isGiven(tools) && !Array.isArray(tools)) return wrong('tools', 'a valid list');
  if (isGiven(stream) && typeof stream !== 'boolean') return wrong('stream', 'a valid boolean');
  const strict = version === LATEST_VERSION;
  const known = strict ? STRICTLY_CALLED : CALLED;
  const toolList: readonly unknown[] = Array.isArray(tools) ? tools : [];
  const error =
    (counting ? null : checkMaxTokens(json, model, claude)) ??
    checkTurns(messages) ??
    (isGiven(system) && typeof system !== 'string' ? checkBlocks(system, 'system') : null) ??
    checkTools(toolList) ??
    unknownField(json, counting ? COUNTED : known, '');
  if (error !== null) return error;
  return {
    json,
    model,
    claude,
    tools: toolList as readonly Json[],
    system: isGiven(system) && system !== '' ? blocksOf(system) : [],
    turns: (messages as readonly Json[]).map((message) => ({
      role: message['role'] as Turn['role'],
      blocks: blocksOf(message['content']),
    })),
    strict,
    maxTokens: counting ? Infinity : Number(limit),
    stream: stream === true,
  };
}
