import { Kind } from '../../std/json/document.ts';
import type { Draft } from '../conversion/draft.ts';
import { unsupported, wrongType } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';

/** The fields of a Chat Completions request that the conversion knows, some of them other vendors' extensions. */
export const FIELDS = new Members([
  'model',
  'messages',
  'audio',
  'cache_control',
  'frequency_penalty',
  'function_call',
  'functions',
  'logit_bias',
  'logprobs',
  'max_completion_tokens',
  'max_tokens',
  'metadata',
  'modalities',
  'n',
  'parallel_tool_calls',
  'prediction',
  'presence_penalty',
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'reasoning_effort',
  'response_format',
  'safety_identifier',
  'seed',
  'service_tier',
  'stop',
  'store',
  'stream',
  'stream_options',
  'temperature',
  'thinking',
  'tool_choice',
  'tools',
  'top_k',
  'top_logprobs',
  'top_p',
  'user',
  'verbosity',
  'web_search_options',
]);

type FieldName = Parameters<typeof FIELDS.named>[0];

/** Without a counterpart, and an answer without them would not be what was asked for. */
const INEXPRESSIBLE: readonly (readonly [FieldName, string])[] = [
  ['audio', 'Claude models do not speak.'],
  ['functions', 'functions are gone: send tools.'],
  ['function_call', 'functions are gone: send tool_choice.'],
  [
    'web_search_options',
    'the vendor searches by tools of its own, which a Chat Completions request cannot name.',
  ],
];

/** Without a counterpart; harmless to lose, but somebody may wonder. The value is the one that means nothing anyway. */
const LEFT_OUT: readonly (readonly [FieldName, string])[] = [
  ['frequency_penalty', '0'],
  ['logit_bias', '{}'],
  ['logprobs', 'false'],
  ['metadata', '{}'],
  ['prediction', ''],
  ['presence_penalty', '0'],
  ['seed', ''],
  ['store', 'false'],
  ['top_logprobs', '0'],
  ['verbosity', ''],
];

/** For the gateway, or for a cache that works otherwise here. */
const TAKEN_HERE: readonly FieldName[] = [
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'stream_options',
];

/** Throws GatewayError for a request whose answer Claude could not give. */
export function refuseInexpressible(draft: Draft): void {
  const { document } = draft;
  for (const [name, reason] of INEXPRESSIBLE) if (FIELDS.named(name) >= 0) throw unsupported(name, reason);
  const count = FIELDS.named('n');
  if (count >= 0 && Number(document.source(count)) > 1)
    throw unsupported('n', 'Anthropic gives one answer to a request. Send it several times.');
  const modalities = FIELDS.named('modalities');
  if (modalities < 0) return;
  const end = document.next(modalities);
  let index = 0;
  for (let one = modalities + 1; one < end; one = document.next(one), index++)
    if (!draft.is(one, 'text')) throw unsupported(`modalities[${index}]`, 'Claude models answer with text.');
}

/** Names what is not sent. `marked`: the client has marked what is to be cached. */
export function loseTheRest(draft: Draft, marked: boolean): void {
  const { document, losses } = draft;
  for (const [name, idle] of LEFT_OUT) {
    const node = FIELDS.named(name);
    if (node < 0 || document.source(node) === idle) continue;
    losses.lose(document, node, name, 'Anthropic has nothing like it; it was left out.');
  }
  for (const name of TAKEN_HERE)
    if (FIELDS.named(name) >= 0) losses.count(document, FIELDS.named(name), name);
  if (!marked) warnOfCaching(draft);
  draft.loseOthers(FIELDS, '');
}

/** A mode of `explicit` without a mark asks OpenAI to cache nothing. */
function warnOfCaching(draft: Draft): void {
  const { document, losses } = draft;
  const options = FIELDS.named('prompt_cache_options');
  if (options < 0 || document.kind(options) !== Kind.Object) return;
  const mode = document.member(options, 'mode');
  if (mode >= 0 && draft.is(mode, 'explicit'))
    losses.warn('prompt_cache_options', 'it does not keep the gateway from marking what is to be cached.');
}

/** The value of a number field, null when it is absent. */
export function numberOf(draft: Draft, name: FieldName): number | null {
  const node = FIELDS.named(name);
  if (node < 0) return null;
  if (draft.document.kind(node) !== Kind.Number) throw wrongType(draft.document, node, name, 'a number');
  return Number(draft.document.source(node));
}
