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
  const owners = new Map<string, string>();
  for (const alias of registry.aliases) owners.set(alias, registry.resolve(alias)?.provider.id ?? 'alias');
  for (const [model, provider] of registry.listedModels) owners.set(model, provider.id);
  for (const provider of registry.providers)
    for (const model of prices.modelsOf(provider.id)) owners.set(model, provider.id);
  return {
    object: 'list',
    data: [...owners].map(([id, owner]) => ({ id, object: 'model', created: 0, owned_by: owner })),
  };
}
