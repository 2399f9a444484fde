import { requestConversion } from '../../src/dialects/request-conversions.ts';
import type { PipelineInput } from '../../src/pipeline/envelope.ts';
import type { PipelineOptions } from '../../src/pipeline/pipeline.ts';
import { anthropic } from '../../src/providers/anthropic/profile.ts';
import { openai } from '../../src/providers/openai/profile.ts';
import type { DialectId, ModelRoute, ProviderProfile } from '../../src/providers/types.ts';
import { JsonDocument } from '../../src/std/json/document.ts';

const routeTo = (profile: ProviderProfile, upstreamModel: string): ModelRoute => ({
  provider: {
    id: profile.id,
    profile,
    origin: { key: '', tls: true, host: 'vendor.example', port: 443 },
    basePath: '/v1',
    accounts: [],
    official: true,
    promptCacheKey: profile.promptCacheKey !== 'never',
  },
  upstreamModel,
  rewritten: false,
});

/** Every stage on, and every model at the vendor that speaks this. */
export function optionsFor(vendor: DialectId): PipelineOptions {
  const route = vendor === 'openai-chat' ? routeTo(openai, 'gpt-4o') : routeTo(anthropic, 'claude-opus-4-8');
  return { cacheInject: true, toolSort: true, resolveModel: () => route };
}

/** Nothing is done for one vendor's cache that is not for another's, so that runs differ by their conversion alone. */
export function evenOptionsFor(vendor: DialectId): PipelineOptions {
  const { resolveModel, ...options } = optionsFor(vendor);
  const { provider, upstreamModel } = resolveModel('')!;
  const route = routeTo({ ...provider.profile, cacheMarks: undefined }, upstreamModel);
  return { ...options, cacheInject: false, resolveModel: () => route };
}

/** A request as the gateway hands it over. */
export const inputOf = (body: Uint8Array, dialect: DialectId): PipelineInput => ({
  body,
  dialect,
  scope: 'key',
  routePath: dialect === 'openai-chat' ? '/v1/chat/completions' : '/v1/messages',
  headers: '',
  passthrough: false,
});

/** The same request in the vendor's words. */
export function convertedBody(body: Uint8Array, client: DialectId, vendor: DialectId): Uint8Array {
  const document = new JsonDocument();
  document.parse(body);
  const { upstreamModel } = optionsFor(vendor).resolveModel('')!;
  return requestConversion(client, vendor)(document, { upstreamModel }).body;
}
