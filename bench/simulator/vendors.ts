import { DEEPSEEK_RULES, DeepseekCache, type DeepseekCacheRules } from './cache/deepseek.ts';
import { OPENAI_BLOCK_RULES, OPENAI_COARSE_BLOCK_RULES, OpenaiBlockCache } from './cache/openai-blocks.ts';
import { OPENAI_BOUNDARY_RULES, OpenaiBoundaryCache } from './cache/openai-boundaries.ts';
import type { PromptCache } from './cache/types.ts';
import { deepseekDialect } from './dialects/deepseek.ts';
import { openaiDialect } from './dialects/openai.ts';
import { gptVersion, hasBoundaryCache } from './dialects/openai-rules.ts';
import type { Dialect } from './dialects/types.ts';

export type { DeepseekCacheRules };

/** Both vendors share a path; the model's name tells them apart. */
export const chatDialect = (model: string): Dialect =>
  model.startsWith('deepseek-') ? deepseekDialect : openaiDialect;

/** Path → the dialect in which it answers for a model ('' while it is not known). */
export const CHAT_ROUTES: ReadonlyMap<string, (model: string) => Dialect> = new Map([
  ['/v1/chat/completions', chatDialect],
  ['/chat/completions', chatDialect],
]);

/** Caches as the answering of calls sees them. */
export interface Caches {
  /** Null: nothing is cached, prompts need not be rendered. */
  of(model: string): PromptCache | null;
  clear(): void;
}

export const NO_CACHES: Caches = { of: () => null, clear: () => {} };

/** Every vendor's cache, and who uses which. */
export class VendorCaches implements Caches {
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
    if (hasBoundaryCache(model)) return this.#boundaries;
    return gptVersion(model) === 5.5 ? this.#coarseBlocks : this.#blocks;
  }

  clear(): void {
    for (const cache of [this.#deepseek, this.#boundaries, this.#blocks, this.#coarseBlocks]) cache.clear();
  }
}
