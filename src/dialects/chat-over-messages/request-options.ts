import type { ClaudeModel } from '../../models/claude.ts';
import { CLOSE_ARRAY, COMMA } from '../../std/json/bytes.ts';
import { Kind } from '../../std/json/document.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported } from '../conversion/faults.ts';
import { hashOf } from '../conversion/tool-ids.ts';
import { FIELDS, numberOf } from './request-fields.ts';

const USER_ID_MAX = 256;
/** While a model thinks with a budget, `top_p` may go down to here. */
const THINKING_TOP_P = 0.95;

/**
 * Writes `,"max_tokens":…` and answers its value: the vendor wants one, so the model's own limit where there is none, and
 * no more than that, where it is known: the vendor refuses more.
 */
export function writeMaxTokens(draft: Draft, model: ClaudeModel): number {
  const { document, losses, writer } = draft;
  const newer = FIELDS.named('max_completion_tokens');
  const older = FIELDS.named('max_tokens');
  if (newer >= 0 && older >= 0 && document.source(newer) !== document.source(older))
    losses.lose(document, older, 'max_tokens', 'max_completion_tokens goes before it.');
  const node = newer >= 0 ? newer : older;
  const field = newer >= 0 ? 'max_completion_tokens' : 'max_tokens';
  const asked = numberOf(draft, field) ?? model.maxOutputTokens;
  const cap = model.outputCap ?? Infinity;
  if (node >= 0 && asked <= cap) {
    draft.member('max_tokens', node);
    return asked;
  }
  if (node >= 0) losses.lose(document, node, field, `this model writes ${cap} at most, which was sent.`);
  const sent = Math.min(asked, cap);
  writer.ascii(`,"max_tokens":${sent}`);
  return sent;
}

/** Writes `temperature`, `top_p` and `top_k` as far as the model takes them. 1 is the default of the first two. */
export function writeSampling(draft: Draft, model: ClaudeModel, budgeted: boolean): void {
  const { document, losses, writer } = draft;
  const temperatureNode = FIELDS.named('temperature');
  const topPNode = FIELDS.named('top_p');
  const topKNode = FIELDS.named('top_k');
  const temperature = numberOf(draft, 'temperature') ?? 1;
  const topP = numberOf(draft, 'top_p') ?? 1;
  const refused = !model.samplingParameters
    ? 'this model takes the default only; it was left out.'
    : budgeted
      ? 'while it thinks, this model takes the default only; it was left out.'
      : '';
  if (temperature !== 1) {
    if (refused !== '') losses.lose(document, temperatureNode, 'temperature', refused);
    else if (temperature > 1) {
      losses.lose(document, temperatureNode, 'temperature', 'Anthropic goes up to 1, which was sent.');
      writer.ascii(',"temperature":1');
    } else draft.member('temperature', temperatureNode);
  } else if (temperatureNode >= 0 && refused === '' && topP === 1)
    draft.member('temperature', temperatureNode);
  if (topP !== 1) {
    if (refused !== '' && !(model.samplingParameters && topP >= THINKING_TOP_P))
      losses.lose(document, topPNode, 'top_p', refused);
    else if (refused === '' && temperature !== 1 && !model.temperatureWithTopP)
      losses.lose(
        document,
        topPNode,
        'top_p',
        'this model takes it or temperature, not both; it was left out.',
      );
    else draft.member('top_p', topPNode);
  }
  if (topKNode < 0) return;
  if (refused !== '') losses.lose(document, topKNode, 'top_k', refused);
  else draft.member('top_k', topKNode);
}

/** Writes `,"stop_sequences":[…]`. */
export function writeStop(draft: Draft): void {
  const { document, writer } = draft;
  const stop = FIELDS.named('stop');
  if (stop < 0) return;
  const list = document.kind(stop) === Kind.Array;
  const end = document.next(stop);
  if (list && end === stop + 1) return;
  writer.ascii(',"stop_sequences":[');
  let index = 0;
  for (let one = list ? stop + 1 : stop; one < end; one = document.next(one)) {
    const path = (): string => (list ? `stop[${index}]` : 'stop');
    draft.expectString(one, path);
    if (draft.isBlank(one))
      throw unsupported(
        path(),
        'Anthropic does not stop at white space alone. Add a character that is none.',
      );
    if (index++ > 0) writer.byte(COMMA);
    draft.copy(one);
  }
  writer.byte(CLOSE_ARRAY);
}

/** Writes `,"output_config":{…}` from an effort ('' for none) and `response_format`. */
export function writeOutputConfig(draft: Draft, effort: string): void {
  const { writer } = draft;
  const schema = schemaOf(draft);
  if (effort === '' && schema < 0) return;
  writer.ascii(',"output_config":{');
  if (effort !== '') writer.ascii(`"effort":"${effort}"`);
  if (schema >= 0) {
    if (effort !== '') writer.byte(COMMA);
    writer.ascii('"format":{"type":"json_schema","schema":');
    draft.copy(schema);
    writer.ascii('}');
  }
  writer.ascii('}');
}

/** Node of the schema that the answer must follow; -1 for none. */
function schemaOf(draft: Draft): number {
  const { document, losses } = draft;
  const format = FIELDS.named('response_format');
  if (format < 0) return -1;
  const type = document.member(format, 'type');
  if (type < 0) throw missing('response_format.type');
  if (draft.is(type, 'text')) return -1;
  if (draft.is(type, 'json_object')) {
    losses.lose(
      document,
      format,
      'response_format',
      'Anthropic has no JSON mode without a schema; nothing was added to the prompt in its place.',
    );
    return -1;
  }
  if (!draft.is(type, 'json_schema'))
    throw invalid('response_format.type', 'expected text, json_object or json_schema.');
  const wrapper = document.member(format, 'json_schema');
  if (wrapper < 0) throw missing('response_format.json_schema');
  draft.expectObject(wrapper, () => 'response_format.json_schema');
  const schema = document.member(wrapper, 'schema');
  if (schema < 0) throw missing('response_format.json_schema.schema');
  draft.expectObject(schema, () => 'response_format.json_schema.schema');
  const end = document.next(wrapper);
  for (let key = wrapper + 1; key < end; key = document.next(key + 1)) {
    if (key + 1 === schema) continue;
    const field = 'response_format.json_schema';
    if (document.textEquals(key, 'description') && document.kind(key + 1) !== Kind.Null)
      losses.lose(
        document,
        key + 1,
        `${field}.description`,
        'Anthropic has no place for it; it was left out.',
      );
    else losses.count(document, key + 1, field);
  }
  return schema;
}

/** Writes `,"metadata":{"user_id":…}` from the end user's identifier. */
export function writeUser(draft: Draft): void {
  const { document, losses, writer } = draft;
  const newer = FIELDS.named('safety_identifier');
  const older = FIELDS.named('user');
  if (newer >= 0 && older >= 0) losses.lose(document, older, 'user', 'safety_identifier goes before it.');
  const node = newer >= 0 ? newer : older;
  if (node < 0) return;
  writer.ascii(',"metadata":{"user_id":');
  if (document.end(node) - document.start(node) - 2 <= USER_ID_MAX) draft.copy(node);
  else writer.string(hashOf(document.text(node)));
  writer.ascii('}');
}

/** Writes `,"service_tier":…` for the tiers that both vendors have. */
export function writeTier(draft: Draft): void {
  const tier = FIELDS.named('service_tier');
  if (tier < 0) return;
  if (draft.is(tier, 'auto')) draft.writer.ascii(',"service_tier":"auto"');
  else if (draft.is(tier, 'default')) draft.writer.ascii(',"service_tier":"standard_only"');
  else
    draft.losses.lose(draft.document, tier, 'service_tier', 'Anthropic has no such tier; it was left out.');
}
