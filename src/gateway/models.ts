import type { PriceTable } from '../billing/prices.ts';
import type { ProviderRegistry } from '../providers/registry.ts';

interface ModelObject {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: string;
}

/** `GET /v1/models`: aliases, configured names, and priced models of the configured providers (OpenAI list shape). */
export function listModels(
  registry: ProviderRegistry,
  prices: PriceTable,
): { object: 'list'; data: ModelObject[] } {
  const names = new Set([
    ...registry.aliases,
    ...registry.listedModels.keys(),
    ...registry.providers.flatMap((provider) => prices.modelsOf(provider.id)),
  ]);
  const owners = new Map<string, string>();
  for (const name of names) {
    // Who answers for a name may be another than who has it in the price table, or nobody.
    const route = registry.resolve(name);
    if (route !== null) owners.set(name, route.provider.id);
  }
  return {
    object: 'list',
    data: [...owners].map(([id, owner]) => ({ id, object: 'model', created: 0, owned_by: owner })),
  };
}
