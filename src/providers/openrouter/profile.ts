import type { ProviderProfile } from '../types.ts';

/**
 * OpenRouter: Chat Completions for models of many vendors. Claude models take Anthropic's marks on text parts of any
 * message (guide "Prompt caching"), which reach whichever host serves the model; models with automatic caches need none.
 * Reached as `openrouter/vendor/model`: its names begin with those of other providers.
 */
export const openrouter: ProviderProfile = {
  id: 'openrouter',
  dialect: 'openai-chat',
  defaultBaseUrl: 'https://openrouter.ai/api/v1',
  modelPatterns: [],
  streamUsage: true,
  promptCacheKey: 'never',
  // Answers for OpenAI's models tell a Responses status (`native_finish_reason: completed`), and every effort is taken.
  toolsBesideEffort: true,
  cacheMarks: { models: /^~?anthropic\//, onTools: false, foldsToolRows: false },
};
