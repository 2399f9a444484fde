import type { ClaudeModel } from '../../models/claude.ts';
import { Kind } from '../../std/json/document.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';
import { FIELDS } from './request-fields.ts';

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
type Effort = (typeof EFFORTS)[number];

/** Tokens to think with, for models that are given a budget. 1024 is the least that is legal. */
const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 2048,
  high: 4096,
  xhigh: 8192,
  max: 16_384,
};
const LEAST_BUDGET = BUDGETS.low;

/** What of a `thinking` object says how much to think. */
const AMOUNT = new Members(['type', 'budget_tokens']);

/** What else decides whether the model may think. */
export interface ThinkingFacts {
  readonly maxTokens: number;
  /** `tool_choice` forces a call. */
  readonly forced: boolean;
  /** The last assistant message calls tools and carries no signed thinking. */
  readonly unsignedCalls: boolean;
}

/** What is sent: the text of `thinking`, '' for none, and of `output_config.effort`, '' for none. */
export interface ThinkingOptions {
  readonly thinking: string;
  readonly effort: string;
  /** The model thinks with a budget: sampling is restricted. */
  readonly budgeted: boolean;
}

const NOTHING: ThinkingOptions = { thinking: '', effort: '', budgeted: false };

/**
 * `reasoning_effort`, or `thinking` as Anthropic and LiteLLM have it, for a model that is steered by effort, by a budget,
 * or not at all. A `thinking` that fits the model is sent as it stands; one that does not still tells requests apart.
 */
export function thinkingOptions(draft: Draft, model: ClaudeModel, facts: ThinkingFacts): ThinkingOptions {
  const { document, losses } = draft;
  const effortNode = FIELDS.named('reasoning_effort');
  const thinkingNode = FIELDS.named('thinking');
  const asked = effortNode < 0 ? null : effortOf(draft, effortNode);
  if (asked === 'minimal') losses.count(document, effortNode, 'reasoning_effort');
  if (effortNode < 0 && thinkingNode < 0) return NOTHING;
  const fitting = thinkingNode >= 0 && fits(draft, model, thinkingNode);
  const wish = thinkingNode < 0 ? null : wishOf(draft, thinkingNode);
  // Off is off, whichever of them says so.
  const effort = asked === 'none' ? 'none' : (wish ?? asked ?? 'high');
  if (thinkingNode >= 0 && !fitting) losses.count(document, thinkingNode, 'thinking');
  const loseThinking = (reason: string): void => {
    if (fitting) losses.lose(document, thinkingNode, 'thinking', reason);
    else if (thinkingNode >= 0) losses.warn('thinking', reason);
  };
  const loseEffort = (reason: string): void => {
    if (effortNode >= 0) losses.lose(document, effortNode, 'reasoning_effort', reason);
  };
  const loseBoth = (reason: string): void => {
    loseThinking(reason);
    loseEffort(reason);
  };
  if (effort === 'none') {
    if (asked !== 'none') loseEffort('thinking is turned off.');
    else if (wish !== 'none') loseThinking('reasoning_effort turns it off.');
    return off(model, asked === 'none' ? loseEffort : loseThinking);
  }
  if (model.thinking === 'none') {
    loseBoth('this model does not think; it was left out.');
    return NOTHING;
  }
  const adaptive = model.thinking === 'adaptive';
  const steer = adaptive && (asked !== null || !fitting) ? claudeEffort(asked ?? effort) : '';
  if (facts.forced) {
    const lose = adaptive && thinkingNode >= 0 ? loseThinking : loseBoth;
    lose('thinking and a forced tool choice exclude each other; thinking was not asked for.');
    return { ...NOTHING, effort: steer };
  }
  if (facts.unsignedCalls && !adaptive) {
    loseBoth(
      'the last tool calls carry no signed thinking (thinking_blocks), without which this model cannot think on.',
    );
    return NOTHING;
  }
  if (thinkingNode >= 0 && !fitting && saysMore(draft, thinkingNode))
    loseThinking('this model takes another kind; only how much to think was taken from it.');
  if (adaptive) {
    if (asked !== null && wish !== null) loseThinking('reasoning_effort goes before it.');
    return {
      ...NOTHING,
      thinking: fitting ? document.source(thinkingNode) : '{"type":"adaptive"}',
      effort: steer,
    };
  }
  if (fitting) {
    loseEffort('thinking goes before it.');
    return { ...NOTHING, thinking: document.source(thinkingNode), budgeted: true };
  }
  return budgeted(BUDGETS[effort], facts.maxTokens, loseBoth);
}

function effortOf(draft: Draft, node: number): Effort {
  draft.expectString(node, () => 'reasoning_effort');
  const found = EFFORTS.find((effort) => draft.is(node, effort));
  if (found === undefined) throw invalid('reasoning_effort', `expected one of ${EFFORTS.join(', ')}.`);
  return found;
}

/** Claude's lowest effort is `low`. */
const claudeEffort = (effort: Effort): string => (effort === 'none' || effort === 'minimal' ? 'low' : effort);

/** Whether the model takes the `thinking` object as it stands. */
function fits(draft: Draft, model: ClaudeModel, node: number): boolean {
  draft.expectObject(node, () => 'thinking');
  const { document } = draft;
  const type = document.member(node, 'type');
  if (type < 0) throw invalid('thinking', 'expected a type.');
  if (draft.is(type, 'adaptive')) return model.thinking === 'adaptive';
  return (
    draft.is(type, 'enabled') && model.thinking === 'budget' && document.member(node, 'budget_tokens') >= 0
  );
}

/** Whether a `thinking` object says more than how much to think. */
function saysMore(draft: Draft, node: number): boolean {
  AMOUNT.read(draft.document, node);
  return AMOUNT.others.length > 0;
}

/** The effort that a `thinking` object comes to; null where it leaves that open. */
function wishOf(draft: Draft, node: number): Effort | null {
  const { document } = draft;
  const type = document.member(node, 'type');
  if (draft.is(type, 'disabled') || draft.is(type, 'between_tools')) return 'none';
  if (draft.is(type, 'adaptive')) return null;
  if (!draft.is(type, 'enabled'))
    throw invalid('thinking.type', 'expected enabled, disabled, adaptive or between_tools.');
  const budget = document.member(node, 'budget_tokens');
  if (budget < 0 || document.kind(budget) !== Kind.Number) return null;
  const tokens = Number(document.source(budget));
  if (tokens <= BUDGETS.low) return 'low';
  return tokens <= BUDGETS.medium ? 'medium' : 'high';
}

function off(model: ClaudeModel, lose: (reason: string) => void): ThinkingOptions {
  if (model.thinking === 'none') return NOTHING;
  if (model.lowestThinking === 'always') {
    lose('this model always thinks; the lowest effort was asked for.');
    return { ...NOTHING, thinking: '{"type":"adaptive"}', effort: 'low' };
  }
  // No effort is sent along, so that of the model holds, which is `high` at most.
  const type = model.lowestThinking === 'between_tools' ? 'between_tools' : 'disabled';
  return { ...NOTHING, thinking: `{"type":"${type}"}` };
}

/** A budget must stay below what may be written at all. */
function budgeted(wanted: number, maxTokens: number, lose: (reason: string) => void): ThinkingOptions {
  if (maxTokens <= LEAST_BUDGET) {
    lose(
      `thinking takes more than ${LEAST_BUDGET} tokens, and no more may be written; it was not asked for.`,
    );
    return NOTHING;
  }
  let budget = wanted;
  if (budget >= maxTokens) {
    budget = LEAST_BUDGET;
    lose(`so few tokens may be written that thinking was given ${LEAST_BUDGET} of them.`);
  }
  return { ...NOTHING, thinking: `{"type":"enabled","budget_tokens":${budget}}`, budgeted: true };
}
