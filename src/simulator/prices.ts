import { isDeepseekPeak } from './peak.ts';

/** USD per million tokens. */
export interface Price {
  readonly uncached: number;
  readonly cached: number;
  /** Tokens written to the cache; null: nothing extra, they cost what uncached ones do. */
  readonly written: number | null;
  /** Tokens written for an hour (Anthropic); null: they cost what all written ones do. */
  readonly writtenLong: number | null;
  readonly output: number;
}

/** `id: [uncached, cached, written, output]`, as published in November 2026; DeepSeek's are off-peak, Anthropic's writes for 5 min. */
const TABLE: Readonly<Record<string, readonly [number, number, number | null, number]>> = {
  'gpt-6-astra': [10, 1, 12.5, 50],
  'gpt-6.1-sol': [2, 0.1, 2.5, 10],
  'gpt-6.1-terra': [1, 0.05, 1.25, 5],
  'gpt-6-sol': [2, 0.2, 2.5, 10],
  'gpt-6-luna': [0.1, 0.01, 0.125, 0.5],
  'gpt-5.6-sol': [4, 0.4, 5, 20],
  'gpt-5.6-terra': [2, 0.2, 2.5, 12],
  'gpt-5.6-luna': [0.2, 0.02, 0.25, 1.2],
  'gpt-5.5': [5, 0.5, null, 30],
  'gpt-5.4': [2.5, 0.25, null, 15],
  'gpt-5.4-mini': [0.75, 0.075, null, 4.5],
  'gpt-5.4-nano': [0.2, 0.02, null, 1.25],
  'gpt-5.3-codex': [1.75, 0.175, null, 14],
  'gpt-5.2': [1.75, 0.175, null, 14],
  'gpt-5.1': [1.25, 0.125, null, 10],
  'gpt-5': [1.25, 0.125, null, 10],
  'gpt-5-mini': [0.25, 0.025, null, 2],
  'gpt-5-nano': [0.05, 0.005, null, 0.4],
  'gpt-4.1': [2, 0.5, null, 8],
  'gpt-4.1-mini': [0.4, 0.1, null, 1.6],
  'gpt-4.1-nano': [0.1, 0.025, null, 0.4],
  'gpt-4o': [2.5, 1.25, null, 10],
  'gpt-4o-mini': [0.15, 0.075, null, 0.6],
  o3: [2, 0.5, null, 8],
  'o3-mini': [1.1, 0.55, null, 4.4],
  'o4-mini': [1.1, 0.275, null, 4.4],
  'claude-fable-5-2': [8, 0.2, 10, 40],
  'claude-fable-5-1': [10, 0.25, 12.5, 50],
  'claude-fable-5': [10, 1, 12.5, 50],
  'claude-mythos-5': [10, 1, 12.5, 50],
  'claude-opus-5-5': [4, 0.2, 5, 20],
  'claude-opus-5': [5, 0.5, 6.25, 25],
  'claude-opus-4-8': [5, 0.5, 6.25, 25],
  'claude-opus-4-7': [5, 0.5, 6.25, 25],
  'claude-opus-4-6': [5, 0.5, 6.25, 25],
  'claude-opus-4-5': [5, 0.5, 6.25, 25],
  'claude-opus-4-1': [15, 1.5, 18.75, 75],
  'claude-sonnet-5-5': [2, 0.1, 2.5, 10],
  'claude-sonnet-5': [2, 0.2, 2.5, 10],
  'claude-sonnet-4-6': [3, 0.3, 3.75, 15],
  'claude-sonnet-4-5': [3, 0.3, 3.75, 15],
  'claude-haiku-5-5': [0.1, 0.01, 0.125, 0.5],
  'claude-haiku-4-5': [1, 0.1, 1.25, 5],
  'deepseek-flash': [0.15, 0.003, null, 0.6],
  'deepseek-v4-pro': [0.66, 0.022, null, 1.98],
};

/** Names that are billed as another model. */
const BILLED_AS: ReadonlyMap<string, string> = new Map([
  ['deepseek-v4-flash', 'deepseek-flash'],
  ['deepseek-v4-flash-vision-exp', 'deepseek-flash'],
  ['deepseek-chat', 'deepseek-flash'],
  ['deepseek-reasoner', 'deepseek-flash'],
]);

/** `gpt-4o-2024-08-06` is `gpt-4o`, `claude-haiku-4-5-20251001` is `claude-haiku-4-5`. */
const DATE_SUFFIX = /-(\d{4}-\d{2}-\d{2}|\d{8})$/;
/** From here on the whole request costs more, for the families named. */
const LONG_PROMPT_TOKENS = 272_000;
const LONG_PROMPT_FAMILIES = /^gpt-(5\.[456]|6)/;
/** From here on Haiku 5.5 costs five times as much. */
const LONG_HAIKU_TOKENS = 100_000;
/** A write for an hour costs twice the input. */
const LONG_WRITE_FACTOR = 2;

/** Ids that `GET /models` lists. */
export const MODEL_IDS: readonly string[] = Object.keys(TABLE);

/** The id a model is billed and cached under. */
export function canonicalModel(model: string): string {
  const name = model.replace(DATE_SUFFIX, '');
  return BILLED_AS.get(name) ?? name;
}

/** Price of one request; null: the model has none. */
export function priceOf(model: string, promptTokens: number, nowMs: number): Price | null {
  const id = canonicalModel(model);
  const row = Object.hasOwn(TABLE, id) ? TABLE[id] : undefined;
  if (row === undefined) return null;
  if (id.startsWith('deepseek-') && isDeepseekPeak(nowMs)) return scaled(id, row, 2, 2);
  if (LONG_PROMPT_FAMILIES.test(id) && promptTokens > LONG_PROMPT_TOKENS) return scaled(id, row, 2, 1.5);
  if (id === 'claude-haiku-5-5' && promptTokens > LONG_HAIKU_TOKENS) return scaled(id, row, 5, 5);
  return scaled(id, row, 1, 1);
}

function scaled(
  id: string,
  [uncached, cached, written, output]: readonly [number, number, number | null, number],
  input: number,
  out: number,
): Price {
  return {
    uncached: uncached * input,
    cached: cached * input,
    written: written === null ? null : written * input,
    writtenLong: id.startsWith('claude-') ? uncached * input * LONG_WRITE_FACTOR : null,
    output: output * out,
  };
}
