import { BoundedMap } from './bounded-map.ts';
import { PrefixChain } from './prefix-chain.ts';
import type { CachePrompt, CacheVisit, PromptCache } from './types.ts';

export interface OpenaiBlockRules {
  /** Shorter prompts are neither stored nor found. */
  readonly thresholdTokens: number;
  /** Distance of the internal checkpoints: 2,048 for GPT-5.5, "model-dependent otherwise". */
  readonly checkpointTokens: number;
  /** Hits are reported in multiples of this. */
  readonly reportedMultiple: number;
  /** The machine is chosen by a hash of so many first tokens (and `prompt_cache_key`). */
  readonly routedTokens: number;
  /** Requests a minute that one machine takes of one prefix and key; what is more spills to the next machine. */
  readonly requestsPerMinute: number;
  readonly maxMachines: number;
  /** "5–10 minutes of inactivity": each entry gets its own span between these. */
  readonly idleMs: { readonly min: number; readonly max: number };
  /** "At most one hour." */
  readonly maxAgeMs: number;
  /** Extended retention. */
  readonly extendedMs: number;
  readonly maxEntries: number;
}

const MINUTE_MS = 60_000;

export const OPENAI_BLOCK_RULES: OpenaiBlockRules = {
  thresholdTokens: 1024,
  checkpointTokens: 128,
  reportedMultiple: 128,
  routedTokens: 256,
  requestsPerMinute: 15,
  maxMachines: 16,
  idleMs: { min: 5 * MINUTE_MS, max: 10 * MINUTE_MS },
  maxAgeMs: 60 * MINUTE_MS,
  extendedMs: 24 * 60 * MINUTE_MS,
  maxEntries: 200_000,
};

/** Checkpoints of GPT-5.5 and GPT-5.5 pro. */
export const OPENAI_COARSE_BLOCK_RULES: OpenaiBlockRules = { ...OPENAI_BLOCK_RULES, checkpointTokens: 2048 };

interface Block {
  storedAtMs: number;
  usedAtMs: number;
}

interface Route {
  minute: number;
  requests: number;
}

/**
 * OpenAI's automatic prompt caching before GPT-5.6 (guide "Prompt caching"): any common beginning counts, in blocks, on the
 * machine the request lands on. `prompt_cache_key` takes part in choosing that machine; it does not pin.
 */
export class OpenaiBlockCache implements PromptCache {
  readonly #rules: OpenaiBlockRules;
  readonly #blocks: BoundedMap<number, Block>;
  readonly #routes: BoundedMap<number, Route>;

  constructor(rules: OpenaiBlockRules) {
    this.#rules = rules;
    this.#blocks = new BoundedMap(rules.maxEntries);
    this.#routes = new BoundedMap(rules.maxEntries);
  }

  visit(prompt: CachePrompt, nowMs: number): CacheVisit {
    const rules = this.#rules;
    const machine = this.#route(prompt, nowMs);
    const hashes: number[] = [];
    if (prompt.inputTokens >= rules.thresholdTokens) {
      const chain = new PrefixChain(prompt.tokens, `${prompt.scope}\0${machine}`);
      for (let at = rules.checkpointTokens; at <= prompt.inputTokens; at += rules.checkpointTokens) {
        hashes.push(chain.to(at));
      }
    }
    let found = 0;
    while (found < hashes.length && this.#use(hashes[found] ?? 0, prompt, nowMs)) found++;
    const common = Math.min(found * rules.checkpointTokens, prompt.promptTokens - 1);
    const cachedTokens = common - (common % rules.reportedMultiple);
    return {
      cachedTokens: cachedTokens < rules.thresholdTokens ? 0 : cachedTokens,
      writtenTokens: 0,
      writtenLongTokens: 0,
      promptDone: (atMs) => {
        for (const hash of hashes) this.#store(hash, atMs);
      },
      answerDone: () => {},
    };
  }

  clear(): void {
    this.#blocks.clear();
    this.#routes.clear();
  }

  /** Number of the machine that takes this request. */
  #route(prompt: CachePrompt, nowMs: number): number {
    const { routedTokens, requestsPerMinute, maxMachines } = this.#rules;
    const length = Math.min(routedTokens, prompt.inputTokens);
    const key = new PrefixChain(prompt.tokens, `${prompt.scope}\0${prompt.cacheKey}`).to(length);
    const minute = Math.floor(nowMs / MINUTE_MS);
    const earlier = this.#routes.peek(key);
    const route = earlier?.minute === minute ? earlier : { minute, requests: 0 };
    const overflow = Math.floor(route.requests++ / requestsPerMinute) % maxMachines;
    this.#routes.set(key, route);
    // Machines are told apart per route: another key, another home.
    return key + overflow;
  }

  #use(hash: number, prompt: CachePrompt, nowMs: number): boolean {
    const block = this.#blocks.peek(hash);
    if (block === undefined) return false;
    const { idleMs, maxAgeMs, extendedMs } = this.#rules;
    const idleLimitMs = idleMs.min + (hash % (idleMs.max - idleMs.min));
    const gone = prompt.extendedRetention
      ? nowMs - block.usedAtMs > extendedMs
      : nowMs - block.usedAtMs > idleLimitMs || nowMs - block.storedAtMs > maxAgeMs;
    if (gone) {
      this.#blocks.delete(hash);
      return false;
    }
    block.usedAtMs = nowMs;
    this.#blocks.set(hash, block);
    return true;
  }

  #store(hash: number, nowMs: number): void {
    const block = this.#blocks.peek(hash);
    this.#blocks.set(hash, { storedAtMs: block?.storedAtMs ?? nowMs, usedAtMs: nowMs });
  }
}
