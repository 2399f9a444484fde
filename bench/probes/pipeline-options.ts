import type { PipelineInput } from '../../src/pipeline/envelope.ts';
import type { PipelineOptions } from '../../src/pipeline/pipeline.ts';
import type { ModelRoute } from '../../src/providers/types.ts';

const route: ModelRoute = {
  provider: {
    id: 'openai',
    profile: {
      id: 'openai',
      dialect: 'openai-chat',
      defaultBaseUrl: 'https://api.openai.com/v1',
      modelPatterns: [],
      streamUsage: true,
      promptCacheKey: 'always',
    },
    origin: { key: '', tls: true, host: 'api.openai.com', port: 443 },
    basePath: '/v1',
    accounts: [],
    promptCacheKey: true,
  },
  upstreamModel: 'gpt-4o',
  rewritten: false,
};

/** Every stage on, one provider for every model. */
export const pipelineOptions: PipelineOptions = {
  cacheInject: true,
  toolSort: true,
  resolveModel: () => route,
};

/** A Chat Completions request as the gateway hands it over. */
export const chatInput = (body: Uint8Array): PipelineInput => ({
  body,
  dialect: 'openai-chat',
  scope: 'key',
  routePath: '/v1/chat/completions',
  headers: '',
  passthrough: false,
});
