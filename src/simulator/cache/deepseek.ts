import { isDeepseekPeak } from '../peak.ts';
import { BoundedMap } from './bounded-map.ts';
import { PrefixChain } from './prefix-chain.ts';
import type { CachePrompt, CacheVisit, PromptCache } from './types.ts';

/** What the vendor leaves open, as numbers. */
export interface DeepseekCacheRules {
  /** "An entry takes seconds to become usable." In recorded conversations a pause of 2.2 s was always enough. */
  readonly usableAfterMs: number;
  /** "Unused entries are removed after hours to days." Recorded: 2 h survived, 16 h did not. */
  readonly ttlMs: number;
  /** "At fixed token intervals inside long inputs and outputs"; the interval is not published. */
  readonly intervalTokens: number;
  /**
   * "Best effort": the chance that a request's units are stored at all, in peak and off-peak hours. Recorded on 39
   * conversations of mini-swe-agent in April 2026: about half in peak hours (all or nothing per request, never later), all off-peak.
   * 1 is the default, so that an answer does not depend on the time of day; see `RECORDED_DEEPSEEK_RULES`.
   */
  readonly storedShare: { readonly peak: number; readonly offPeak: number };
  /** Bound of each table. */
  readonly maxEntries: number;
}

export const DEEPSEEK_RULES: DeepseekCacheRules = {
  usableAfterMs: 1000,
  ttlMs: 8 * 3_600_000,
  intervalTokens: 4096,
  storedShare: { peak: 1, offPeak: 1 },
  maxEntries: 200_000,
};

/** As the service behaved in the recordings. */
export const RECORDED_DEEPSEEK_RULES: DeepseekCacheRules = {
  ...DEEPSEEK_RULES,
  storedShare: { peak: 0.5, offPeak: 1 },
};

/** Hits are reported in multiples of this (every one of 3,226 recorded figures is). */
export const DEEPSEEK_UNIT_TOKENS = 64;

interface Unit {
  usableAtMs: number;
  lastUsedMs: number;
}

const roundDown = (tokens: number): number => tokens - (tokens % DEEPSEEK_UNIT_TOKENS);

/** A place in the sequence where a unit may end. */
interface Place {
  readonly tokens: number;
  readonly hash: number;
}

/**
 * DeepSeek's context caching on disk (api-docs.deepseek.com, "Context Caching", autumn 2026): every stored prefix is an
 * independent, complete unit, and a request hits only what contains a unit in full from token 0. Units end
 *   – where the user's input ends and where the answer ends,
 *   – where two requests with a common beginning were seen to part (the third one with it hits),
 *   – at fixed intervals of newly computed tokens.
 */
export class DeepseekCache implements PromptCache {
  readonly #rules: DeepseekCacheRules;
  /** 0…1, for what is best effort. */
  readonly #random: () => number;
  readonly #units: BoundedMap<number, Unit>;
  /** Prefix seen → length of the longest sequence that began with it: tells a parting from a continuation. */
  readonly #seen: BoundedMap<number, number>;

  constructor(rules: DeepseekCacheRules, random: () => number) {
    this.#rules = rules;
    this.#random = random;
    this.#units = new BoundedMap(rules.maxEntries);
    this.#seen = new BoundedMap(rules.maxEntries);
  }

  visit(prompt: CachePrompt, nowMs: number): CacheVisit {
    const places = this.#places(prompt);
    const hitTokens = this.#lookUp(places, prompt, nowMs);
    const partingHash = this.#parting(places, prompt, hitTokens);

    const input: number[] = [];
    const answer: number[] = [];
    for (const { tokens, hash } of places) {
      const atInterval = tokens % this.#rules.intervalTokens === 0 && tokens > hitTokens;
      if (tokens === prompt.inputTokens || (atInterval && tokens <= prompt.promptTokens)) input.push(hash);
      else if (tokens === prompt.tokens.length || (atInterval && tokens > prompt.promptTokens))
        answer.push(hash);
    }
    if (partingHash !== null) input.push(partingHash);

    const { peak, offPeak } = this.#rules.storedShare;
    const stored = this.#random() < (isDeepseekPeak(nowMs) ? peak : offPeak);
    const store = (hashes: readonly number[], atMs: number): void => {
      if (stored) for (const hash of hashes) this.#store(hash, atMs);
    };
    return {
      cachedTokens: roundDown(Math.min(hitTokens, prompt.promptTokens - 1)),
      writtenTokens: 0,
      writtenLongTokens: 0,
      promptDone: (atMs) => store(input, atMs),
      answerDone: (atMs) => store(answer, atMs),
    };
  }

  clear(): void {
    this.#units.clear();
    this.#seen.clear();
  }

  /** All places, shortest first, from one pass over the tokens. */
  #places(prompt: CachePrompt): Place[] {
    const total = prompt.tokens.length;
    const chain = new PrefixChain(prompt.tokens, prompt.scope);
    const places: Place[] = [];
    const ends = [...prompt.boundaries.map((boundary) => boundary.tokens), prompt.inputTokens, total];
    let multiple = DEEPSEEK_UNIT_TOKENS;
    let last = 0;
    for (const end of ends) {
      for (; multiple < end; multiple += DEEPSEEK_UNIT_TOKENS) {
        places.push({ tokens: multiple, hash: chain.to(multiple) });
        last = multiple;
      }
      if (end > last) places.push({ tokens: end, hash: chain.to(end) });
      last = end;
      if (multiple === end) multiple += DEEPSEEK_UNIT_TOKENS;
    }
    return places;
  }

  /** Length of the longest usable unit inside the input. */
  #lookUp(places: readonly Place[], prompt: CachePrompt, nowMs: number): number {
    for (let index = places.length - 1; index >= 0; index--) {
      const place = places[index];
      if (place === undefined || place.tokens > prompt.inputTokens) continue;
      const unit = this.#units.peek(place.hash);
      if (unit === undefined || unit.usableAtMs > nowMs) continue;
      if (nowMs - unit.lastUsedMs > this.#rules.ttlMs) {
        this.#units.delete(place.hash);
        continue;
      }
      unit.lastUsedMs = nowMs;
      this.#units.set(place.hash, unit);
      return place.tokens;
    }
    return 0;
  }

  /**
   * Where this request parts from an earlier one, if that is news. A sequence that merely goes on from where an earlier one
   * ended does not part from it: that place is a unit of its own.
   */
  #parting(places: readonly Place[], prompt: CachePrompt, hitTokens: number): number | null {
    let parting: Place | null = null;
    for (const place of places) {
      if (place.tokens % DEEPSEEK_UNIT_TOKENS !== 0) continue;
      const longest = this.#seen.peek(place.hash) ?? 0;
      const goesOn = longest - place.tokens >= DEEPSEEK_UNIT_TOKENS;
      if (longest > 0 && place.tokens <= prompt.inputTokens)
        parting = goesOn && place.tokens > hitTokens ? place : null;
      this.#seen.set(place.hash, Math.max(longest, prompt.tokens.length));
    }
    return parting?.hash ?? null;
  }

  #store(hash: number, nowMs: number): void {
    const earlier = this.#units.peek(hash);
    const usableAtMs = nowMs + this.#rules.usableAfterMs;
    this.#units.set(hash, {
      usableAtMs: earlier === undefined ? usableAtMs : Math.min(earlier.usableAtMs, usableAtMs),
      lastUsedMs: nowMs,
    });
  }
}
