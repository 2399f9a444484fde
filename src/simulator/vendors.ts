import { ANTHROPIC_CACHE_RULES, AnthropicCache } from './cache/anthropic.ts';
import { DEEPSEEK_RULES, DeepseekCache, type DeepseekCacheRules } from './cache/deepseek.ts';
import { OPENAI_BLOCK_RULES, OPENAI_COARSE_BLOCK_RULES, OpenaiBlockCache } from './cache/openai-blocks.ts';
import { OPENAI_BOUNDARY_RULES, OpenaiBoundaryCache } from './cache/openai-boundaries.ts';
import type { PromptCache } from './cache/types.ts';
import { anthropicDialect } from './dialects/anthropic.ts';
import { deepseekDialect } from './dialects/deepseek.ts';
import { openaiDialect } from './dialects/openai.ts';
import { gptVersion, hasBoundaryCache } from './dialects/openai-rules.ts';
import type { Dialect } from './dialects/types.ts';

export type { DeepseekCacheRules };

/** OpenAI and DeepSeek share a path; the model's name tells them apart. */
export const chatDialect = (model: string): Dialect =>
  model.startsWith('deepseek-') ? deepseekDialect : openaiDialect;

/** Path → the dialect in which it answers for a model ('' while it is not known). */
export const CALL_ROUTES: ReadonlyMap<string, (model: string) => Dialect> = new Map([
  ['/v1/chat/completions', chatDialect],
  ['/chat/completions', chatDialect],
  ['/v1/messages', () => anthropicDialect],
]);

export const COUNT_TOKENS_PATH = '/v1/messages/count_tokens';

/** The vendor whose errors a path answers with. */
export const dialectOf = (path: string): Dialect =>
  path.startsWith('/v1/messages') ? anthropicDialect : chatDialect('');

/** Caches as the answering of calls sees them. */
export interface Caches {
  /** Null: nothing is cached, prompts need not be rendered. */
  of(model: string): PromptCache | null;
  clear(): void;
}

export const NO_CACHES: Caches = { of: () => null, clear: () => {} };

/** Every vendor's cache, and who uses which. */
export class VendorCaches implements Caches {
  readonly #anthropic = new AnthropicCache(ANTHROPIC_CACHE_RULES);
  readonly #deepseek: DeepseekCache;
  readonly #boundaries = new OpenaiBoundaryCache(OPENAI_BOUNDARY_RULES);
  readonly #blocks = new OpenaiBlockCache(OPENAI_BLOCK_RULES);
  readonly #coarseBlocks = new OpenaiBlockCache(OPENAI_COARSE_BLOCK_RULES);

  /** `random`: 0…1, for what a vendor does at its best effort. */
  constructor(deepseek: Partial<DeepseekCacheRules>, random: () => number) {
    this.#deepseek = new DeepseekCache({ ...DEEPSEEK_RULES, ...deepseek }, random);
  }

  of(model: string): PromptCache {
    if (model.startsWith('deepseek-')) return this.#deepseek;
    if (model.startsWith('claude-')) return this.#anthropic;
    if (hasBoundaryCache(model)) return this.#boundaries;
    return gptVersion(model) === 5.5 ? this.#coarseBlocks : this.#blocks;
  }

  clear(): void {
    const openai = [this.#boundaries, this.#blocks, this.#coarseBlocks];
    for (const cache of [this.#anthropic, this.#deepseek, ...openai]) cache.clear();
  }
}
