import type { ProviderProfile } from '../types.ts';

/**
 * Any server that speaks Chat Completions. Usage in streams is asked for (vLLM, SGLang, OpenRouter, Groq and llama.cpp
 * know the field); `stream_usage: false` in the configuration file turns it off for one that does not.
 */
export function compatible(id: string, baseUrl: string): ProviderProfile {
  return {
    id,
    dialect: 'openai-chat',
    defaultBaseUrl: baseUrl,
    modelPatterns: [],
    streamUsage: true,
    promptCacheKey: 'never',
  };
}
