import { countTokens } from '../../src/simulator/tokens.ts';
import type { Json } from './anthropic.ts';

/**
 * What tests of prompt caches know by themselves: how a Chat Completions request reads as an Anthropic Messages one, how
 * many tokens the simulator sees in it, and what a cache without any limit would read of it. Nothing is taken from the
 * gateway, and of the simulator only what a token is.
 */

interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly { readonly function: Json }[];
}

export interface Message {
  readonly role: string;
  readonly content: readonly Json[];
}

export interface Prompt {
  readonly tools: readonly Json[];
  readonly system: readonly Json[];
  readonly messages: readonly Message[];
}

const texts = (content: unknown): Json[] => {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return [...((content ?? []) as readonly Json[])];
};

function blocksOf({ content, role, tool_call_id: id, tool_calls: calls = [] }: ChatMessage): Json[] {
  // A result without text has no content: texts must not be empty.
  if (role === 'tool')
    return [{ type: 'tool_result', tool_use_id: id, ...(content === '' ? {} : { content }) }];
  return [
    ...texts(content),
    ...calls.map((call) => ({
      type: 'tool_use',
      id: call.id,
      name: call.function.name,
      input: JSON.parse(call.function.arguments) as Json,
    })),
  ];
}

/** The prompt of a Chat Completions request, in the words of the Messages API. */
export function promptOf({ messages, tools = [] }: ChatRequest): Prompt {
  const system: Json[] = [];
  const turns: { role: string; content: Json[] }[] = [];
  let before = '';
  for (const message of messages) {
    if (message.role === 'system') system.push(...texts(message.content));
    else {
      const role = message.role === 'assistant' ? 'assistant' : 'user';
      // The results of calls are one message, and so is what the user says to them.
      if (before === 'tool' && role === 'user') turns.at(-1)!.content.push(...blocksOf(message));
      else turns.push({ role, content: blocksOf(message) });
    }
    before = message.role;
  }
  return {
    tools: tools.map(({ function: { parameters, ...others } }) => ({
      ...others,
      input_schema: parameters ?? { type: 'object', properties: {} },
    })),
    system,
    messages: turns,
  };
}

/** Tokens and the marks between them, as the simulator counts. */
function tokensOf(block: Json): number {
  const { content, description, input, input_schema: schema, name, strict, text, type } = block;
  if (type === 'text') return 1 + countTokens(String(text));
  if (type === 'tool_use') return 1 + countTokens(String(name)) + countTokens(JSON.stringify(input));
  if (type === 'tool_result') return 1 + texts(content).reduce((sum, part) => sum + tokensOf(part), 0);
  const settings = strict === undefined ? '' : JSON.stringify([['strict', strict]]);
  const told = [
    String(name),
    typeof description === 'string' ? description : '',
    JSON.stringify(schema),
    settings,
  ];
  return told.reduce((sum, one) => sum + countTokens(one), 1);
}

const sumOf = (blocks: readonly Json[]): number => blocks.reduce((sum, block) => sum + tokensOf(block), 0);

/** One whole message (or the tools, or the system prompt), and everything before it. */
interface Whole {
  readonly identity: bigint;
  readonly tokens: number;
}

function wholesOf({ messages, system, tools }: Prompt): readonly Whole[] {
  const rows: (readonly [role: string, blocks: readonly Json[]])[] = [
    ['tools', tools],
    ['system', system],
    ...messages.map(({ content, role }) => [role, content] as const),
  ];
  let identity = 0n;
  let tokens = 0;
  let before = 'tools';
  return rows.map(([role, blocks]) => {
    const opens = role !== before && blocks.length > 0 ? 1 : 0;
    before = role;
    identity = Bun.hash.xxHash3(`${identity} ${role} ${JSON.stringify(blocks)}`);
    tokens += opens + sumOf(blocks);
    return { identity, tokens };
  });
}

/** What one request reads of earlier ones, and all it holds, in tokens. */
export interface Reading {
  readonly read: number;
  readonly prompt: number;
}

/** What no vendor offers: every message of every request is remembered for good, without a mark. */
export class UnlimitedCache {
  readonly #seen = new Set<bigint>();
  readonly #minTokens: number;

  /** @param minTokens shorter prefixes are not cached by the model. */
  constructor(minTokens: number) {
    this.#minTokens = minTokens;
  }

  send(prompt: Prompt): Reading {
    const wholes = wholesOf(prompt);
    const found = wholes.findLast(
      ({ identity, tokens }) => tokens >= this.#minTokens && this.#seen.has(identity),
    );
    for (const { identity } of wholes) this.#seen.add(identity);
    // The answer's role stands at the end.
    const closing = prompt.messages.at(-1)?.role === 'assistant' ? 0 : 1;
    return { read: found?.tokens ?? 0, prompt: wholes.at(-1)!.tokens + closing };
  }
}

const markOf = (ttl: string): Json => (ttl === '5m' ? { type: 'ephemeral' } : { type: 'ephemeral', ttl });

/** The row with a mark on its last block. */
export const markedAtEnd = (blocks: readonly Json[], ttl = '5m'): readonly Json[] =>
  blocks.map((block, at) => (at === blocks.length - 1 ? { ...block, cache_control: markOf(ttl) } : block));

/** The messages with a mark on the end of each of the last so many of the user's. */
export function markedUsers(messages: readonly Message[], count: number, ttl = '5m'): readonly Message[] {
  const users = new Set(messages.flatMap(({ role }, at) => (role === 'user' ? [at] : [])).slice(-count));
  return messages.map((message, at) =>
    users.has(at) ? { ...message, content: markedAtEnd(message.content, ttl) } : message,
  );
}
