import type { Usage } from '../../billing/usage.ts';

/**
 * Usage as a Messages `usage` object. It counts exclusively: `input_tokens` is what neither came from the cache nor went
 * into it. Cache figures that the vendor did not tell are null; a vendor that tells no usage at all leaves zeros, as the
 * two required fields have no other way.
 */
export function messagesUsage(usage: Usage | null): string {
  if (usage === null) return '{"input_tokens":0,"output_tokens":0}';
  const written = usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWrite30m;
  return JSON.stringify({
    input_tokens: usage.uncachedInput,
    cache_creation_input_tokens: usage.cacheKnown ? written : null,
    cache_read_input_tokens: usage.cacheKnown ? usage.cacheRead : null,
    output_tokens: usage.output,
    ...(usage.reasoning > 0 ? { output_tokens_details: { thinking_tokens: usage.reasoning } } : {}),
  });
}
