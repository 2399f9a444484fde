import type { VendorError } from '../vendor-error.ts';
import { bad, isClientTool, isGiven, type MessagesBody } from './anthropic-body.ts';
import { isObject, type Json } from './chat-body.ts';

/** What one model takes and another does not (migration guide, thinking and effort pages, November 2026). */

/** How a request has the model think. */
export interface ThinkingSetting {
  readonly mode: 'disabled' | 'between_tools' | 'adaptive' | 'enabled';
  /** Explicit default or not given: the same. */
  readonly effort: string;
  /** Of `enabled`; 0 elsewhere. */
  readonly budgetTokens: number;
  /** Thinking comes back as text. */
  readonly shown: boolean;
}

const EFFORTS = new Set<unknown>(['low', 'medium', 'high', 'xhigh', 'max']);
const MIN_BUDGET_TOKENS = 1024;
const SAMPLING = ['temperature', 'top_p', 'top_k'] as const;
const MAX_USER_ID_LENGTH = 256;

const memberOf = (json: Json, name: string): Json => (isObject(json[name]) ? json[name] : {});
export const outputConfig = (body: MessagesBody): Json => memberOf(body.json, 'output_config');

/** A named tool, or `any`. */
export const isForced = (choice: Json): boolean => choice['type'] === 'any' || choice['type'] === 'tool';
export const toolChoiceOf = (body: MessagesBody): Json => memberOf(body.json, 'tool_choice');

/** A body that `rulesRefusal` has found good. */
export function thinkingSetting(body: MessagesBody): ThinkingSetting {
  const { claude, json } = body;
  const asked = memberOf(json, 'thinking');
  const mode = asked['type'] ?? (claude.thinksByDefault ? 'adaptive' : 'disabled');
  const { effort } = outputConfig(body);
  const display = asked['display'] ?? (claude.showsThinking ? 'summarized' : 'omitted');
  return {
    mode: mode as ThinkingSetting['mode'],
    effort: typeof effort === 'string' ? effort : claude.defaultEffort,
    budgetTokens: mode === 'enabled' ? Number(asked['budget_tokens']) : 0,
    shown: display !== 'omitted',
  };
}

function checkSampling({ claude, json }: MessagesBody): VendorError | null {
  const given = SAMPLING.filter((name) => isGiven(json[name]));
  for (const name of given) {
    if (typeof json[name] !== 'number') return bad(`${name}: Input should be a valid number`);
    if (!claude.samplingParameters && (name === 'top_k' || json[name] !== 1))
      return bad(`\`${name}\` is deprecated for this model.`);
    if (name !== 'top_k' && (json[name] < 0 || json[name] > 1)) return bad(`${name}: range: 0..1`);
  }
  if (claude.oneSamplingParameter && given.includes('temperature') && given.includes('top_p'))
    return bad('`temperature` and `top_p` cannot both be specified for this model. Please use only one.');
  return null;
}

function checkBudget({ json, maxTokens }: MessagesBody, asked: Json, beta: string): VendorError | null {
  const budget = asked['budget_tokens'];
  if (typeof budget !== 'number') return bad('thinking.enabled.budget_tokens: Field required');
  if (budget < MIN_BUDGET_TOKENS)
    return bad('thinking.enabled.budget_tokens: Input should be greater than or equal to 1024');
  // Thinking between calls may use up the budget several times.
  if (budget >= maxTokens && !beta.includes('interleaved-thinking'))
    return bad('`max_tokens` must be greater than `thinking.budget_tokens`.');
  if (isGiven(json['temperature']) && json['temperature'] !== 1)
    return bad('`temperature` may only be set to 1 when thinking is enabled.');
  if (isForced(memberOf(json, 'tool_choice')))
    return bad('Thinking may not be enabled when tool_choice forces tool use.');
  return null;
}

function checkThinking(body: MessagesBody, beta: string): VendorError | null {
  const { claude, json } = body;
  const { effort } = outputConfig(body);
  if (isGiven(effort)) {
    if (!EFFORTS.has(effort))
      return bad("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'");
    if (!claude.effort) return bad('This model does not support the effort parameter.');
  }
  if (!isGiven(json['thinking'])) return null;
  const asked = memberOf(json, 'thinking');
  if (isGiven(asked['block_binding']) && !beta.includes('thinking-binding-controls'))
    return bad(`thinking.${String(asked['type'])}.block_binding: Extra inputs are not permitted`);
  switch (asked['type']) {
    case 'enabled':
      return claude.budgetThinking
        ? checkBudget(body, asked, beta)
        : bad(
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.',
          );
    case 'adaptive':
      return claude.adaptiveThinking ? null : bad('adaptive thinking is not supported on this model');
    case 'between_tools':
      return claude.lowestThinking === 'between_tools'
        ? null
        : bad('"thinking.type.between_tools" is not supported for this model.');
    case 'disabled': {
      const { lowestThinking } = claude;
      const strong = effort === 'xhigh' || effort === 'max';
      if (lowestThinking === 'disabled' || (lowestThinking === 'disabled_up_to_high' && !strong)) return null;
      return lowestThinking === 'disabled_up_to_high'
        ? bad('"thinking.type.disabled" is not supported at this effort for this model.')
        : bad('"thinking.type.disabled" is not supported for this model.');
    }
    default:
      return bad("thinking: Input tag does not match any of the expected tags: 'adaptive', 'enabled', …");
  }
}

function checkToolChoice(body: MessagesBody): VendorError | null {
  if (!isGiven(body.json['tool_choice'])) return null;
  const choice = toolChoiceOf(body);
  if (!/^(auto|any|tool|none)$/.test(String(choice['type'])))
    return bad(
      "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
    );
  if (body.tools.length === 0)
    return bad('tool_choice: tool_choice may only be specified while providing tools.');
  if (isForced(choice) && !body.claude.forcedToolChoice)
    return bad(`tool_choice: "${String(choice['type'])}" is not supported for this model. Use "auto".`);
  if (choice['type'] === 'tool' && !body.tools.some((tool) => tool['name'] === choice['name']))
    return bad(`Tool '${String(choice['name'])}' not found in provided tools`);
  return null;
}

function checkOthers({ json }: MessagesBody): VendorError | null {
  const { stop_sequences: stops, service_tier: tier, metadata } = json;
  if (isGiven(stops)) {
    if (!Array.isArray(stops) || stops.some((stop) => typeof stop !== 'string'))
      return bad('stop_sequences: Input should be a valid list of strings');
    if (stops.some((stop: string) => stop.trim() === ''))
      return bad('stop_sequences: each stop sequence must contain non-whitespace');
  }
  if (isGiven(tier) && tier !== 'auto' && tier !== 'standard_only')
    return bad("service_tier: Input should be 'auto' or 'standard_only'");
  if (isObject(metadata)) {
    const extra = Object.keys(metadata).find((name) => name !== 'user_id');
    if (extra !== undefined) return bad(`metadata.${extra}: Extra inputs are not permitted`);
    const { user_id: user } = metadata;
    if (isGiven(user) && (typeof user !== 'string' || user.length > MAX_USER_ID_LENGTH))
      return bad(`metadata.user_id: String should have at most ${MAX_USER_ID_LENGTH} characters`);
  }
  return null;
}

/** `max_tokens: 0` only warms the cache, which goes with no promise about the output. */
function checkPrewarm(body: MessagesBody): VendorError | null {
  if (body.maxTokens > 0) return null;
  const refused = (what: string): VendorError => bad(`max_tokens: 0 cannot be combined with ${what}`);
  if (body.stream) return refused('stream');
  if (memberOf(body.json, 'thinking')['type'] === 'enabled') return refused('enabled thinking');
  if (isGiven(outputConfig(body)['format'])) return refused('output_config.format');
  return isForced(toolChoiceOf(body)) ? refused('a forced tool_choice') : null;
}

/** With a budget, the turn that is under way must begin with its thinking. */
function checkThinkingFirst({ turns, json }: MessagesBody): VendorError | null {
  if (memberOf(json, 'thinking')['type'] !== 'enabled') return null;
  const isResults = (index: number): boolean =>
    turns[index]?.role === 'user' && turns[index].blocks.some((block) => block.type === 'tool_result');
  let first = turns.length - 1;
  if (!isResults(first)) return null;
  while (first > 0 && isResults(first)) first -= 2;
  const index = first + 1;
  const type = turns[index]?.blocks[0]?.type;
  if (turns[index]?.role !== 'assistant') return null;
  if (type === 'thinking' || type === 'redacted_thinking') return null;
  return bad(
    `messages.${index}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${type}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block (preceeding the lastmost set of \`tool_use\` and \`tool_result\` blocks).`,
  );
}

/** `beta`: the `anthropic-beta` header. */
export function rulesRefusal(body: MessagesBody, beta: string): VendorError | null {
  return (
    checkSampling(body) ??
    checkPrewarm(body) ??
    checkThinking(body, beta) ??
    checkToolChoice(body) ??
    checkThinkingFirst(body) ??
    checkOthers(body)
  );
}

/** Tools that the client runs. */
export const clientTools = (body: MessagesBody): Json[] => body.tools.filter(isClientTool);
