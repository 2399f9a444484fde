import type { Usage } from '../../billing/usage.ts';

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/**
 * A Chat Completions `usage` object in the one normal form, or null when there is none.
 *
 * Both vendors count inclusively: cached and written tokens are subsets of `prompt_tokens`. DeepSeek reports
 * `prompt_cache_hit_tokens` (equal to `cached_tokens`); a server that reports neither leaves the cache unknown, which
 * is not zero. Reasoning is a part of `completion_tokens`, but with xAI, which counts it beside them and in the total.
 */
export function normaliseUsage(value: unknown): Usage | null {
  if (typeof value !== 'object' || value === null) return null;
  const usage = value as Record<string, unknown>;
  const details = record(usage['prompt_tokens_details']);
  const hit = usage['prompt_cache_hit_tokens'] ?? details['cached_tokens'];
  const prompt = count(usage['prompt_tokens']);
  const cacheRead = Math.min(prompt, count(hit));
  const cacheWrite30m = Math.min(prompt - cacheRead, count(details['cache_write_tokens']));
  const completion = count(usage['completion_tokens']);
  const reasoning = count(record(usage['completion_tokens_details'])['reasoning_tokens']);
  return {
    uncachedInput: prompt - cacheRead - cacheWrite30m,
    cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWrite30m,
    output: usage['total_tokens'] === prompt + completion + reasoning ? completion + reasoning : completion,
    reasoning,
    cacheKnown: typeof hit === 'number',
    estimated: false,
  };
}
