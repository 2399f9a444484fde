import { GatewayError } from '../../errors/gateway-error.ts';
import { Kind, type JsonDocument } from '../../std/json/document.ts';
import { KeyTable } from '../../std/json/keys.ts';
import { BodyFields, checkType, fieldType, KIND_NAMES, wholeNumber, type Wording } from '../fields.ts';
import { RequestFacts, ROLE_NAMES, type RequestShape } from '../request-facts.ts';
import { locateBlocks } from './blocks.ts';

const BOOLEAN = fieldType('a boolean', Kind.True, Kind.False);
const NUMBER = fieldType('a number', Kind.Number);
const INTEGER = wholeNumber('an integer');
const STRING = fieldType('a string', Kind.String);
const ARRAY = fieldType('an array', Kind.Array);
const OBJECT = fieldType('an object', Kind.Object);

/** OpenAI's words (API reference, "Errors"). */
const WORDING: Wording = {
  wrongType: (param, expected, found) =>
    new GatewayError(
      'invalid_type',
      `Invalid type for '${param}': expected ${expected}, but got ${found} instead.`,
      { param },
    ),
  missing: (param) => new GatewayError('missing_field', `Missing required parameter: '${param}'.`, { param }),
  outOfRange: (param, least, value) => {
    const bound =
      Number(value) < least
        ? `below minimum value. Expected a value >= ${least}`
        : `above maximum value. Expected a value <= ${Number.MAX_SAFE_INTEGER}`;
    return new GatewayError(
      'invalid_value',
      `Invalid '${param}': integer ${bound}, but got ${value} instead.`,
      { param },
    );
  },
};

/** Fields whose type is known and never changes meaning (OpenAI API reference, "Create chat completion"). */
const FIELDS = new BodyFields(
  {
    model: STRING,
    messages: ARRAY,
    audio: OBJECT,
    background: BOOLEAN,
    frequency_penalty: NUMBER,
    functions: ARRAY,
    logit_bias: OBJECT,
    logprobs: BOOLEAN,
    max_completion_tokens: INTEGER,
    max_tokens: INTEGER,
    metadata: OBJECT,
    modalities: ARRAY,
    n: INTEGER,
    parallel_tool_calls: BOOLEAN,
    prediction: OBJECT,
    presence_penalty: NUMBER,
    prompt_cache_key: STRING,
    reasoning_effort: STRING,
    response_format: OBJECT,
    safety_identifier: STRING,
    seed: INTEGER,
    service_tier: STRING,
    stop: fieldType('a string or an array of strings', Kind.String, Kind.Array),
    store: BOOLEAN,
    stream: BOOLEAN,
    stream_options: OBJECT,
    temperature: NUMBER,
    tool_choice: fieldType('a string or an object', Kind.String, Kind.Object),
    tools: ARRAY,
    top_logprobs: INTEGER,
    top_p: NUMBER,
    user: STRING,
    web_search_options: OBJECT,
  },
  ['model', 'messages'],
  WORDING,
);
const MODEL = FIELDS.index('model');
const MESSAGES = FIELDS.index('messages');
const AUDIO = FIELDS.index('audio');
const BACKGROUND = FIELDS.index('background');
const MAX_COMPLETION_TOKENS = FIELDS.index('max_completion_tokens');
const MAX_TOKENS = FIELDS.index('max_tokens');
const N = FIELDS.index('n');
const PROMPT_CACHE_KEY = FIELDS.index('prompt_cache_key');
const STORE = FIELDS.index('store');
const STREAM = FIELDS.index('stream');
const STREAM_OPTIONS = FIELDS.index('stream_options');
const TOOLS = FIELDS.index('tools');
const TOP_LOGPROBS = FIELDS.index('top_logprobs');
const WEB_SEARCH_OPTIONS = FIELDS.index('web_search_options');

/** The keys of typed wrappers in their canonical order; no vendor's prompt shows it. */
const SHAPE: RequestShape = {
  dialect: 'openai-chat',
  bodyKeys: new KeyTable(['model']),
  messageKeys: new KeyTable(['role', 'content', 'name', 'tool_call_id', 'reasoning_content', 'tool_calls']),
  blockKeys: new KeyTable(['type', 'text']),
  systemField: false,
  nullMarks: false,
  nestingTypes: [],
};
const ROLE = 0;
const CONTENT = 1;
const TOOL_CALLS = 5;
const CONTENT_TYPE = fieldType('a string or an array of parts', Kind.String, Kind.Array);

/** Tools that the vendor leaves to the client to run; every other type acts on the vendor's side. */
const CLIENT_TOOLS = ['function', 'custom'] as const;

/** The facts of a Chat Completions request. */
export class ChatRequest extends RequestFacts {
  readonly shape = SHAPE;

  read(document: JsonDocument): void {
    const root = document.kind(0);
    if (root !== Kind.Object) throw WORDING.wrongType('body', OBJECT.words, KIND_NAMES[root]);
    FIELDS.read(document);
    this.#readModel(document, FIELDS.given(MODEL));
    this.#readMessages(document, FIELDS.given(MESSAGES));
    this.streamOptionsNode = FIELDS.given(STREAM_OPTIONS);
    this.clientCacheKey = FIELDS.given(PROMPT_CACHE_KEY) >= 0;
    this.stream = FIELDS.flag(document, STREAM);
    this.usageRequested = usageRequested(document, FIELDS.node(document, STREAM_OPTIONS));
    const maxTokens = FIELDS.count(document, MAX_TOKENS, 0);
    this.maxOutputTokens = FIELDS.count(document, MAX_COMPLETION_TOKENS, 0) ?? maxTokens;
    FIELDS.count(document, TOP_LOGPROBS, 0);
    this.n = FIELDS.count(document, N, 1) ?? 1;
    this.toolsNode = FIELDS.node(document, TOOLS);
    const serverTools = this.#readTools(document);
    this.shareable =
      !serverTools &&
      !FIELDS.flag(document, STORE) &&
      !FIELDS.flag(document, BACKGROUND) &&
      FIELDS.node(document, AUDIO) < 0 &&
      FIELDS.node(document, WEB_SEARCH_OPTIONS) < 0;
    this.blocks.clear();
    this.automaticTtl = 0;
  }

  locateBlocks(document: JsonDocument): void {
    locateBlocks(document, this);
  }

  /** `function.name`, `custom.name` or `name`. */
  toolName(document: JsonDocument, tool: number): number {
    for (const wrapper of CLIENT_TOOLS) {
      const inner = document.member(tool, wrapper);
      if (inner < 0 || document.kind(inner) !== Kind.Object) continue;
      const name = document.member(inner, 'name');
      if (name >= 0 && document.kind(name) === Kind.String) return name;
    }
    const name = document.member(tool, 'name');
    return name >= 0 && document.kind(name) === Kind.String ? name : -1;
  }

  #readModel(document: JsonDocument, node: number): void {
    this.model = document.text(node);
    if (this.model === '')
      throw new GatewayError('invalid_value', "Invalid value for 'model': it is empty.", { param: 'model' });
  }

  #readMessages(document: JsonDocument, messages: number): void {
    this.messagesNode = messages;
    this.messages.clear();
    this.roles.clear();
    this.parts.clear();
    this.ordered.clear();
    const end = document.next(messages);
    if (end === messages + 1) {
      throw new GatewayError(
        'invalid_value',
        "Invalid 'messages': expected an array with at least one message.",
        { param: 'messages' },
      );
    }
    for (let message = messages + 1; message < end; message = document.next(message))
      this.#readMessage(document, message, this.messages.length);
  }

  #readMessage(document: JsonDocument, message: number, index: number): void {
    if (document.kind(message) !== Kind.Object)
      throw WORDING.wrongType(`messages[${index}]`, OBJECT.words, KIND_NAMES[document.kind(message)]);
    const keys = SHAPE.messageKeys;
    let role = -1;
    let parts = -1;
    let ordered = true;
    let lastRank = -1;
    const end = document.next(message);
    for (let key = message + 1; key < end; key = document.next(key + 1)) {
      const value = key + 1;
      const found = keys.find(document, key);
      const rank = found < 0 ? keys.names.length : found;
      if (rank <= lastRank) ordered = false;
      lastRank = rank;
      if (rank === ROLE) role = roleOf(document, value, index);
      else if (rank === CONTENT) parts = partsOf(document, value, index);
      else if (rank === TOOL_CALLS) checkToolCalls(document, value, index);
    }
    if (role < 0) throw WORDING.missing(`messages[${index}].role`);
    this.messages.push(message);
    this.roles.push(role);
    this.parts.push(parts);
    this.ordered.push(ordered && (parts < 0 || partsOrdered(document, parts)) ? 1 : 0);
  }

  /** Checks the tools and answers whether one of them runs on the vendor's side. */
  #readTools(document: JsonDocument): boolean {
    this.tools.clear();
    if (this.toolsNode < 0) return false;
    checkObjects(document, this.toolsNode, () => 'tools');
    let serverTools = false;
    const end = document.next(this.toolsNode);
    for (let tool = this.toolsNode + 1; tool < end; tool = document.next(tool)) {
      const at = this.tools.length;
      this.tools.push(document, tool, -1, false);
      const node = document.member(tool, 'type');
      if (node >= 0 && checkType(document, node, STRING, WORDING, () => `tools[${at}].type`))
        serverTools ||= !CLIENT_TOOLS.some((name) => document.textEquals(node, name));
    }
    return serverTools;
  }
}

/** Throws unless every element of an array is an object; none of them may be null. */
function checkObjects(document: JsonDocument, array: number, path: () => string): void {
  const end = document.next(array);
  let index = 0;
  for (let node = array + 1; node < end; node = document.next(node)) {
    if (document.kind(node) !== Kind.Object)
      throw WORDING.wrongType(`${path()}[${index}]`, OBJECT.words, KIND_NAMES[document.kind(node)]);
    index++;
  }
}

function usageRequested(document: JsonDocument, streamOptions: number): boolean {
  if (streamOptions < 0) return false;
  const node = document.member(streamOptions, 'include_usage');
  return (
    node >= 0 &&
    checkType(document, node, BOOLEAN, WORDING, () => 'stream_options.include_usage') &&
    document.kind(node) === Kind.True
  );
}

function roleOf(document: JsonDocument, node: number, index: number): number {
  const kind = document.kind(node);
  if (kind === Kind.String) {
    for (let role = 0; role < ROLE_NAMES.length; role++)
      if (document.textEquals(node, ROLE_NAMES[role]!)) return role;
  }
  const param = `messages[${index}].role`;
  if (kind !== Kind.String) throw WORDING.wrongType(param, STRING.words, KIND_NAMES[kind]);
  throw new GatewayError(
    'invalid_value',
    `Invalid value for '${param}': expected one of ${ROLE_NAMES.join(', ')}.`,
    { param },
  );
}

/** Checks a message's content and answers its node where it is an array of parts, else -1. */
function partsOf(document: JsonDocument, content: number, index: number): number {
  if (document.kind(content) === Kind.String) return -1;
  const path = (): string => `messages[${index}].content`;
  if (!checkType(document, content, CONTENT_TYPE, WORDING, path)) return -1;
  checkObjects(document, content, path);
  return content;
}

/** Whether the keys of all parts are known to stand in canonical order. */
function partsOrdered(document: JsonDocument, parts: number): boolean {
  const keys = SHAPE.blockKeys;
  const end = document.next(parts);
  for (let part = parts + 1; part < end; part = document.next(part)) {
    let lastRank = -1;
    const partEnd = document.next(part);
    for (let key = part + 1; key < partEnd; key = document.next(key + 1)) {
      const found = keys.find(document, key);
      const rank = found < 0 ? keys.names.length : found;
      if (rank <= lastRank) return false;
      lastRank = rank;
    }
  }
  return true;
}

function checkToolCalls(document: JsonDocument, calls: number, index: number): void {
  const path = (): string => `messages[${index}].tool_calls`;
  if (checkType(document, calls, ARRAY, WORDING, path)) checkObjects(document, calls, path);
}
