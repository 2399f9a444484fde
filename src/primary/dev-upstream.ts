import { startSimulator } from '../simulator/server.ts';
import type { Config } from '../config/load.ts';
import type { ProviderSettings } from '../providers/registry.ts';

export interface DevUpstream {
  /** Routes every model to it. */
  configure(config: Config): Config;
  stop(): Promise<void>;
}

/**
 * The bundled vendor simulator as the only upstream, for a first try without any vendor's key. It stands under the
 * vendors' own names, so that models route and calls are priced as they would be; every other model goes there too.
 */
export function startDevUpstream(): DevUpstream {
  const simulator = startSimulator({ port: 0 });
  const provider = (id: string): ProviderSettings => ({
    id,
    baseUrl: `${simulator.url}/v1`,
    accounts: [{ name: `${id}-0`, apiKey: 'sk-simulator' }],
    models: [],
    streamUsage: null,
    promptCacheKey: null,
  });
  return {
    configure: (config) => ({
      ...config,
      routing: {
        providers: [provider('deepseek'), provider('openai'), provider('anthropic'), provider('simulator')],
        aliases: config.routing.aliases,
        defaultProvider: 'simulator',
      },
    }),
    stop: () => simulator.stop(),
  };
}
