import { list, record, type Json } from './recorded.ts';

/** Tokens of an answer: the kinds of input are disjoint, reasoning is a part of the output. */
export interface Tokens {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
  /** Unknown is not zero. */
  readonly cacheKnown: boolean;
}

/** What an answer says, in the terms of no dialect. */
export interface Meaning {
  readonly id: unknown;
  readonly model: unknown;
  readonly thinking: string;
  readonly text: string;
  /** `input` as JSON text without whitespace: the order of keys is a part of it. */
  readonly calls: readonly { readonly id: unknown; readonly name: unknown; readonly input: string }[];
  /** What Claude signed, with its place among what goes back to it. */
  readonly signed: readonly Json[];
  readonly end: string;
  readonly stopDetails: unknown;
  readonly usage: Tokens | null;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const count = (value: unknown): number => (typeof value === 'number' ? value : 0);
const textsOf = (blocks: readonly Json[], type: string, member: string): string =>
  blocks
    .filter((block) => block['type'] === type)
    .map((block) => text(block[member]))
    .join('');

/** Reasons of either dialect; with calls there, a plain end means them. */
const ENDS: Readonly<Record<string, string>> = {
  end_turn: 'end',
  stop_sequence: 'end',
  pause_turn: 'end',
  stop: 'end',
  tool_use: 'calls',
  tool_calls: 'calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  length: 'length',
  refusal: 'refused',
  content_filter: 'refused',
};

function endOf(reason: unknown, hasCalls: boolean): string {
  const end = ENDS[text(reason)] ?? `unknown: ${text(reason)}`;
  return end === 'end' && hasCalls ? 'calls' : end;
}

/** Anthropic counts exclusively. Summaries that were written on the way are billed beside the totals. */
export function tokensOfMessage(usage: unknown): Tokens | null {
  if (typeof usage !== 'object' || usage === null) return null;
  const totals = record(usage);
  const summaries = list(totals['iterations']).filter((one) => one['type'] === 'compaction');
  const sum = (name: string): number =>
    [totals, ...summaries].reduce((total, part) => total + count(part[name]), 0);
  return {
    input: sum('input_tokens'),
    cacheRead: sum('cache_read_input_tokens'),
    cacheWrite: sum('cache_creation_input_tokens'),
    output: sum('output_tokens'),
    reasoning: count(record(totals['output_tokens_details'])['thinking_tokens']),
    cacheKnown: ['cache_read_input_tokens', 'cache_creation_input_tokens'].some(
      (name) => typeof totals[name] === 'number',
    ),
  };
}

/** OpenAI and DeepSeek count inclusively; xAI has the reasoning beside the completion, which its total shows. */
export function tokensOfCompletion(usage: unknown): Tokens | null {
  if (typeof usage !== 'object' || usage === null) return null;
  const told = record(usage);
  const details = record(told['prompt_tokens_details']);
  const hit = told['prompt_cache_hit_tokens'] ?? details['cached_tokens'];
  const written = count(details['cache_write_tokens']);
  const reasoning = count(record(told['completion_tokens_details'])['reasoning_tokens']);
  const prompt = count(told['prompt_tokens']);
  const total = count(told['total_tokens']);
  const output = count(told['completion_tokens']);
  if (total !== prompt + output && total !== prompt + output + reasoning)
    throw new Error(`a total that is no sum: ${JSON.stringify(usage)}`);
  return {
    input: prompt - count(hit) - written,
    cacheRead: count(hit),
    cacheWrite: written,
    output: total - prompt,
    reasoning,
    cacheKnown: typeof hit === 'number',
  };
}

/** What goes back to Claude: each signed block, and how many blocks, calls and texts (as one) stand before it. */
function signedIn(blocks: readonly Json[]): Json[] {
  const signed: Json[] = [];
  let calls = 0;
  let anyText = 0;
  for (const block of blocks) {
    const index = signed.length + calls + anyText;
    if (block['type'] === 'tool_use') calls++;
    else if (block['type'] === 'text' && block['text'] !== '') anyText = 1;
    else if (block['type'] === 'redacted_thinking' || text(block['signature']) !== '')
      signed.push({ ...block, index });
  }
  return signed;
}

export function meaningOfMessage(message: Json): Meaning {
  const blocks = list(message['content']);
  const calls = blocks
    .filter((block) => block['type'] === 'tool_use')
    .map(({ id, input, name }) => ({ id, name, input: JSON.stringify(input) }));
  return {
    id: message['id'],
    model: message['model'],
    thinking: textsOf(blocks, 'thinking', 'thinking'),
    text: textsOf(blocks, 'text', 'text'),
    calls,
    signed: signedIn(blocks),
    end: endOf(message['stop_reason'], calls.length > 0),
    stopDetails: message['stop_details'] ?? null,
    usage: tokensOfMessage(message['usage']),
  };
}

export function meaningOfCompletion(completion: Json): Meaning {
  const choice = list(completion['choices'])[0] ?? {};
  const message = record(choice['message']);
  const refusal = text(message['refusal']);
  const calls = list(message['tool_calls']).map(({ function: inner, id }) => ({
    id,
    name: record(inner)['name'],
    input: JSON.stringify(JSON.parse(text(record(inner)['arguments']) || '{}')),
  }));
  const end = endOf(choice['finish_reason'], calls.length > 0);
  return {
    id: completion['id'],
    model: completion['model'],
    thinking: text(message['reasoning_content']),
    text: text(message['content']) + refusal,
    calls,
    signed: list(message['thinking_blocks']),
    end: refusal !== '' && end === 'end' ? 'refused' : end,
    stopDetails: choice['stop_details'] ?? null,
    usage: tokensOfCompletion(completion['usage']),
  };
}
