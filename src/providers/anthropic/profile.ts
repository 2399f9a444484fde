import type { ProviderProfile } from '../types.ts';

/**
 * Anthropic: caches what is marked, and nothing else (guide "Prompt caching"). Streams always tell usage, so there is
 * nothing to ask for.
 */
export const anthropic: ProviderProfile = {
  id: 'anthropic',
  dialect: 'anthropic-messages',
  defaultBaseUrl: 'https://api.anthropic.com',
  modelPatterns: [/^claude-/],
  streamUsage: false,
  promptCacheKey: 'never',
  cacheMarks: { models: /(?:)/, onTools: true, foldsToolRows: true },
  keyHeader: 'x-api-key',
};
