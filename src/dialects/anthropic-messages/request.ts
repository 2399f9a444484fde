import { GatewayError } from '../../errors/gateway-error.ts';
import { Kind, type JsonDocument } from '../../std/json/document.ts';
import { KeyTable } from '../../std/json/keys.ts';
import { IN_SYSTEM } from '../block-list.ts';
import { MARK_KEY, Ttl, ttlOf } from '../cache-mark.ts';
import { BodyFields, checkType, fieldType, wholeNumber, type Wording } from '../fields.ts';
import { RequestFacts, Role, ROLE_NAMES, type RequestShape } from '../request-facts.ts';
import { BLOCK_KEYS, NESTING_TYPES, readBlock } from './blocks.ts';
import { isServerTool } from './tools.ts';

const BOOLEAN = fieldType('a valid boolean', Kind.True, Kind.False);
const NUMBER = fieldType('a valid number', Kind.Number);
const INTEGER = wholeNumber('a valid integer');
const STRING = fieldType('a valid string', Kind.String);
const ARRAY = fieldType('a valid array', Kind.Array);
const OBJECT = fieldType('an object', Kind.Object);
const CONTENT_TYPE = fieldType('a valid string or an array of blocks', Kind.String, Kind.Array);

const invalid = (path: string, message: string): GatewayError =>
  new GatewayError('invalid_value', `${path}: ${message}`, { param: path });

/** Anthropic's words: the path, with indices between dots, and what is expected there. */
const WORDING: Wording = {
  wrongType: (path, expected) =>
    new GatewayError('invalid_type', `${path}: Input should be ${expected}`, { param: path }),
  missing: (path) => new GatewayError('missing_field', `${path}: Field required`, { param: path }),
  outOfRange: (path, least, value) =>
    Number(value) < least
      ? invalid(path, `Input should be greater than or equal to ${least}`)
      : invalid(path, `Input should be less than or equal to ${Number.MAX_SAFE_INTEGER}`),
};

/** Fields whose type is known and never changes meaning (Anthropic API reference, "Create a Message"). */
const FIELDS = new BodyFields(
  {
    model: STRING,
    max_tokens: INTEGER,
    messages: ARRAY,
    cache_control: OBJECT,
    container: fieldType('a valid string or an object', Kind.String, Kind.Object),
    context_management: OBJECT,
    diagnostics: OBJECT,
    fallback_credit_token: fieldType('a valid string or an object', Kind.String, Kind.Object),
    inference_geo: STRING,
    mcp_servers: ARRAY,
    metadata: OBJECT,
    output_config: OBJECT,
    output_format: OBJECT,
    service_tier: STRING,
    speed: STRING,
    stop_sequences: ARRAY,
    stream: BOOLEAN,
    system: CONTENT_TYPE,
    temperature: NUMBER,
    thinking: OBJECT,
    thread: OBJECT,
    tool_choice: OBJECT,
    tools: ARRAY,
    top_k: INTEGER,
    top_p: NUMBER,
  },
  ['model', 'max_tokens', 'messages'],
  WORDING,
);
const MODEL = FIELDS.index('model');
const MAX_TOKENS = FIELDS.index('max_tokens');
const MESSAGES = FIELDS.index('messages');
const CACHE_CONTROL = FIELDS.index(MARK_KEY);
const CONTAINER = FIELDS.index('container');
const FALLBACK_CREDIT_TOKEN = FIELDS.index('fallback_credit_token');
const MCP_SERVERS = FIELDS.index('mcp_servers');
const STREAM = FIELDS.index('stream');
const SYSTEM = FIELDS.index('system');
const THREAD = FIELDS.index('thread');
const TOOLS = FIELDS.index('tools');

/**
 * The prompt is rendered as tools, system, messages, and one host's cache is known to want the body's keys in that order.
 * The order within typed wrappers is the one in which the vendor's answers and SDKs write them.
 */
const SHAPE: RequestShape = {
  dialect: 'anthropic-messages',
  bodyKeys: new KeyTable(['model', 'tools', 'system']),
  messageKeys: new KeyTable(['role', 'content']),
  blockKeys: BLOCK_KEYS,
  systemField: true,
  nullMarks: true,
  nestingTypes: NESTING_TYPES,
};
const ROLE = 0;
const CONTENT = 1;

const TOOL_KEYS = new KeyTable(['type', MARK_KEY, 'defer_loading']);
const TOOL_TYPE = 0;
const TOOL_MARK = 1;
const TOOL_DEFERRED = 2;

/** Who may speak: the later models take system messages among the others. */
const ROLES = [Role.User, Role.Assistant, Role.System] as const;

/** The facts of a Messages request. */
export class MessagesRequest extends RequestFacts {
  readonly shape = SHAPE;
  override readonly usageRequested = true;

  read(document: JsonDocument): void {
    if (document.kind(0) !== Kind.Object) throw WORDING.wrongType('body', OBJECT.words, '');
    FIELDS.read(document);
    this.model = document.text(FIELDS.given(MODEL));
    if (this.model === '') throw invalid('model', 'String should have at least 1 character');
    this.maxOutputTokens = FIELDS.count(document, MAX_TOKENS, 0);
    this.stream = FIELDS.flag(document, STREAM);
    const automatic = FIELDS.given(CACHE_CONTROL);
    this.automaticTtl = automatic < 0 ? Ttl.None : ttlOf(document, automatic);
    this.toolsNode = FIELDS.node(document, TOOLS);
    const serverTools = this.#readTools(document);
    const mcpServers = FIELDS.node(document, MCP_SERVERS);
    this.shareable =
      !serverTools &&
      FIELDS.node(document, CONTAINER) < 0 &&
      FIELDS.node(document, THREAD) < 0 &&
      FIELDS.node(document, FALLBACK_CREDIT_TOKEN) < 0 &&
      (mcpServers < 0 || document.next(mcpServers) === mcpServers + 1);
    this.blocks.clear();
    this.systemNode = FIELDS.node(document, SYSTEM);
    if (this.systemNode >= 0) this.#readContent(document, this.systemNode, IN_SYSTEM, () => 'system');
    this.#readMessages(document, FIELDS.given(MESSAGES));
    this.media = this.blocks.media;
  }

  /** They are read at once: their marks must be known for the hashes too. */
  locateBlocks(): void {
    // Nothing is left to be done.
  }

  toolName(document: JsonDocument, tool: number): number {
    const type = document.member(tool, 'type');
    if (type >= 0 && isServerTool(document, type)) return -1;
    const name = document.member(tool, 'name');
    return name >= 0 && document.kind(name) === Kind.String ? name : -1;
  }

  #readMessages(document: JsonDocument, messages: number): void {
    this.messagesNode = messages;
    this.messages.clear();
    this.roles.clear();
    this.parts.clear();
    this.ordered.clear();
    const end = document.next(messages);
    if (end === messages + 1) throw invalid('messages', 'at least one message is required');
    for (let message = messages + 1; message < end; message = document.next(message))
      this.#readMessage(document, message, this.messages.length);
  }

  #readMessage(document: JsonDocument, message: number, index: number): void {
    if (document.kind(message) !== Kind.Object)
      throw WORDING.wrongType(`messages.${index}`, OBJECT.words, '');
    const keys = SHAPE.messageKeys;
    let role = -1;
    let content = -1;
    let ordered = true;
    let lastRank = -1;
    const end = document.next(message);
    for (let key = message + 1; key < end; key = document.next(key + 1)) {
      const found = keys.find(document, key);
      const rank = found < 0 ? keys.names.length : found;
      if (rank <= lastRank) ordered = false;
      lastRank = rank;
      if (rank === ROLE) role = roleOf(document, key + 1, index);
      else if (rank === CONTENT) content = key + 1;
    }
    if (role < 0) throw WORDING.missing(`messages.${index}.role`);
    const path = (): string => `messages.${index}.content`;
    if (content < 0) throw WORDING.missing(path());
    if (!checkType(document, content, CONTENT_TYPE, WORDING, path))
      throw WORDING.wrongType(path(), CONTENT_TYPE.words, '');
    if (!this.#readContent(document, content, index, path)) ordered = false;
    this.messages.push(message);
    this.roles.push(role);
    this.parts.push(document.kind(content) === Kind.Array ? content : -1);
    this.ordered.push(ordered ? 1 : 0);
  }

  /** Reads a string or an array of blocks; answers whether all keys stand in canonical order. */
  #readContent(document: JsonDocument, content: number, message: number, path: () => string): boolean {
    if (document.kind(content) === Kind.String) {
      this.blocks.open(content, message);
      this.blocks.describeString(document.end(content) - document.start(content) > 2);
      return true;
    }
    let ordered = true;
    let index = 0;
    const end = document.next(content);
    for (let block = content + 1; block < end; block = document.next(block)) {
      if (document.kind(block) !== Kind.Object)
        throw WORDING.wrongType(`${path()}.${index}`, OBJECT.words, '');
      if (!readBlock(document, block, message, this.blocks)) ordered = false;
      index++;
    }
    return ordered;
  }

  /** Checks the tools and answers whether one of them runs on the vendor's side. */
  #readTools(document: JsonDocument): boolean {
    this.tools.clear();
    if (this.toolsNode < 0) return false;
    let serverTools = false;
    const end = document.next(this.toolsNode);
    for (let tool = this.toolsNode + 1; tool < end; tool = document.next(tool)) {
      if (document.kind(tool) !== Kind.Object)
        throw WORDING.wrongType(`tools.${this.tools.length}`, OBJECT.words, '');
      let mark = -1;
      let empty = true;
      let deferred = false;
      const toolEnd = document.next(tool);
      for (let key = tool + 1; key < toolEnd; key = document.next(key + 1)) {
        const value = key + 1;
        const found = TOOL_KEYS.find(document, key);
        if (found === TOOL_MARK) mark = value;
        else empty = false;
        if (found === TOOL_TYPE) serverTools ||= isServerTool(document, value);
        else if (found === TOOL_DEFERRED) deferred = document.kind(value) === Kind.True;
      }
      // One that is loaded later is no part of the prompt's head, and a 400 with a mark.
      this.tools.push(document, tool, mark, !empty && !deferred);
    }
    return serverTools;
  }
}

function roleOf(document: JsonDocument, node: number, index: number): number {
  const path = `messages.${index}.role`;
  if (document.kind(node) !== Kind.String) throw WORDING.wrongType(path, STRING.words, '');
  for (const role of ROLES) if (document.textEquals(node, ROLE_NAMES[role])) return role;
  throw invalid(path, "Input should be 'user', 'assistant' or 'system'");
}
