import table from './prices.json' with { type: 'json' };

/** USD per million tokens, which is micro-USD per token. Null: the vendor bills no such item. */
export interface Price {
  readonly provider: string;
  readonly model: string;
  readonly input: number;
  readonly cachedInput: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheWrite30m: number;
  readonly output: number;
  readonly maxOutputTokens: number;
}

interface Row {
  readonly provider: string;
  readonly model: string;
  readonly input: number;
  readonly output: number;
  readonly cached_input?: number;
  readonly cache_write_5m?: number;
  readonly cache_write_1h?: number;
  readonly cache_write_30m?: number;
  readonly max_output?: number;
}

/** Prices by provider and model, shipped with the binary: no start waits for a download. */
export class PriceTable {
  readonly #prices = new Map<string, Price>();

  constructor() {
    for (const row of table.models as readonly Row[]) {
      this.#prices.set(`${row.provider}/${row.model}`, {
        provider: row.provider,
        model: row.model,
        input: row.input,
        cachedInput: row.cached_input ?? row.input,
        // A write replaces the ordinary input price of those tokens.
        cacheWrite5m: row.cache_write_5m ?? row.input,
        cacheWrite1h: row.cache_write_1h ?? row.input,
        cacheWrite30m: row.cache_write_30m ?? row.input,
        output: row.output,
        maxOutputTokens: row.max_output ?? 4_096,
      });
    }
  }

  /** The price of exactly this model at this provider; null marks the call unpriced. */
  find(provider: string, model: string): Price | null {
    return this.#prices.get(`${provider}/${model}`) ?? null;
  }

  modelsOf(provider: string): readonly string[] {
    return [...this.#prices.values()]
      .filter((price) => price.provider === provider)
      .map((price) => price.model);
  }
}
