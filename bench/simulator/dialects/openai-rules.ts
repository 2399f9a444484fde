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

const isReasoningModel = (model: string): boolean => gptVersion(model) >= 5 || /^o\d/.test(model);

const NO_TOOLS = /^gpt-(6-astra|6\.1-sol)/;
/** Their default effort is not `none`, so it has to be given. */
const TOOLS_AT_NO_EFFORT = /^gpt-6-(sol|luna)/;
const TOOLS_WITHOUT_EFFORT = /^gpt-(5\.6|5\.4)/;
const MAX_CACHE_KEY_LENGTH = 64;

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
  if (body.tools.length > 0 && NO_TOOLS.test(model)) {
    const text = `Tools are not available for ${model} in /v1/chat/completions. Use /v1/responses instead.`;
    return vendorError(400, text, 'unsupported_parameter', 'tools');
  }
  const thinks =
    (TOOLS_AT_NO_EFFORT.test(model) && effort !== 'none') ||
    (TOOLS_WITHOUT_EFFORT.test(model) && typeof effort === 'string' && effort !== 'none');
  if (body.tools.length > 0 && thinks) {
    const text = `Function tools with reasoning_effort are not supported for ${model} in /v1/chat/completions. Use /v1/responses or set reasoning_effort to 'none'.`;
    return vendorError(400, text, 'unsupported_parameter', 'reasoning_effort');
  }
  return null;
}
