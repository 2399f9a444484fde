import type { ProviderProfile } from '../types.ts';

/**
 * DeepSeek: automatic disk cache, no knobs (guide "Context Caching"); only prompt bytes and `user_id` matter. With tools
 * and thinking, earlier `reasoning_content` must come back (guide "Thinking Mode").
 */
export const deepseek: ProviderProfile = {
  id: 'deepseek',
  dialect: 'openai-chat',
  defaultBaseUrl: 'https://api.deepseek.com',
  modelPatterns: [/^deepseek-/],
  streamUsage: true,
  promptCacheKey: 'never',
  reasoningContent: true,
};
