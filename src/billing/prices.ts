import table from './prices.json' with { type: 'json' };

/** Past so many prompt tokens the whole request costs so many times as much. */
export interface LongPrompt {
  readonly aboveTokens: number;
  readonly input: number;
  readonly output: number;
}

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
  readonly longPrompt: LongPrompt | null;
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
  /** Other names that the vendor bills as this model. */
  readonly aliases?: readonly string[];
}

/**
 * A snapshot of a model: `gpt-4o-2024-08-06` is billed as `gpt-4o`, `claude-haiku-4-5-20251001` as `claude-haiku-4-5` (the
 * vendors' price pages list the undated names).
 */
const SNAPSHOT = /-(\d{4}-\d{2}-\d{2}|\d{8})$/;

/** The vendors' price pages: GPT-5.4 and newer, Claude Haiku 5.5. */
function longPromptOf(provider: string, model: string): LongPrompt | null {
  if (provider === 'openai' && /^gpt-(5\.[4-9]|[6-9])/.test(model))
    return { aboveTokens: 272_000, input: 2, output: 1.5 };
  if (provider === 'anthropic' && model === 'claude-haiku-5-5')
    return { aboveTokens: 100_000, input: 5, output: 5 };
  return null;
}

/** Prices by provider and model, shipped with the binary: no start waits for a download. */
export class PriceTable {
  readonly #prices = new Map<string, Price>();

  constructor() {
    for (const row of table.models as readonly Row[]) {
      const price: Price = {
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
        longPrompt: longPromptOf(row.provider, row.model),
      };
      for (const name of [row.model, ...(row.aliases ?? [])])
        this.#prices.set(`${row.provider}/${name}`, price);
    }
  }

  /** What a model costs at this provider, by its name, another name of it, or a dated one; null marks the call unpriced. */
  find(provider: string, model: string): Price | null {
    const price = this.#prices.get(`${provider}/${model}`);
    if (price !== undefined) return price;
    const undated = model.replace(SNAPSHOT, '');
    return undated === model ? null : (this.#prices.get(`${provider}/${undated}`) ?? null);
  }

  /** Whether the table names exactly this model. Bounds metric labels. */
  names(provider: string, model: string): boolean {
    return this.#prices.has(`${provider}/${model}`);
  }

  /** Models of a provider, each once, under its first name. */
  modelsOf(provider: string): readonly string[] {
    return [...new Set(this.#prices.values())]
      .filter((price) => price.provider === provider)
      .map((price) => price.model);
  }
}
