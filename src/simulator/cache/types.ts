/** Where a message, or a marked part of one, ends in the token sequence. */
export interface Boundary {
  /** Number of tokens up to here. */
  readonly tokens: number;
  /**
   * `developer`: end of the leading system and developer messages; `message`: end of a message that a vendor's automatic
   * breakpoint may stand on (user, last of a run of tool results); `mark`: the client set a mark here.
   */
  readonly kind: 'developer' | 'message' | 'mark';
}

/** A tool, or a block of the system text or of a message, at whose end Anthropic's cache may store the prefix. */
export interface PromptBlock {
  /** Number of tokens up to its end. */
  readonly tokens: number;
  /** Blocks of one run (calls side by side, their results) share a place in the look-back. */
  readonly position: number;
  /** Settings that are part of the prefix, those of this block's level (tools, system, messages) and of the levels before it. */
  readonly salt: string;
  /** How long a mark on it wants the prefix kept; 0: it has none. */
  readonly ttlMs: number;
}

/** What Anthropic's cache sees of a prompt. */
export interface MarkedPrompt {
  /** In order. */
  readonly blocks: readonly PromptBlock[];
  /** Shorter prefixes are not cached. */
  readonly minTokens: number;
}

/** A prompt and the answer to it, as one token sequence. */
export interface CachePrompt {
  /** Prompt and answer. */
  readonly tokens: Int32Array;
  /** Tokens up to the end of the user's input: what a vendor stores of the prompt. */
  readonly inputTokens: number;
  /** Tokens that are billed as prompt: the input and the header that opens the answer. */
  readonly promptTokens: number;
  /** In order; some may share a position. */
  readonly boundaries: readonly Boundary[];
  /** Everything that separates caches: account, model, and whatever else the vendor counts as part of the prefix. */
  readonly scope: string;
  /** OpenAI's `prompt_cache_key`. */
  readonly cacheKey: string;
  /** GPT-5.6 and later, `prompt_cache_options.mode: "explicit"`: only the client's marks count. */
  readonly explicitMarks: boolean;
  /** OpenAI before GPT-5.6, `prompt_cache_retention: "24h"`. */
  readonly extendedRetention: boolean;
  /** Null: the vendor is not Anthropic. */
  readonly marked: MarkedPrompt | null;
}

/** One request's way through a cache. The look-up is done on arrival; what it stores becomes visible by the two calls. */
export interface CacheVisit {
  /** Prompt tokens read from the cache. */
  readonly cachedTokens: number;
  /** Prompt tokens written to it, where the vendor bills them; otherwise 0. */
  readonly writtenTokens: number;
  /** Those of them that are written for an hour (Anthropic). */
  readonly writtenLongTokens: number;
  /** The prompt has been processed (the answer begins). */
  promptDone(nowMs: number): void;
  /** The answer is complete. */
  answerDone(nowMs: number): void;
}

export interface PromptCache {
  visit(prompt: CachePrompt, nowMs: number): CacheVisit;
  /** Forgets everything. */
  clear(): void;
}
