import { Kind, type JsonDocument } from '../std/json/document.ts';
import type { CanonicalWriter } from '../std/json/writer.ts';
import type { Envelope, Stage } from './envelope.ts';

/** Keys of the typed wrappers whose order no vendor's prompt shows; others follow in alphabetical order. */
const MESSAGE_ORDER = ['role', 'content', 'name', 'tool_call_id', 'reasoning_content', 'tool_calls'];
const PART_ORDER = ['type', 'text'];

/**
 * Canonicalizer: the body in one spelling. Key order of typed wrappers (the body, messages, parts), whitespace and escape
 * style are normalised; everything inside tool definitions, schemas, arguments and content keeps its order and text.
 *
 * The body's order is `model`, the rest alphabetically, `messages` last (one host's cache is known to want them after
 * the tools). `model` is the resolved name.
 */
export const canonicalizer: Stage = {
  name: 'canonicalizer',
  run(envelope) {
    const { document, canonical } = envelope;
    canonical.reset();
    canonical.ascii('{"model":');
    canonical.string(envelope.route.upstreamModel);
    envelope.additionsAt = canonical.length;
    envelope.streamOptionsStart = -1;
    for (const key of sortedKeys(document, 0, [])) {
      const value = key + 1;
      if (value === envelope.messagesNode || document.textEquals(key, 'model')) continue;
      const start = canonical.length;
      canonical.ascii(',');
      canonical.node(document, key);
      canonical.ascii(':');
      if (value === envelope.toolsNode) writeTools(envelope);
      else canonical.node(document, value);
      if (value === envelope.streamOptionsNode) {
        envelope.streamOptionsStart = start;
        envelope.streamOptionsEnd = canonical.length;
      }
    }
    canonical.ascii(',"messages":[');
    writeMessages(document, canonical, envelope.messagesNode);
    canonical.ascii(']}');
  },
};

function writeTools({ document, canonical, blocks }: Envelope): void {
  canonical.ascii('[');
  for (const [index, tool] of blocks.tools.entries()) {
    if (index > 0) canonical.ascii(',');
    canonical.node(document, tool);
  }
  canonical.ascii(']');
}

function writeMessages(document: JsonDocument, canonical: CanonicalWriter, messages: number): void {
  const end = document.next(messages);
  for (let message = messages + 1; message < end; message = document.next(message)) {
    if (message !== messages + 1) canonical.ascii(',');
    writeMessage(document, canonical, message);
  }
}

/** One message in canonical form; also what the prefix hash runs over. */
export function writeMessage(document: JsonDocument, canonical: CanonicalWriter, message: number): void {
  const content = document.member(message, 'content');
  const parts = content >= 0 && document.kind(content) === Kind.Array;
  const keys = sortedKeys(document, message, MESSAGE_ORDER);
  if (!parts && document.canonical(message) && inOrder(keys)) {
    canonical.raw(document.bytes, document.start(message), document.end(message));
    return;
  }
  writeWrapper(document, canonical, keys, (value) => {
    if (value !== content || !parts) return false;
    canonical.ascii('[');
    const end = document.next(content);
    for (let part = content + 1; part < end; part = document.next(part)) {
      if (part !== content + 1) canonical.ascii(',');
      writeWrapper(document, canonical, sortedKeys(document, part, PART_ORDER), () => false);
    }
    canonical.ascii(']');
    return true;
  });
}

function writeWrapper(
  document: JsonDocument,
  canonical: CanonicalWriter,
  keys: readonly number[],
  written: (value: number) => boolean,
): void {
  canonical.ascii('{');
  for (const [index, key] of keys.entries()) {
    if (index > 0) canonical.ascii(',');
    canonical.node(document, key);
    canonical.ascii(':');
    if (!written(key + 1)) canonical.node(document, key + 1);
  }
  canonical.ascii('}');
}

/** Nodes ascend with their place in the text. */
function inOrder(keys: readonly number[]): boolean {
  for (let index = 1; index < keys.length; index++) if (keys[index]! < keys[index - 1]!) return false;
  return true;
}

/** Key nodes of an object: the named ones first, in that order, then the others alphabetically. */
function sortedKeys(document: JsonDocument, object: number, order: readonly string[]): number[] {
  const keys: number[] = [];
  const end = document.next(object);
  for (let key = object + 1; key < end; key = document.next(key + 1)) keys.push(key);
  const ranks = new Map<number, number>();
  const texts = new Map<number, string>();
  for (const key of keys) {
    const rank = order.findIndex((name) => document.textEquals(key, name));
    ranks.set(key, rank < 0 ? order.length : rank);
    if (rank < 0) texts.set(key, document.text(key));
  }
  return keys.sort((one, other) => {
    const difference = ranks.get(one)! - ranks.get(other)!;
    if (difference !== 0) return difference;
    const [left, right] = [texts.get(one) ?? '', texts.get(other) ?? ''];
    return left < right ? -1 : left > right ? 1 : 0;
  });
}
