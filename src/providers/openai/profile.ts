import type { ProviderProfile } from '../types.ts';

/** OpenAI: `prompt_cache_key` steers routing to the machine that holds the prefix (guide "Prompt caching"). */
export const openai: ProviderProfile = {
  id: 'openai',
  dialect: 'openai-chat',
  defaultBaseUrl: 'https://api.openai.com/v1',
  modelPatterns: [/^gpt-/, /^o\d/, /^chatgpt-/],
  streamUsage: true,
  promptCacheKey: 'official-host',
};
