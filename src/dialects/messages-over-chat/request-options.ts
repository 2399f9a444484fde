import { GatewayError } from '../../errors/gateway-error.ts';
import { Kind } from '../../std/json/document.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported, wrongType } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';
import { hashOf } from '../conversion/tool-ids.ts';
import type { ToolRule } from '../../models/gpt.ts';
import type { ChatModel } from './request-model.ts';
import { fitsStrict } from './request-schema.ts';

/** The fields of a Messages request that the conversion knows. */
export const FIELDS = new Members([
  'model',
  'max_tokens',
  'messages',
  'cache_control',
  'container',
  'context_management',
  'diagnostics',
  'inference_geo',
  'mcp_servers',
  'metadata',
  'output_config',
  'output_format',
  'service_tier',
  'speed',
  'stop_sequences',
  'stream',
  'system',
  'temperature',
  'thinking',
  'thread',
  'tool_choice',
  'tools',
  'top_k',
  'top_p',
]);

type FieldName = Parameters<typeof FIELDS.named>[0];

const INEXPRESSIBLE: readonly (readonly [FieldName, string])[] = [
  ['container', 'containers live at Anthropic only.'],
  ['inference_geo', 'where this vendor computes cannot be chosen.'],
  ['mcp_servers', 'this vendor does not call MCP servers in a Chat Completions request.'],
];
const LEFT_OUT = ['context_management', 'diagnostics', 'speed', 'top_k'] as const;

const SAFETY_IDENTIFIER_MAX = 128;
/** OpenAI wants a name for a schema; it is not shown to anyone. */
const SCHEMA_NAME = 'response';

const FORMAT = new Members(['type', 'schema']);

/** The effort that is none. */
const NO_EFFORT = 'none';

/** Tokens of a thinking budget up to which an effort is meant. */
const LOW_BUDGET = 1024;
const MEDIUM_BUDGET = 2048;

/** Throws GatewayError for a request whose answer this vendor could not give. */
export function refuseInexpressible(draft: Draft): void {
  const { document } = draft;
  for (const [name, reason] of INEXPRESSIBLE) {
    const node = FIELDS.named(name);
    if (node >= 0 && document.source(node) !== '[]') throw unsupported(name, reason);
  }
  // Anthropic's SDK goes by this code: it sends the whole conversation instead of what is new in it.
  if (FIELDS.named('thread') >= 0)
    throw new GatewayError(
      'thread_unsupported_request',
      'This vendor keeps no conversations: leave `thread` out and send all messages.',
      { param: 'thread' },
    );
}

/** Names what is not sent. */
export function loseTheRest(draft: Draft): void {
  const { document, losses } = draft;
  for (const name of LEFT_OUT) {
    const node = FIELDS.named(name);
    if (node >= 0) losses.lose(document, node, name, 'this vendor has nothing like it; it was left out.');
  }
  draft.loseOthers(FIELDS, '');
}

/**
 * Writes `max_completion_tokens` for OpenAI's models that think, which refuse the older `max_tokens`; no more than the
 * model writes, where that is known: vendors refuse more.
 */
export function writeMaxTokens(draft: Draft, model: ChatModel): void {
  const node = FIELDS.named('max_tokens');
  const asked = Number(draft.document.source(node));
  if (asked === 0) throw unsupported('max_tokens', 'this vendor cannot warm a cache without an answer.');
  const field = model.openai && model.reasoning ? 'max_completion_tokens' : 'max_tokens';
  const cap = model.outputCap;
  if (cap === null || asked <= cap) draft.member(field, node);
  else {
    draft.losses.lose(
      draft.document,
      node,
      'max_tokens',
      `this model writes ${cap} at most, which was sent.`,
    );
    draft.writer.ascii(`,"${field}":${cap}`);
  }
}

/** Throws GatewayError for tools that the model does not take in this dialect. `rule`: which effort goes with them. */
export function refuseTools(rule: ToolRule): void {
  if (rule === 'responses_only')
    throw unsupported(
      'tools',
      'OpenAI takes tools for this model in its Responses API (/v1/responses) only, and the gateway speaks Chat Completions with it. Send no tools, or name another model.',
    );
}

/**
 * Writes `,"reasoning_effort":…` and answers what was written, null for nothing. `rule`: which effort goes with the tools
 * of the request; null where it has none.
 */
export function writeEffort(draft: Draft, model: ChatModel, rule: ToolRule | null): string | null {
  const { document, losses, writer } = draft;
  const config = FIELDS.named('output_config');
  const thinking = FIELDS.named('thinking');
  const effortNode = config < 0 ? -1 : document.member(config, 'effort');
  const told = effortNode >= 0 && document.kind(effortNode) !== Kind.Null;
  if (told) draft.expectString(effortNode, () => 'output_config.effort');
  const effort = told ? document.text(effortNode) : null;
  const said = thinking < 0 ? null : effortOfThinking(draft, thinking);
  const wanted = said ?? effort;
  // An effort says less than a budget, and nothing of how thinking is shown.
  if (thinking >= 0) losses.count(document, thinking, 'thinking');
  if (said !== null && effort !== null && effort !== said)
    losses.lose(document, effortNode, 'output_config', "this vendor has one effort, and 'thinking' says it.");
  if (rule === 'no_effort') return writeNoEffort(draft, wanted, said === null ? effortNode : -1);
  if (wanted === null) return null;
  const [field, node] =
    said === null ? (['output_config', effortNode] as const) : (['thinking', thinking] as const);
  if (!model.reasoning) {
    if (wanted !== 'none') losses.lose(document, node, field, 'this model does not think; it was left out.');
    return null;
  }
  const sent = model.effortInstead[wanted] ?? wanted;
  if (sent !== wanted)
    losses.lose(document, node, field, `this model has no effort '${wanted}'; '${sent}' was sent.`);
  writer.ascii(',"reasoning_effort":');
  writer.string(sent);
  return sent;
}

/** Thinking gives way to the tools. `effortNode`: what says how much was wanted, if `thinking` does not. */
function writeNoEffort(draft: Draft, wanted: string | null, effortNode: number): string {
  const { document, losses, writer } = draft;
  const thinking = FIELDS.named('thinking');
  if (wanted !== NO_EFFORT && (wanted !== null || thinking >= 0))
    losses.warn(
      thinking >= 0 ? 'thinking' : 'output_config',
      `beside tools OpenAI's Chat Completions takes no effort for this model but '${NO_EFFORT}', which was sent.`,
    );
  if (wanted !== null && effortNode >= 0) losses.count(document, effortNode, 'output_config');
  writer.ascii(`,"reasoning_effort":"${NO_EFFORT}"`);
  return NO_EFFORT;
}

/** The effort that `thinking` alone says; null where `output_config` does. */
function effortOfThinking(draft: Draft, thinking: number): string | null {
  const { document } = draft;
  const type = document.member(thinking, 'type');
  if (type < 0) throw missing('thinking.type');
  if (draft.is(type, 'adaptive')) return null;
  if (draft.is(type, 'disabled') || draft.is(type, 'between_tools')) return 'none';
  if (!draft.is(type, 'enabled'))
    throw invalid('thinking.type', 'expected enabled, disabled, adaptive or between_tools.');
  const budget = document.member(thinking, 'budget_tokens');
  if (budget < 0) throw missing('thinking.budget_tokens');
  if (document.kind(budget) !== Kind.Number)
    throw wrongType(document, budget, 'thinking.budget_tokens', 'a number');
  const tokens = Number(document.source(budget));
  if (tokens <= LOW_BUDGET) return 'low';
  return tokens <= MEDIUM_BUDGET ? 'medium' : 'high';
}

/** Writes `,"response_format":…`, and names what else `output_config` says. */
export function writeFormat(draft: Draft): void {
  const { document, losses, writer } = draft;
  const config = FIELDS.named('output_config');
  const older = FIELDS.named('output_format');
  const newer = config < 0 ? -1 : document.member(config, 'format');
  if (config >= 0) {
    const end = document.next(config);
    for (let key = config + 1; key < end; key = document.next(key + 1)) {
      if (document.kind(key + 1) === Kind.Null) continue;
      if (document.textEquals(key, 'format') || document.textEquals(key, 'effort')) continue;
      losses.lose(document, key + 1, 'output_config', 'this vendor takes effort and format of it.');
    }
  }
  const node = newer >= 0 && document.kind(newer) !== Kind.Null ? newer : older;
  if (node < 0) return;
  if (older >= 0 && node !== older)
    losses.lose(document, older, 'output_format', "'output_config.format' was sent instead.");
  const path = node === older ? 'output_format' : 'output_config.format';
  draft.expectObject(node, () => path);
  FORMAT.read(document, node);
  if (FORMAT.others.length > 0) draft.loseOthers(FORMAT, `${path}.`);
  const type = FORMAT.named('type');
  if (type < 0) throw missing(`${path}.type`);
  if (!draft.is(type, 'json_schema')) throw invalid(`${path}.type`, 'expected json_schema.');
  const schema = FORMAT.named('schema');
  if (schema < 0) throw missing(`${path}.schema`);
  draft.expectObject(schema, () => `${path}.schema`);
  const strict = fitsStrict(document, schema);
  if (!strict)
    losses.warn(
      path,
      'OpenAI enforces schemas only whose objects require all of their properties and allow no others.',
    );
  writer.ascii(
    `,"response_format":{"type":"json_schema","json_schema":{"name":"${SCHEMA_NAME}","strict":${strict}`,
  );
  draft.member('schema', schema);
  writer.ascii('}}');
}

/** Writes `temperature` and `top_p`. OpenAI's models that think take the default only, unless they are told not to. */
export function writeSampling(draft: Draft, model: ChatModel, effort: string | null): void {
  const { document, losses } = draft;
  const fixed = model.openai && model.reasoning && effort !== 'none';
  for (const name of ['temperature', 'top_p'] as const) {
    const node = FIELDS.named(name);
    if (node < 0) continue;
    if (fixed && Number(document.source(node)) !== 1)
      losses.lose(document, node, name, 'this model takes the default only; it was left out.');
    else draft.member(name, node);
  }
}

/** Writes `,"stop":[…]`. */
export function writeStop(draft: Draft, model: ChatModel): void {
  const { document, losses } = draft;
  const stop = FIELDS.named('stop_sequences');
  if (stop < 0 || document.next(stop) === stop + 1) return;
  let count = 0;
  const end = document.next(stop);
  for (let one = stop + 1; one < end; one = document.next(one), count++) {
    const at = count;
    draft.expectString(one, () => `stop_sequences.${at}`);
  }
  if (model.maxStops === 0) {
    losses.lose(document, stop, 'stop_sequences', 'this model takes none; it goes on behind them.');
    return;
  }
  if (count > model.maxStops)
    throw unsupported(
      'stop_sequences',
      `this vendor takes ${model.maxStops} at most, and ${count} were sent.`,
    );
  draft.member('stop', stop);
}

/** Writes the end user's identifier. OpenAI has a field of its own for it; other hosts know the older one. */
export function writeUser(draft: Draft, model: ChatModel, openaiFields: boolean): void {
  const { document, losses, writer } = draft;
  const metadata = FIELDS.named('metadata');
  if (metadata < 0) return;
  const end = document.next(metadata);
  for (let key = metadata + 1; key < end; key = document.next(key + 1)) {
    const value = key + 1;
    if (document.kind(value) === Kind.Null) continue;
    if (!document.textEquals(key, 'user_id')) {
      losses.lose(document, value, 'metadata', 'this vendor takes user_id of it.');
      continue;
    }
    draft.expectString(value, () => 'metadata.user_id');
    writer.ascii(model.openai && openaiFields ? ',"safety_identifier":' : ',"user":');
    if (document.end(value) - document.start(value) - 2 <= SAFETY_IDENTIFIER_MAX) draft.copy(value);
    else writer.string(hashOf(document.text(value)));
  }
}

/** Writes `,"service_tier":…` for the tiers that both vendors have. */
export function writeTier(draft: Draft, model: ChatModel): void {
  const tier = FIELDS.named('service_tier');
  if (tier < 0) return;
  if (model.openai && draft.is(tier, 'auto')) draft.writer.ascii(',"service_tier":"auto"');
  else if (model.openai && draft.is(tier, 'standard_only')) draft.writer.ascii(',"service_tier":"default"');
  else
    draft.losses.lose(draft.document, tier, 'service_tier', 'this vendor has no such tier; it was left out.');
}
