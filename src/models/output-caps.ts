import { type ByName, factOf } from './names.ts';

/**
 * Tokens that a model writes at most, by plain name. Vendors refuse a higher bound instead of cutting it down: OpenAI
 * ("max_tokens is too large", opencode-ai/opencode#140), DeepSeek (guide "Create chat completion": 1 to 393,216), Vertex.
 *
 * From the vendors' model pages. The price table tells the same of the models it names (a test compares them), but it lies
 * above this folder and knows no name without a price: snapshots that differ, previews, aliases.
 */
const OUTPUT_CAPS: ByName<number> = [
  [/^gpt-3\.5-turbo(?:-0125|-1106)?$/, 4096],
  [/^gpt-4-turbo(?:-preview)?$|^gpt-4-(?:0125|1106|vision|1106-vision)-preview$/, 4096],
  // The first snapshot; the later ones write four times as much.
  [/^gpt-4o-2024-05-13$/, 4096],
  [/^gpt-4o(?:-mini)?(?:-audio-preview|-search-preview)?$|^chatgpt-4o-latest$|^gpt-4\.5-preview$/, 16_384],
  [/^gpt-4\.1(?:-mini|-nano)?$/, 32_768],
  [/^gpt-5(?:\.\d)?-chat(?:-latest)?$/, 16_384],
  [/^gpt-5(?:\.[1-6])?(?:-mini|-nano|-sol|-terra|-luna)?$/, 128_000],
  [/^gpt-5(?:\.[1-3])?-codex(?:-mini|-max)?$|^gpt-5\.[2-5]-pro$/, 128_000],
  [/^gpt-6(?:\.1)?-(?:astra|sol|terra|luna)$/, 128_000],
  [/^o1-preview$/, 32_768],
  [/^o1-mini$/, 65_536],
  [/^o[134](?:-mini|-pro)?$/, 100_000],
  [/^deepseek-flash$|^deepseek-v4-(?:pro|flash(?:-vision-exp)?)$/, 393_216],
  [/^gemini-4-argon$/, 32_768],
  [/^gemini-(?:2\.5|3(?:\.\d)?)-(?:pro|flash)(?:-lite)?(?:-preview)?$/, 65_536],
];

/** Tokens that the model writes at most; null where nobody has said. `plain`: see {@link plainName}. */
export const outputCap = (plain: string): number | null => factOf(OUTPUT_CAPS, plain) ?? null;
