/** How far a model's thinking can be turned off. */
type LowestThinking = 'disabled' | 'disabled_up_to_high' | 'between_tools' | 'always';

/** What one Claude model takes and how it behaves (model overview, migration guide and thinking pages, November 2026). */
export interface ClaudeModel {
  /** `temperature`, `top_p` and `top_k` may differ from their defaults. */
  readonly samplingParameters: boolean;
  /** `temperature` and `top_p` exclude each other. */
  readonly oneSamplingParameter: boolean;
  /** `thinking: {type: "enabled", budget_tokens}` is taken. */
  readonly budgetThinking: boolean;
  /** `thinking: {type: "adaptive"}` is taken. */
  readonly adaptiveThinking: boolean;
  /** Thinks where the request does not say whether to. */
  readonly thinksByDefault: boolean;
  readonly lowestThinking: LowestThinking;
  /** Thinking comes back as text unless the request says otherwise; elsewhere as a signature alone. */
  readonly showsThinking: boolean;
  /** Thinking of earlier turns stays in the prompt; elsewhere the next user turn removes it. */
  readonly keepsThinking: boolean;
  /** Signatures are bound to the exact conversation before them. */
  readonly boundThinking: boolean;
  /** `output_config.effort` is taken. */
  readonly effort: boolean;
  readonly defaultEffort: 'medium' | 'high';
  /** `tool_choice` may be `any` or a tool. */
  readonly forcedToolChoice: boolean;
  /** The last message may be the assistant's, to be continued. */
  readonly prefill: boolean;
  /** Messages may have the role `system`. */
  readonly lateSystem: boolean;
  readonly maxOutputTokens: number;
  readonly maxPromptTokens: number;
  /** Shorter prefixes are not cached, without a word. */
  readonly minCacheTokens: number;
}

type Family = 'fable' | 'mythos' | 'opus' | 'sonnet' | 'haiku';

/** First version (4.5 is 45) of each family that a rule is true for; none: never. */
type Since = Readonly<Partial<Record<Family, number>>>;

const NO_SAMPLING: Since = { fable: 50, mythos: 50, opus: 47, sonnet: 50 };
const ONE_SAMPLING: Since = { opus: 41, sonnet: 45, haiku: 45 };
const ADAPTIVE: Since = { fable: 50, mythos: 50, opus: 46, sonnet: 46, haiku: 55 };
const THINKS: Since = { fable: 50, mythos: 50, opus: 50, sonnet: 50 };
const HIDES_THINKING: Since = { fable: 50, mythos: 50, opus: 47, sonnet: 50 };
const KEEPS_THINKING: Since = { fable: 50, mythos: 50, opus: 45, sonnet: 46, haiku: 55 };
/** Also the models that refuse a forced tool choice. */
const BOUND: Since = { fable: 51, mythos: 51, opus: 55, sonnet: 55 };
const EFFORT: Since = { fable: 50, mythos: 50, opus: 45, sonnet: 46, haiku: 55 };
const MEDIUM_EFFORT: Since = { opus: 55, haiku: 55 };
const LATE_SYSTEM: Since = { fable: 50, mythos: 50, opus: 48, sonnet: 55 };
const NO_PREFILL: Since = { fable: 46, mythos: 46, opus: 46, sonnet: 46, haiku: 46 };
const LONG_CONTEXT: Since = { fable: 50, mythos: 50, opus: 46, sonnet: 46, haiku: 55 };

/** From which version on a prefix needs so many tokens; the last row that fits counts. */
const MIN_CACHE_TOKENS: Readonly<Record<Family, readonly (readonly [version: number, tokens: number])[]>> = {
  fable: [[0, 512]],
  mythos: [[0, 512]],
  opus: [
    [0, 1024],
    [45, 4096],
    [47, 2048],
    [48, 1024],
    [50, 512],
  ],
  sonnet: [
    [0, 1024],
    [55, 512],
  ],
  haiku: [
    [0, 2048],
    [45, 4096],
    [55, 512],
  ],
};

const NAME = /^claude-(fable|mythos|opus|sonnet|haiku)-(\d)(?:-(\d))?(?:-\d{8})?$/;
const OLD_NAME = /^claude-(3)(?:-(\d))?-(opus|sonnet|haiku)(?:-\d{8}|-latest)?$/;

function lowestThinking(family: Family, version: number): LowestThinking {
  if (family === 'fable' || family === 'mythos') return 'always';
  if (family === 'opus' && version >= 50) return version >= 55 ? 'always' : 'disabled_up_to_high';
  return family === 'sonnet' && version >= 55 ? 'between_tools' : 'disabled';
}

function maxOutputTokens(family: Family, version: number, longContext: boolean): number {
  if (longContext) return 128_000;
  if (version < 40) return 8192;
  return family === 'opus' && version < 45 ? 32_000 : 64_000;
}

/** `claude-sonnet-4-5-20250929`, `claude-opus-5`; null: the vendor has no such model. */
export function claudeModel(name: string): ClaudeModel | null {
  const match = NAME.exec(name);
  const old = match === null ? OLD_NAME.exec(name) : null;
  const family = (match?.[1] ?? old?.[3]) as Family | undefined;
  if (family === undefined) return null;
  const version = Number(`${match?.[2] ?? old?.[1]}${match?.[3] ?? old?.[2] ?? 0}`);
  const since = (table: Since): boolean => version >= (table[family] ?? Infinity);
  const longContext = since(LONG_CONTEXT);
  return {
    samplingParameters: !since(NO_SAMPLING),
    oneSamplingParameter: since(ONE_SAMPLING),
    budgetThinking: !since(NO_SAMPLING),
    adaptiveThinking: since(ADAPTIVE),
    thinksByDefault: since(THINKS),
    lowestThinking: lowestThinking(family, version),
    showsThinking: !since(HIDES_THINKING),
    keepsThinking: since(KEEPS_THINKING),
    boundThinking: since(BOUND),
    effort: since(EFFORT),
    defaultEffort: since(MEDIUM_EFFORT) ? 'medium' : 'high',
    forcedToolChoice: !since(BOUND),
    prefill: !since(NO_PREFILL),
    lateSystem: since(LATE_SYSTEM),
    maxOutputTokens: maxOutputTokens(family, version, longContext),
    maxPromptTokens: longContext ? 1_000_000 : 200_000,
    minCacheTokens: MIN_CACHE_TOKENS[family].findLast(([first]) => version >= first)?.[1] ?? 1024,
  };
}
