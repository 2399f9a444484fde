import { Kind, type JsonDocument } from '../../std/json/document.ts';
import { Members } from '../conversion/members.ts';
import { uniqueId } from '../conversion/tool-ids.ts';
import { encodable } from '../encodable.ts';
import { decodeRaw, encodeRaw, memberOf, rawOf, textOf } from '../raw-text.ts';

/** What a `message` says, or a fragment of it: the `delta` of a stream's record, which has the same members. */
export interface Said {
  /** Raw text, '' where there is none; so the next two. */
  thinking: string;
  text: string;
  refusal: string;
  /** Nodes; -1 where there is none. */
  toolCalls: number;
  functionCall: number;
}

const MESSAGE = new Members([
  'content',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'refusal',
  'tool_calls',
  'function_call',
]);
const CONTENT = MESSAGE.index('content');
const REASONING_CONTENT = MESSAGE.index('reasoning_content');
const REASONING = MESSAGE.index('reasoning');
const REASONING_DETAILS = MESSAGE.index('reasoning_details');
const REFUSAL = MESSAGE.index('refusal');
const TOOL_CALLS = MESSAGE.index('tool_calls');
const FUNCTION_CALL = MESSAGE.index('function_call');

const said: Said = { thinking: '', text: '', refusal: '', toolCalls: -1, functionCall: -1 };

/**
 * Reads a message, or -1 for one that is not there. The answer is used again by the next call.
 *
 * What the model thought is `reasoning_content` (DeepSeek, xAI), `reasoning` (OpenRouter, vLLM), or the texts of
 * `reasoning_details` where there is nothing else (OpenRouter); who sends several says the same in each.
 */
export function readMessage(document: JsonDocument, message: number): Said {
  said.thinking = said.text = said.refusal = '';
  said.toolCalls = said.functionCall = -1;
  if (message < 0 || document.kind(message) !== Kind.Object) return said;
  MESSAGE.read(document, message);
  said.thinking =
    rawOf(document, MESSAGE.at(REASONING_CONTENT)) ||
    rawOf(document, MESSAGE.at(REASONING)) ||
    joined(document, MESSAGE.at(REASONING_DETAILS));
  const content = MESSAGE.at(CONTENT);
  // Some servers answer in parts; text is all of them that has a counterpart.
  said.text = rawOf(document, content) || joined(document, content);
  said.refusal = rawOf(document, MESSAGE.at(REFUSAL));
  said.toolCalls = MESSAGE.at(TOOL_CALLS);
  const call = MESSAGE.at(FUNCTION_CALL);
  said.functionCall = call >= 0 && isStub(document, call) ? -1 : call;
  return said;
}

/** {@link uniqueId} of sources. */
export const uniqueSource = (id: string, name: string, place: string): string =>
  `"${encodeRaw(uniqueId(decodeRaw(id.slice(1, -1)), decodeRaw(name.slice(1, -1)), place))}"`;

/** Some servers write the members of a call without any text into messages that make none. */
export const isStub = (document: JsonDocument, call: number): boolean =>
  rawOf(document, memberOf(document, call, 'name')) === '' && argumentsRaw(document, call) === '';

/** Raw text of all elements of an array, '' for anything else. */
function joined(document: JsonDocument, array: number): string {
  let raw = '';
  for (const part of elements(document, array))
    raw +=
      rawOf(document, memberOf(document, part, 'text')) ||
      rawOf(document, memberOf(document, part, 'summary'));
  return raw;
}

/** Nodes of an array's elements; none for anything else. */
export function elements(document: JsonDocument, array: number): readonly number[] {
  if (array < 0 || document.kind(array) !== Kind.Array) return NONE;
  const nodes: number[] = [];
  const end = document.next(array);
  for (let node = array + 1; node < end; node = document.next(node)) nodes.push(node);
  return nodes;
}

const NONE: readonly number[] = [];

/** Arguments of a call, raw: a string, or the object itself, which some servers send. */
export function argumentsRaw(document: JsonDocument, call: number): string {
  const node = memberOf(document, call, 'arguments');
  return node >= 0 && document.kind(node) === Kind.Object
    ? encodeRaw(document.source(node))
    : rawOf(document, node);
}

/**
 * The object that a call's arguments spell, to the byte. None at all, or null, are `{}`. What is no JSON, cut off or never
 * was, or no object, which would be refused when the client sends it back, is not repaired: it is told as Anthropic has
 * its users tell it (docs, "Fine-grained tool streaming").
 */
export function inputSource(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === 'null') return '{}';
  return isObjectText(text) ? encodable(text) : `{"INVALID_JSON":${JSON.stringify(text)}}`;
}

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** The choice with index 0, or -1: more than one is never asked for. */
export function firstChoice(document: JsonDocument, choices: number): number {
  if (choices < 0 || document.kind(choices) !== Kind.Array) return -1;
  const end = document.next(choices);
  for (let choice = choices + 1; choice < end; choice = document.next(choice)) {
    if (document.kind(choice) !== Kind.Object) continue;
    const index = memberOf(document, choice, 'index');
    if (index < 0 || document.kind(index) !== Kind.Number || document.source(index) === '0') return choice;
  }
  return -1;
}

/** Why a choice ended; null while it has not, or where the vendor does not say. */
export function reasonOf(document: JsonDocument, node: number): string | null {
  const reason = textOf(document, node);
  return reason === '' || reason === 'null' ? null : reason;
}
