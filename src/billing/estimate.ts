import type { Usage } from './usage.ts';

/** English prose and code have about this many bytes a token (OpenAI's tokenizer guide: about four characters). */
const BYTES_PER_TOKEN = 4;

/** How large a prompt is, for what its vendor does not tell: text by its bytes, what is no text by its kind. */
export interface InputSize {
  /** Bytes of the body but for pictures, sound and files in it; the JSON around them counts as text. */
  readonly textBytes: number;
  /** What pictures, sound and files probably count. */
  readonly mediaTokens: number;
  /** What they count at most, for holds. */
  readonly mediaTokensAtMost: number;
}

/** A prompt that is nothing but text. */
export const textSize = (textBytes: number): InputSize => ({
  textBytes,
  mediaTokens: 0,
  mediaTokensAtMost: 0,
});

export const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN);

/** Tokens that a prompt of this size probably has. */
export const tokensOfInput = (input: InputSize): number => tokensOfBytes(input.textBytes) + input.mediaTokens;

/**
 * What a call has probably used when its vendor did not say: it was cut off, or reports no usage. Marked as estimated;
 * the cache stays unknown, so all input counts at its full price.
 *
 * @param outputTokens what came, by its text.
 */
export function estimateUsage(input: InputSize, outputTokens: number): Usage {
  return {
    uncachedInput: tokensOfInput(input),
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWrite30m: 0,
    output: outputTokens,
    reasoning: 0,
    cacheKnown: false,
    estimated: true,
  };
}
