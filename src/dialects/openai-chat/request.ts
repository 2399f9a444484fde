import { GatewayError } from '../../errors/gateway-error.ts';
import { Kind, type JsonDocument } from '../../std/json/document.ts';
import { IntList } from '../../std/json/int-list.ts';
import { KeyTable } from '../../std/json/keys.ts';

/** Who speaks in a message, as numbers to be kept in an {@link IntList}: index into {@link ROLE_NAMES}. */
export const Role = { User: 0, Assistant: 1, Tool: 2, System: 3, Developer: 4, Function: 5 } as const;
const ROLE_NAMES = ['user', 'assistant', 'tool', 'system', 'developer', 'function'] as const;

const KIND_NAMES = [
  'null',
  'a boolean',
  'a boolean',
  'a number',
  'a string',
  'an array',
  'an object',
] as const;

/** What a field may be: a set of kinds (bit per {@link Kind}) and the vendor's words for it. */
interface FieldType {
  readonly kinds: number;
  readonly words: string;
}

const type = (words: string, ...kinds: readonly Kind[]): FieldType => ({
  kinds: kinds.reduce<number>((set, kind) => set | (1 << kind), 0),
  words,
});

const BOOLEAN = type('a boolean', Kind.True, Kind.False);
const NUMBER = type('a number', Kind.Number);
/** A number without a fraction; that is checked where the kind fits. */
const INTEGER = type('an integer', Kind.Number);
const STRING = type('a string', Kind.String);
const ARRAY = type('an array', Kind.Array);
const OBJECT = type('an object', Kind.Object);

/**
 * Top-level fields whose type is known and never changes meaning (OpenAI API reference, "Create chat completion"). Null is
 * allowed for all but `model` and `messages`; a field that is not here passes through unread.
 */
const FIELDS: Readonly<Record<string, FieldType>> = {
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
  stop: type('a string or an array of strings', Kind.String, Kind.Array),
  store: BOOLEAN,
  stream: BOOLEAN,
  stream_options: OBJECT,
  temperature: NUMBER,
  tool_choice: type('a string or an object', Kind.String, Kind.Object),
  tools: ARRAY,
  top_logprobs: INTEGER,
  top_p: NUMBER,
  user: STRING,
  web_search_options: OBJECT,
};

const FIELD_TABLE = new KeyTable(Object.keys(FIELDS));
const FIELD_TYPES = Object.values(FIELDS);
const field = (name: keyof typeof FIELDS): number => FIELD_TABLE.names.indexOf(name);
const MODEL = field('model');
const MESSAGES = field('messages');
const AUDIO = field('audio');
const BACKGROUND = field('background');
const MAX_COMPLETION_TOKENS = field('max_completion_tokens');
const MAX_TOKENS = field('max_tokens');
const N = field('n');
const PROMPT_CACHE_KEY = field('prompt_cache_key');
const STORE = field('store');
const STREAM = field('stream');
const STREAM_OPTIONS = field('stream_options');
const TOOLS = field('tools');
const TOP_LOGPROBS = field('top_logprobs');
const WEB_SEARCH_OPTIONS = field('web_search_options');

/** The keys of typed wrappers in their canonical order; no vendor's prompt shows it. Others follow alphabetically. */
export const MESSAGE_KEYS = new KeyTable([
  'role',
  'content',
  'name',
  'tool_call_id',
  'reasoning_content',
  'tool_calls',
]);
export const PART_KEYS = new KeyTable(['type', 'text']);
const ROLE = 0;
const CONTENT = 1;
const TOOL_CALLS = 5;
const CONTENT_TYPE = type('a string or an array of parts', Kind.String, Kind.Array);

/** Tools that the vendor leaves to the client to run; every other type acts on the vendor's side. */
const CLIENT_TOOLS = ['function', 'custom'] as const;

function wrongType(param: string, expected: string, found: string): GatewayError {
  return new GatewayError(
    'invalid_type',
    `Invalid type for '${param}': expected ${expected}, but got ${found} instead.`,
    { param },
  );
}

function missing(param: string): GatewayError {
  return new GatewayError('missing_field', `Missing required parameter: '${param}'.`, { param });
}

/** Throws unless the node is of the type or null; null is answered as false. The path is asked for on failure only. */
function check(document: JsonDocument, node: number, expected: FieldType, path: () => string): boolean {
  const kind = document.kind(node);
  if (kind === Kind.Null) return false;
  if ((expected.kinds & (1 << kind)) === 0) throw wrongType(path(), expected.words, KIND_NAMES[kind]);
  if (expected === INTEGER && !Number.isInteger(Number(document.source(node))))
    throw wrongType(path(), INTEGER.words, 'a decimal number');
  return true;
}

/** {@link check} for every element of an array; none of them may be null. */
function checkObjects(document: JsonDocument, array: number, path: () => string): void {
  const end = document.next(array);
  let index = 0;
  for (let node = array + 1; node < end; node = document.next(node)) {
    if (document.kind(node) !== Kind.Object)
      throw wrongType(`${path()}[${index}]`, OBJECT.words, KIND_NAMES[document.kind(node)]);
    index++;
  }
}

/**
 * What the gateway itself must know of a Chat Completions request; everything else passes through.
 *
 * One object serves all requests of a thread: {@link read} fills it anew.
 */
export class ChatRequest {
  model = '';
  stream = false;
  /** The client itself asked for the usage record of its stream. */
  usageRequested = false;
  /** False for calls with side effects or stored state: each of them is meant to happen. */
  shareable = true;
  maxOutputTokens: number | null = null;
  n = 1;
  messagesNode = -1;
  /** -1 when absent or null. */
  toolsNode = -1;
  /** -1 when absent; may be null. */
  streamOptionsNode = -1;
  /** The client set `prompt_cache_key`, be it to null: it is not set again. */
  clientCacheKey = false;
  /** Of each message: its node, its {@link Role}, the node of its content if that is an array of parts, else -1. */
  readonly messages = new IntList();
  readonly roles = new IntList();
  readonly parts = new IntList();
  /** 1 where a message's keys are known to stand in the order of {@link MESSAGE_KEYS}, 0 where that is open. */
  readonly ordered = new IntList();
  /** Value node by index into the field table, -1 when absent or null. */
  readonly #fields = new Int32Array(FIELD_TYPES.length);

  /** Reads and checks a request. Throws GatewayError naming the field at fault. */
  read(document: JsonDocument): void {
    const root = document.kind(0);
    if (root !== Kind.Object) throw wrongType('body', OBJECT.words, KIND_NAMES[root]);
    const fields = this.#fields.fill(-1);
    this.streamOptionsNode = -1;
    this.clientCacheKey = false;
    const end = document.next(0);
    for (let key = 1; key < end; key = document.next(key + 1)) {
      const index = FIELD_TABLE.find(document, key);
      if (index < 0) continue;
      if (index === STREAM_OPTIONS) this.streamOptionsNode = key + 1;
      else if (index === PROMPT_CACHE_KEY) this.clientCacheKey = true;
      if (check(document, key + 1, FIELD_TYPES[index]!, () => FIELD_TABLE.names[index]!))
        fields[index] = key + 1;
      else if (index === MODEL || index === MESSAGES)
        throw wrongType(FIELD_TABLE.names[index]!, FIELD_TYPES[index]!.words, KIND_NAMES[Kind.Null]);
    }
    this.#readModel(document, fields[MODEL]!);
    this.#readMessages(document, fields[MESSAGES]!);
    this.toolsNode = fields[TOOLS]!;
    this.stream = this.#flag(document, STREAM);
    this.usageRequested = usageRequested(document, fields[STREAM_OPTIONS]!);
    const maxTokens = this.#count(document, MAX_TOKENS, 0);
    this.maxOutputTokens = this.#count(document, MAX_COMPLETION_TOKENS, 0) ?? maxTokens;
    this.#count(document, TOP_LOGPROBS, 0);
    this.n = this.#count(document, N, 1) ?? 1;
    const serverTools = readTools(document, this.toolsNode);
    this.shareable =
      !serverTools &&
      !this.#flag(document, STORE) &&
      !this.#flag(document, BACKGROUND) &&
      fields[AUDIO]! < 0 &&
      fields[WEB_SEARCH_OPTIONS]! < 0;
  }

  #readModel(document: JsonDocument, node: number): void {
    if (node < 0) throw missing('model');
    this.model = document.text(node);
    if (this.model === '')
      throw new GatewayError('invalid_value', "Invalid value for 'model': it is empty.", { param: 'model' });
  }

  #readMessages(document: JsonDocument, messages: number): void {
    if (messages < 0) throw missing('messages');
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
      throw wrongType(`messages[${index}]`, OBJECT.words, KIND_NAMES[document.kind(message)]);
    let role = -1;
    let parts = -1;
    let ordered = 1;
    let lastRank = -1;
    const end = document.next(message);
    for (let key = message + 1; key < end; key = document.next(key + 1)) {
      const value = key + 1;
      const found = MESSAGE_KEYS.find(document, key);
      const rank = found < 0 ? MESSAGE_KEYS.names.length : found;
      if (rank <= lastRank) ordered = 0;
      lastRank = rank;
      if (rank === ROLE) role = roleOf(document, value, index);
      else if (rank === CONTENT) parts = partsOf(document, value, index);
      else if (rank === TOOL_CALLS) checkToolCalls(document, value, index);
    }
    if (role < 0) throw missing(`messages[${index}].role`);
    this.messages.push(message);
    this.roles.push(role);
    this.parts.push(parts);
    this.ordered.push(ordered);
  }

  #flag(document: JsonDocument, index: number): boolean {
    const node = this.#fields[index]!;
    return node >= 0 && document.kind(node) === Kind.True;
  }

  #count(document: JsonDocument, index: number, least: number): number | null {
    const node = this.#fields[index]!;
    if (node < 0) return null;
    const value = Number(document.source(node));
    if (value >= least && value <= Number.MAX_SAFE_INTEGER) return value;
    const param = FIELD_TABLE.names[index]!;
    const bound =
      value < least
        ? `below minimum value. Expected a value >= ${least}`
        : `above maximum value. Expected a value <= ${Number.MAX_SAFE_INTEGER}`;
    throw new GatewayError(
      'invalid_value',
      `Invalid '${param}': integer ${bound}, but got ${document.source(node).slice(0, 32)} instead.`,
      { param },
    );
  }
}

function usageRequested(document: JsonDocument, streamOptions: number): boolean {
  if (streamOptions < 0) return false;
  const node = document.member(streamOptions, 'include_usage');
  return (
    node >= 0 &&
    check(document, node, BOOLEAN, () => 'stream_options.include_usage') &&
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
  if (kind !== Kind.String) throw wrongType(param, STRING.words, KIND_NAMES[kind]);
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
  if (!check(document, content, CONTENT_TYPE, path)) return -1;
  checkObjects(document, content, path);
  return content;
}

function checkToolCalls(document: JsonDocument, calls: number, index: number): void {
  const path = (): string => `messages[${index}].tool_calls`;
  if (check(document, calls, ARRAY, path)) checkObjects(document, calls, path);
}

/** Checks the tools and answers whether one of them runs on the vendor's side. */
function readTools(document: JsonDocument, tools: number): boolean {
  if (tools < 0) return false;
  checkObjects(document, tools, () => 'tools');
  let serverTools = false;
  const end = document.next(tools);
  let index = 0;
  for (let tool = tools + 1; tool < end; tool = document.next(tool)) {
    const at = index++;
    const node = document.member(tool, 'type');
    if (node >= 0 && check(document, node, STRING, () => `tools[${at}].type`))
      serverTools ||= !CLIENT_TOOLS.some((name) => document.textEquals(node, name));
  }
  return serverTools;
}
