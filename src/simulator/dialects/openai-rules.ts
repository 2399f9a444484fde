import { type VendorError, vendorError } from '../vendor-error.ts';
import type { ChatBody } from './chat-body.ts';

/** `gpt-5.6-sol` → 5.6; 0 for what is no numbered GPT. */
export function gptVersion(model: string): number {
  const match = /^gpt-(\d+)(?:\.(\d+))?(?![\da-z])/.exec(model);
  return match === null ? 0 : Number(`${match[1]}.${match[2] ?? '0'}`);
}

/** From GPT-5.6 on the cache works by boundaries. */
export const hasBoundaryCache = (model: string): boolean => gptVersion(model) >= 5.6;

/** Models that keep prefixes for up to 24 h unless told otherwise. */
export const hasExtendedRetention = (model: string): boolean =>
  /^gpt-(5\.5|5\.4|5\.2|5\.1|5|4\.1)($|-pro|-codex|-chat-latest|-\d{4})/.test(model);

const isReasoningModel = (model: string): boolean =>
  (gptVersion(model) >= 5 && !model.includes('-chat')) || /^o\d/.test(model);

/** They do not take an effort of `none` either, so that tools are never taken. */
const ALWAYS_THINKS = /^gpt-(6-astra|6\.1-sol)/;
/** Recorded requests show GPT-5.4 taking tools where no effort is named; later models think by default. */
const TOOLS_AT_DEFAULT_EFFORT = /^gpt-5\.4/;
const TOOLS_WITH_THINKING_UP_TO = 5.3;
const MAX_CACHE_KEY_LENGTH = 64;

/** Output tokens at most, of the first whose name fits (model pages, November 2026). */
const OUTPUT_LIMITS: readonly (readonly [name: RegExp, tokens: number])[] = [
  [/^gpt-4o-2024-05-13$|^gpt-4-turbo|^gpt-3\.5/, 4096],
  [/^gpt-4o|^chatgpt-4o|^gpt-4\.5|-chat-latest$/, 16_384],
  [/^gpt-4\.1/, 32_768],
  [/^o[134]/, 100_000],
  [/^gpt-[56]/, 128_000],
];

/** A bound above what the model can write is refused, not cut down, whichever field it came in. */
export function outputLimitRefusal(model: string, asked: number): VendorError | null {
  const limit = OUTPUT_LIMITS.find(([name]) => name.test(model))?.[1] ?? Infinity;
  if (asked === Infinity || asked <= limit) return null;
  const text = `max_tokens is too large: ${asked}. This model supports at most ${limit} completion tokens, whereas you provided ${asked}.`;
  return vendorError(400, text, 'invalid_value', 'max_tokens');
}

/** Whether tools are refused for what is, or is not, said of effort. */
function refusesTools(model: string, effort: unknown): boolean {
  if (ALWAYS_THINKS.test(model)) return true;
  if (gptVersion(model) <= TOOLS_WITH_THINKING_UP_TO || effort === 'none') return false;
  const told = effort !== undefined && effort !== null;
  return told || !TOOLS_AT_DEFAULT_EFFORT.test(model);
}

/** What newer models refuse on Chat Completions (model guide and error pages, November 2026). */
export function openaiRefusal(body: ChatBody): VendorError | null {
  const { json, model } = body;
  const effort = json['reasoning_effort'];
  const key = json['prompt_cache_key'];
  if (typeof key === 'string' && key.length > MAX_CACHE_KEY_LENGTH) {
    const text = `Invalid 'prompt_cache_key': string too long. Expected a string with maximum length ${MAX_CACHE_KEY_LENGTH}, but got a string with length ${key.length} instead.`;
    return vendorError(400, text, 'string_above_max_length', 'prompt_cache_key');
  }
  if (isReasoningModel(model) && json['max_tokens'] !== undefined && json['max_tokens'] !== null) {
    const text =
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    return vendorError(400, text, 'unsupported_parameter', 'max_tokens');
  }
  if (ALWAYS_THINKS.test(model) && effort === 'none') {
    const text =
      "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported values are: 'low', 'medium', 'high', and 'xhigh'.";
    return vendorError(400, text, 'unsupported_value', 'reasoning_effort');
  }
  if (body.tools.length > 0 && refusesTools(model, effort)) {
    const text = `Function tools with reasoning_effort are not supported for ${model} in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.`;
    return vendorError(400, text, null, 'reasoning_effort');
  }
  return null;
}
