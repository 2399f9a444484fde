import { BoundedMap } from './bounded-map.ts';
import { PrefixChain } from './prefix-chain.ts';
import type { CachePrompt, CacheVisit, PromptBlock, PromptCache } from './types.ts';

export interface AnthropicCacheRules {
  /** Positions looked up from a mark backwards, its own included. */
  readonly lookBack: number;
  /** Marks that ask for longer are billed as long writes. */
  readonly shortTtlMs: number;
  readonly maxEntries: number;
}

export const ANTHROPIC_CACHE_RULES: AnthropicCacheRules = {
  lookBack: 20,
  shortTtlMs: 5 * 60_000,
  maxEntries: 200_000,
};

interface Entry {
  readonly ttlMs: number;
  readonly expiresAtMs: number;
}

const NOTHING: CacheVisit = {
  cachedTokens: 0,
  writtenTokens: 0,
  writtenLongTokens: 0,
  promptDone: () => {},
  answerDone: () => {},
};

/**
 * Anthropic's prompt caching (guide "Prompt caching", November 2026): entries are written at marks alone, and read by walking
 * back from each mark, block by block, to the nearest entry.
 *
 *   blocks    t t s s │ u a u a u
 *   marks         ▲           ▲ ▲
 *   entries       ●       ●           found from the last mark: the second one, all before it is read
 *
 * An entry lives from the start of the request that wrote or used it last. It is there once that request's answer has begun.
 *
 * The guide does not say what becomes of a mark in front of what was read. Here its entry is stored too, free of charge, since
 * nothing had to be computed; and an entry keeps its own lifetime if a later mark on the same place asks for another one.
 */
export class AnthropicCache implements PromptCache {
  readonly #rules: AnthropicCacheRules;
  readonly #entries: BoundedMap<string, Entry>;

  constructor(rules: AnthropicCacheRules) {
    this.#rules = rules;
    this.#entries = new BoundedMap(rules.maxEntries);
  }

  visit(prompt: CachePrompt, nowMs: number): CacheVisit {
    const { marked } = prompt;
    if (marked === null) return NOTHING;
    const { blocks, minTokens } = marked;
    const marks = blocks.flatMap((block, index) =>
      block.ttlMs > 0 && block.tokens >= minTokens ? [index] : [],
    );
    const keys = this.#keys(prompt, blocks.slice(0, (marks.at(-1) ?? -1) + 1));

    let cachedTokens = 0;
    for (const mark of marks) {
      const found = this.#lookUp(blocks, keys, mark, nowMs);
      if (found === -1) continue;
      this.#use(keys[found]!, nowMs);
      cachedTokens = Math.max(cachedTokens, blocks[found]!.tokens);
    }

    const { shortTtlMs } = this.#rules;
    let lastWrite = cachedTokens;
    let lastLongWrite = cachedTokens;
    for (const mark of marks) {
      const { tokens, ttlMs } = blocks[mark]!;
      if (tokens <= cachedTokens) continue;
      lastWrite = tokens;
      if (ttlMs > shortTtlMs) lastLongWrite = tokens;
    }
    return {
      cachedTokens,
      writtenTokens: lastWrite - cachedTokens,
      writtenLongTokens: lastLongWrite - cachedTokens,
      promptDone: () => {
        for (const mark of marks) this.#store(keys[mark]!, blocks[mark]!.ttlMs, nowMs);
      },
      answerDone: () => {},
    };
  }

  clear(): void {
    this.#entries.clear();
  }

  /** What each prefix is stored under, cumulative. */
  #keys(prompt: CachePrompt, blocks: readonly PromptBlock[]): string[] {
    const chain = new PrefixChain(prompt.tokens, prompt.scope);
    return blocks.map(({ tokens, salt }) => `${chain.to(tokens)}\0${salt}`);
  }

  /** The nearest block with an entry; −1: none within reach. */
  #lookUp(blocks: readonly PromptBlock[], keys: readonly string[], mark: number, nowMs: number): number {
    const beyond = blocks[mark]!.position - this.#rules.lookBack;
    for (let index = mark; index >= 0 && blocks[index]!.position > beyond; index--) {
      const entry = this.#entries.peek(keys[index]!);
      if (entry === undefined) continue;
      if (entry.expiresAtMs > nowMs) return index;
      this.#entries.delete(keys[index]!);
    }
    return -1;
  }

  #use(key: string, nowMs: number): void {
    const ttlMs = this.#entries.peek(key)?.ttlMs ?? 0;
    this.#entries.set(key, { ttlMs, expiresAtMs: nowMs + ttlMs });
  }

  /** `startedAtMs`: of the request, from which lifetimes count. */
  #store(key: string, ttlMs: number, startedAtMs: number): void {
    const earlier = this.#entries.peek(key);
    const lives = earlier !== undefined && earlier.expiresAtMs > startedAtMs;
    const kept = lives ? earlier.ttlMs : ttlMs;
    const expiresAtMs = Math.max(startedAtMs + kept, lives ? earlier.expiresAtMs : 0);
    this.#entries.set(key, { ttlMs: kept, expiresAtMs });
  }
}
