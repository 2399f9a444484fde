import type { Usage } from './usage.ts';

/** English prose and code have about this many bytes a token (OpenAI's tokenizer guide: about four characters). */
const BYTES_PER_TOKEN = 4;

/**
 * What a call has probably used when its vendor did not say: it was cut off, or reports no usage. Marked as estimated;
 * the cache stays unknown, so all input counts at its full price.
 *
 * @param outputTokens records of a stream carry about one token each; of a whole answer, its bytes count.
 */
export function estimateUsage(inputBytes: number, outputTokens: number): Usage {
  return {
    uncachedInput: Math.ceil(inputBytes / BYTES_PER_TOKEN),
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

export const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN);
