import type { Config } from '../config/load.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { NO_PROVIDER, type ProviderRegistry } from '../providers/registry.ts';
import type { ModelRoute } from '../providers/types.ts';
import type { StageOptions } from './order.ts';

/** Where a model goes; throws where there is no provider at all: the operator must hear which variable to set. */
export function resolverOf(registry: ProviderRegistry): (model: string) => ModelRoute | null {
  return registry.providers.length === 0 ? noProvider : (model) => registry.resolve(model);
}

/** The stages as they are configured: every thread that prepares requests must come to the same bytes and hashes. */
export function configuredStages(
  { env }: Config,
  registry: ProviderRegistry,
  hashSecret: Uint8Array,
): StageOptions {
  return {
    cacheInject: env.CACHE_INJECT_ENABLED,
    cacheTtl: env.CACHE_TTL,
    toolSort: env.TOOL_SORT_ENABLED,
    resolveModel: resolverOf(registry),
    hashSecret,
  };
}

/** No model is to blame while there is no provider at all. */
function noProvider(): never {
  throw new GatewayError('no_provider', `The gateway cannot answer: ${NO_PROVIDER}.`);
}
