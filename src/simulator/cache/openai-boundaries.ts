import { BoundedMap } from './bounded-map.ts';
import { PrefixChain } from './prefix-chain.ts';
import type { Boundary, CachePrompt, CacheVisit, PromptCache } from './types.ts';

export interface OpenaiBoundaryRules {
  /** Visible tokens up to a boundary below which it is neither written nor found. */
  readonly thresholdTokens: number;
  readonly ttlMs: number;
  /** Earlier message ends that are looked up besides the newest one. */
  readonly earlierMessages: number;
  /** Marks looked up: the first ones and the latest ones. */
  readonly firstMarks: number;
  readonly latestMarks: number;
  /** Boundaries written by one request: in implicit mode one of them is the automatic one. */
  readonly maxWrites: number;
  readonly maxEntries: number;
}

export const OPENAI_BOUNDARY_RULES: OpenaiBoundaryRules = {
  thresholdTokens: 1024,
  ttlMs: 30 * 60_000,
  earlierMessages: 20,
  firstMarks: 2,
  latestMarks: 50,
  maxWrites: 4,
  maxEntries: 200_000,
};

/**
 * OpenAI's prompt caching from GPT-5.6 on (guide "Prompt caching"): a hit needs an entry that ends exactly at one of the
 * request's boundaries; there is no falling back to a shorter, unmarked common beginning. Writes are billed.
 */
export class OpenaiBoundaryCache implements PromptCache {
  readonly #rules: OpenaiBoundaryRules;
  /** Boundary → when it was last written or used. */
  readonly #entries: BoundedMap<number, number>;

  constructor(rules: OpenaiBoundaryRules) {
    this.#rules = rules;
    this.#entries = new BoundedMap(rules.maxEntries);
  }

  visit(prompt: CachePrompt, nowMs: number): CacheVisit {
    const breakpoints = this.#breakpoints(prompt);
    const hashes = this.#hashes(prompt, [...breakpoints, ...this.#candidates(prompt)]);

    let cachedTokens = 0;
    for (const [tokens, hash] of hashes) {
      const usedAtMs = this.#entries.peek(hash);
      if (usedAtMs === undefined) continue;
      if (nowMs - usedAtMs > this.#rules.ttlMs) this.#entries.delete(hash);
      else cachedTokens = Math.max(cachedTokens, tokens);
    }
    const hit = hashes.get(cachedTokens);
    if (hit !== undefined) this.#entries.set(hit, nowMs);

    const written = breakpoints.filter((tokens) => hashes.has(tokens) && tokens > cachedTokens);
    return {
      cachedTokens,
      writtenTokens: Math.max(cachedTokens, ...written) - cachedTokens,
      writtenLongTokens: 0,
      promptDone: (atMs) => {
        for (const tokens of written) this.#entries.set(hashes.get(tokens) ?? 0, atMs);
      },
      answerDone: () => {},
    };
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Where this request writes. */
  #breakpoints(prompt: CachePrompt): number[] {
    const { maxWrites } = this.#rules;
    const marks = endsOf(prompt.boundaries, 'mark');
    if (prompt.explicitMarks) return marks.slice(-maxWrites);
    const automatic =
      endsOf(prompt.boundaries, 'message').at(-1) ?? endsOf(prompt.boundaries, 'developer').at(-1);
    const latest = marks.slice(-(maxWrites - 1));
    return automatic === undefined ? latest : [automatic, ...latest];
  }

  /** Where this request looks. */
  #candidates(prompt: CachePrompt): number[] {
    const { firstMarks, latestMarks, earlierMessages } = this.#rules;
    const all = endsOf(prompt.boundaries, 'mark');
    const marks = [...all.slice(0, firstMarks), ...all.slice(-latestMarks)];
    if (prompt.explicitMarks) return marks;
    const messages = endsOf(prompt.boundaries, 'message').slice(-(earlierMessages + 1));
    return [...endsOf(prompt.boundaries, 'developer'), ...messages, ...marks];
  }

  /** Position → hash, for positions that reach the threshold, shortest first. */
  #hashes(prompt: CachePrompt, positions: readonly number[]): Map<number, number> {
    const mode = prompt.explicitMarks ? 'explicit' : 'implicit';
    const chain = new PrefixChain(prompt.tokens, `${prompt.scope}\0${prompt.cacheKey}\0${mode}`);
    const sorted = [...new Set(positions)]
      .filter((at) => at >= this.#rules.thresholdTokens)
      .sort((a, b) => a - b);
    return new Map(sorted.map((at) => [at, chain.to(at)]));
  }
}

const endsOf = (boundaries: readonly Boundary[], kind: Boundary['kind']): number[] =>
  boundaries.filter((boundary) => boundary.kind === kind).map((boundary) => boundary.tokens);
