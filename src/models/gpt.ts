import { type ByName, factOf } from './names.ts';

/** What Chat Completions at OpenAI takes beside tools: any effort, only `none`, or no tools whatever the effort. */
export type ToolRule = 'any_effort' | 'no_effort' | 'responses_only';

/** An effort that a model lacks, and the nearest that it has. */
export type EffortInstead = Readonly<Record<string, string>>;

/** A model of OpenAI's. */
export interface GptModel {
  /** Takes `reasoning_effort`. */
  readonly thinks: boolean;
  readonly effortInstead: EffortInstead;
  readonly tools: ToolRule;
  /** Takes `stop`: o3, o4-mini and GPT-5 on do not (huggingface/smolagents#1868, BerriAI/litellm#15244). */
  readonly stops: boolean;
  /** Takes `prompt_cache_breakpoint` on parts: from GPT-5.6 on. */
  readonly breakpoints: boolean;
}

const GPT = /^gpt-(\d+)(?:\.(\d+))?(?![\d.])/;
const O_SERIES = /^o\d/;
const NEVER_THINKS = /^(?:chatgpt-|gpt-\d+(?:\.\d+)?-chat)/;

/** Versions as one number, 100 × major + minor: 5.4 is 504. */
const FIRST_TO_THINK = 500;
const FIRST_WITH_BREAKPOINTS = 506;
const FIRST_WITHOUT_THINKING_BESIDE_TOOLS = 504;

/**
 * Both always think: `none` is refused ("Supported values are: 'low', 'medium', 'high', and 'xhigh'"), and so are tools at
 * every other effort (genkit-ai/genkit#6303, bolna-ai/bolna#1019).
 */
const ALWAYS_THINKS = /^gpt-6-astra(?:-|$)|^gpt-6\.1-sol(?:-|$)/;

/** OpenAI guide "Reasoning models": efforts have grown from generation to generation. */
const EFFORTS: ByName<EffortInstead> = [
  [O_SERIES, { none: 'low', minimal: 'low', xhigh: 'high', max: 'high' }],
  [/^gpt-5(?![\d.])/, { none: 'minimal', xhigh: 'high', max: 'high' }],
  [/^gpt-5\.1(?!\d)/, { xhigh: 'high', max: 'high' }],
  // `max` has come with GPT-5.6 (The-PR-Agent/pr-agent#3271).
  [/^gpt-5\.[2-5](?!\d)/, { max: 'xhigh' }],
  [ALWAYS_THINKS, { none: 'low', minimal: 'low' }],
];
const ALL_EFFORTS: EffortInstead = {};

/** What is known of one of OpenAI's models, by its plain name; null for a name that is none of theirs. */
export function gptModel(plain: string): GptModel | null {
  const gpt = GPT.exec(plain);
  const oSeries = O_SERIES.test(plain);
  const talksOnly = NEVER_THINKS.test(plain);
  if (gpt === null && !oSeries && !talksOnly) return null;
  const version = gpt === null ? 0 : Number(gpt[1]) * 100 + Number(gpt[2] ?? 0);
  const thinks = !talksOnly && (oSeries || version >= FIRST_TO_THINK);
  return {
    thinks,
    effortInstead: factOf(EFFORTS, plain) ?? ALL_EFFORTS,
    tools: thinks ? toolRule(plain, version) : 'any_effort',
    stops: !thinks || plain.startsWith('o1'),
    breakpoints: version >= FIRST_WITH_BREAKPOINTS,
  };
}

/**
 * "Function tools with reasoning_effort are not supported for … in /v1/chat/completions. To use function tools, use
 * /v1/responses or set reasoning_effort to 'none'": so from GPT-5.4 on, and where no effort is named as well, since the
 * default is to think (onyx-dot-app/onyx#14603, BerriAI/litellm#34569, livekit/agents#7169). GPT-5.2 and all before it,
 * and the o series, take tools at every effort. GPT-6.1 Terra is not documented and taken for one of the family.
 */
function toolRule(plain: string, version: number): ToolRule {
  if (ALWAYS_THINKS.test(plain)) return 'responses_only';
  return version >= FIRST_WITHOUT_THINKING_BESIDE_TOOLS ? 'no_effort' : 'any_effort';
}
