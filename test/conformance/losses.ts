import { list, record, type Json } from './recorded.ts';

/** A member reaches the client: the comparison of meanings holds it, or it is the frame of the dialect. */
const KEPT = 'kept';
/** Part of every Chat Completion, which Messages have not. */
export const MADE_AT = 'the time at which it was made';
const SERVED = 'how the vendor served it: tier, place, speed, fingerprint';
const SERVER_TOOLS = 'calls and results of tools that the vendor runs';
const STOP = 'which stop sequence it was, or why a pause';
const CITATIONS = 'citations and annotations';
const ORDER = 'where text stands between calls and thoughts';
const AUDIO = 'audio';
const VERDICTS = 'verdicts of moderation and content filters';
const TOKEN_PARTS = 'tokens by modality or prediction';

type Rule = string | ((value: unknown) => string);
type Rules = Readonly<Record<string, Rule>>;

const kept = (prefix: string, ...names: readonly string[]): Rules =>
  Object.fromEntries(names.map((name) => [prefix + name, KEPT]));
const lost = (reason: string, prefix: string, ...names: readonly string[]): Rules =>
  Object.fromEntries(names.map((name) => [prefix + name, reason]));

/** Elements of arrays by their type, all others as `[]`. */
const MESSAGE: Rules = {
  ...kept('', 'id', 'type', 'role', 'model', 'stop_details'),
  stop_reason: (value) =>
    ['pause_turn', 'stop_sequence', 'model_context_window_exceeded'].includes(String(value)) ? STOP : KEPT,
  ...lost(STOP, '', 'stop_sequence'),
  ...lost('the container that the vendor keeps', '', 'container'),
  ...lost('edits of the context by the vendor', '', 'context_management'),
  ...kept('content[text].', 'type', 'text'),
  ...lost(CITATIONS, 'content[text].', 'citations'),
  ...kept('content[thinking].', 'type', 'thinking', 'signature'),
  ...kept('content[redacted_thinking].', 'type', 'data'),
  ...kept('content[tool_use].', 'type', 'id', 'name', 'input'),
  'content[tool_use].caller': (value) =>
    record(value)['type'] === 'direct' ? KEPT : 'that a program of the vendor made the call',
  ...lost(
    SERVER_TOOLS,
    'content',
    '[server_tool_use]',
    '[web_search_tool_result]',
    '[web_fetch_tool_result]',
    '[code_execution_tool_result]',
    '[bash_code_execution_tool_result]',
    '[text_editor_code_execution_tool_result]',
    '[tool_search_tool_result]',
    '[advisor_tool_result]',
    '[mcp_tool_use]',
    '[mcp_tool_result]',
  ),
  ...lost(SERVER_TOOLS, 'usage.', 'server_tool_use'),
  ...lost('the summary of a compacted conversation', 'content', '[compaction]'),
  ...lost('that another model stepped in', 'content', '[fallback]'),
  ...kept(
    'usage.',
    'input_tokens',
    'output_tokens',
    'cache_creation_input_tokens',
    'cache_read_input_tokens',
    'output_tokens_details.thinking_tokens',
  ),
  ...lost('how long what was written to the cache lives', 'usage.', 'cache_creation'),
  ...lost('usage by iteration', 'usage.', 'iterations'),
  ...lost(SERVED, 'usage.', 'service_tier', 'inference_geo', 'speed'),
};

const COMPLETION: Rules = {
  ...kept('', 'id', 'object', 'model'),
  ...lost(MADE_AT, '', 'created'),
  ...lost(SERVED, '', 'service_tier', 'system_fingerprint'),
  ...lost(VERDICTS, '', 'moderation', 'prompt_filter_results'),
  ...lost('padding against eavesdroppers', '', 'obfuscation'),
  ...kept('choices[].', 'index', 'finish_reason', 'stop_details'),
  ...lost('log probabilities', 'choices[].', 'logprobs'),
  ...lost(VERDICTS, 'choices[].', 'content_filter_results'),
  ...kept('choices[].message.', 'role', 'content', 'refusal', 'reasoning_content', 'thinking_blocks'),
  ...lost(CITATIONS, 'choices[].message.', 'annotations'),
  ...lost(AUDIO, 'choices[].message.', 'audio'),
  ...kept('choices[].message.tool_calls[function].', 'index', 'type', 'id'),
  ...kept('choices[].message.tool_calls[function].function.', 'name', 'arguments'),
  // Fragments that came without a type.
  ...kept('choices[].message.tool_calls[].', 'id', 'function.name', 'function.arguments'),
  ...lost('what the vendor charges', 'usage.', 'cost_in_usd_ticks'),
  ...lost(SERVER_TOOLS, 'usage.', 'num_sources_used'),
  ...kept('usage.', 'prompt_tokens', 'completion_tokens', 'total_tokens'),
  ...kept('usage.', 'prompt_cache_hit_tokens', 'prompt_cache_miss_tokens'),
  ...kept('usage.prompt_tokens_details.', 'cached_tokens', 'cache_write_tokens'),
  ...kept('usage.completion_tokens_details.', 'reasoning_tokens'),
  ...lost(TOKEN_PARTS, 'usage.prompt_tokens_details.', 'text_tokens', 'audio_tokens', 'image_tokens'),
  ...lost(
    TOKEN_PARTS,
    'usage.completion_tokens_details.',
    'text_tokens',
    'audio_tokens',
    'accepted_prediction_tokens',
    'rejected_prediction_tokens',
  ),
};

/** Says nothing: absent, none of them, or the default. */
function isBlank(value: unknown): boolean {
  if (value === null || value === '' || value === 0 || value === false) return true;
  return typeof value === 'object' && Object.values(value).every(isBlank);
}

/** Throws for what nobody has decided about. */
function walk(rules: Rules, path: string, value: unknown, reasons: Set<string>): void {
  if (isBlank(value)) return;
  const rule = rules[path];
  if (rule !== undefined) {
    const reason = typeof rule === 'string' ? rule : rule(value);
    if (reason !== KEPT) reasons.add(reason);
  } else if (Array.isArray(value)) {
    for (const element of value as readonly unknown[]) {
      const { type } = record(element);
      walk(rules, `${path}[${typeof type === 'string' ? type : ''}]`, element, reasons);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value))
      walk(rules, path === '' ? name : `${path}.${name}`, member, reasons);
  } else throw new Error(`neither kept nor known to be lost: ${path} = ${JSON.stringify(value)}`);
}

function isOutOfOrder(message: Json): boolean {
  const ranks = list(message['content'])
    .filter((block) => block['text'] !== '')
    .map((block) => ['thinking', 'text', 'tool_use'].indexOf(String(block['type'])))
    .filter((rank) => rank >= 0);
  return ranks.some((rank, index) => index > 0 && rank < ranks[index - 1]!);
}

/** What a client of the other dialect does not get of a whole answer. */
export function lossesOf(answer: Json, dialect: 'messages' | 'chat'): ReadonlySet<string> {
  const reasons = new Set<string>();
  walk(dialect === 'messages' ? MESSAGE : COMPLETION, '', answer, reasons);
  if (dialect === 'messages' && isOutOfOrder(answer)) reasons.add(ORDER);
  return reasons;
}
