import { GatewayError } from '../../errors/gateway-error.ts';
import { Kind, type JsonDocument } from '../../std/json/document.ts';

/** What the gateway itself must know of a Chat Completions request; everything else passes through. */
export interface ChatRequestFacts {
  readonly model: string;
  readonly stream: boolean;
  readonly usageRequested: boolean;
  readonly shareable: boolean;
  readonly maxOutputTokens: number | null;
  readonly n: number;
  readonly messagesNode: number;
  readonly toolsNode: number;
  readonly streamOptionsNode: number;
  readonly clientCacheKey: boolean;
}

const ROLES = ['user', 'assistant', 'tool', 'system', 'developer', 'function'] as const;
const KIND_NAMES = [
  'null',
  'a boolean',
  'a boolean',
  'a number',
  'a string',
  'an array',
  'an object',
] as const;

function wrongType(param: string, expected: string, found: Kind): GatewayError {
  return new GatewayError(
    'invalid_type',
    `Invalid type for '${param}': expected ${expected}, but got ${KIND_NAMES[found]} instead.`,
    { param },
  );
}

/** The node of an optional member, -1 when absent or null. */
function optional(document: JsonDocument, object: number, key: string): number {
  const node = document.member(object, key);
  return node >= 0 && document.kind(node) === Kind.Null ? -1 : node;
}

function optionalBoolean(document: JsonDocument, object: number, key: string, path = key): boolean {
  const node = optional(document, object, key);
  if (node < 0) return false;
  const kind = document.kind(node);
  if (kind !== Kind.True && kind !== Kind.False) throw wrongType(path, 'a boolean', kind);
  return kind === Kind.True;
}

function optionalCount(document: JsonDocument, object: number, key: string): number | null {
  const node = optional(document, object, key);
  if (node < 0) return null;
  const kind = document.kind(node);
  if (kind !== Kind.Number) throw wrongType(key, 'an integer', kind);
  const value = Number(document.source(node));
  if (!Number.isInteger(value) || value < 0) {
    throw new GatewayError(
      'invalid_value',
      `Invalid value for '${key}': expected a whole number of at least 0.`,
      { param: key },
    );
  }
  return value;
}

/** Reads and checks a Chat Completions request (OpenAI API reference, "Create chat completion"). */
export function readChatRequest(document: JsonDocument): ChatRequestFacts {
  if (document.kind(0) !== Kind.Object) throw wrongType('body', 'an object', document.kind(0));
  const modelNode = document.member(0, 'model');
  if (modelNode < 0)
    throw new GatewayError('missing_field', "Missing required parameter: 'model'.", { param: 'model' });
  if (document.kind(modelNode) !== Kind.String)
    throw wrongType('model', 'a string', document.kind(modelNode));
  const model = document.text(modelNode);
  if (model === '')
    throw new GatewayError('invalid_value', "Invalid value for 'model': it is empty.", { param: 'model' });

  const messagesNode = document.member(0, 'messages');
  if (messagesNode < 0)
    throw new GatewayError('missing_field', "Missing required parameter: 'messages'.", { param: 'messages' });
  checkMessages(document, messagesNode);
  const toolsNode = optional(document, 0, 'tools');
  if (toolsNode >= 0 && document.kind(toolsNode) !== Kind.Array)
    throw wrongType('tools', 'an array', document.kind(toolsNode));
  if (toolsNode >= 0) checkObjects(document, toolsNode, 'tools');
  const streamOptionsNode = optional(document, 0, 'stream_options');
  if (streamOptionsNode >= 0 && document.kind(streamOptionsNode) !== Kind.Object) {
    throw wrongType('stream_options', 'an object', document.kind(streamOptionsNode));
  }
  return {
    model,
    stream: optionalBoolean(document, 0, 'stream'),
    usageRequested:
      streamOptionsNode >= 0 &&
      optionalBoolean(document, streamOptionsNode, 'include_usage', 'stream_options.include_usage'),
    shareable: isShareable(document),
    maxOutputTokens:
      optionalCount(document, 0, 'max_completion_tokens') ?? optionalCount(document, 0, 'max_tokens'),
    n: optionalCount(document, 0, 'n') ?? 1,
    messagesNode,
    toolsNode,
    streamOptionsNode,
    clientCacheKey: document.member(0, 'prompt_cache_key') >= 0,
  };
}

/** Calls with side effects or stored state are never shared: each of them is meant to happen. */
function isShareable(document: JsonDocument): boolean {
  if (optionalBoolean(document, 0, 'store')) return false;
  return optional(document, 0, 'audio') < 0 && optional(document, 0, 'web_search_options') < 0;
}

function checkObjects(document: JsonDocument, array: number, path: string): void {
  const end = document.next(array);
  let index = 0;
  for (let node = array + 1; node < end; node = document.next(node)) {
    if (document.kind(node) !== Kind.Object)
      throw wrongType(`${path}[${index}]`, 'an object', document.kind(node));
    index++;
  }
}

function checkMessages(document: JsonDocument, messages: number): void {
  if (document.kind(messages) !== Kind.Array)
    throw wrongType('messages', 'an array', document.kind(messages));
  const end = document.next(messages);
  if (end === messages + 1) {
    throw new GatewayError(
      'invalid_value',
      "Invalid 'messages': expected an array with at least one message.",
      { param: 'messages' },
    );
  }
  let index = 0;
  for (let message = messages + 1; message < end; message = document.next(message)) {
    if (document.kind(message) !== Kind.Object)
      throw wrongType(`messages[${index}]`, 'an object', document.kind(message));
    const role = document.member(message, 'role');
    const param = `messages[${index}].role`;
    if (role < 0)
      throw new GatewayError('missing_field', `Missing required parameter: '${param}'.`, { param });
    if (document.kind(role) !== Kind.String) throw wrongType(param, 'a string', document.kind(role));
    if (!ROLES.some((one) => document.textEquals(role, one))) {
      throw new GatewayError(
        'invalid_value',
        `Invalid value for '${param}': expected one of ${ROLES.join(', ')}.`,
        { param },
      );
    }
    checkContent(document, message, index);
    index++;
  }
}

function checkContent(document: JsonDocument, message: number, index: number): void {
  const content = optional(document, message, 'content');
  if (content < 0) return;
  const kind = document.kind(content);
  if (kind === Kind.String) return;
  const path = `messages[${index}].content`;
  if (kind !== Kind.Array) throw wrongType(path, 'a string or an array of parts', kind);
  checkObjects(document, content, path);
}
