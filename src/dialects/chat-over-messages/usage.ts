import type { Usage } from '../../billing/usage.ts';

/**
 * Usage as a Chat Completions `usage` object. It counts inclusively: cached and written tokens are parts of
 * `prompt_tokens`, reasoning is a part of `completion_tokens`. What the vendor did not tell is left out.
 */
export function chatUsage(usage: Usage): string {
  const written = usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWrite30m;
  const prompt = usage.uncachedInput + usage.cacheRead + written;
  return JSON.stringify({
    prompt_tokens: prompt,
    completion_tokens: usage.output,
    total_tokens: prompt + usage.output,
    ...(usage.cacheKnown
      ? { prompt_tokens_details: { cached_tokens: usage.cacheRead, cache_write_tokens: written } }
      : {}),
    ...(usage.reasoning > 0 ? { completion_tokens_details: { reasoning_tokens: usage.reasoning } } : {}),
  });
}
