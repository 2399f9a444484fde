import type { PriceTable } from '../billing/prices.ts';
import type { ProviderRegistry } from '../providers/registry.ts';

export interface ModelObject {
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

interface AnthropicModel {
  readonly type: 'model';
  readonly id: string;
  readonly display_name: string;
  readonly created_at: string;
}

/** A model as Anthropic tells of it; when it was made is not known here. */
export function anthropicModel({ id }: ModelObject): AnthropicModel {
  return { type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' };
}

/** The list in Anthropic's shape, in one page. */
export function anthropicModels(models: readonly ModelObject[]): object {
  return {
    data: models.map(anthropicModel),
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  };
}
