import type { CachePrompt, PromptCache } from './types.ts';

/** Blocks of a made-up conversation: each letter stands for `length` tokens that no other letter has. */
function tokensOf(letters: string, length: number): Int32Array {
  const tokens = new Int32Array(letters.length * length);
  for (let index = 0; index < tokens.length; index++) {
    tokens[index] = letters.charCodeAt(Math.floor(index / length)) * 1_000_003 + index;
  }
  return tokens;
}

export interface Ask {
  /** The prompt, a letter a message. */
  readonly prompt: string;
  readonly answer?: string;
  /** Tokens of each letter. */
  readonly length: number;
  readonly atMs: number;
  readonly boundaries?: CachePrompt['boundaries'];
  readonly scope?: string;
  readonly cacheKey?: string;
  readonly explicitMarks?: boolean;
  readonly extendedRetention?: boolean;
}

/** Asks, is answered at once, and says what was cached and what was written. */
export function ask(cache: PromptCache, asked: Ask): [cached: number, written: number] {
  const { prompt, answer = '', length, atMs } = asked;
  const messageEnds = Array.from({ length: prompt.length }, (_, index) => ({
    tokens: (index + 1) * length,
    kind: 'message' as const,
  }));
  const visit = cache.visit(
    {
      tokens: tokensOf(prompt + answer, length),
      inputTokens: prompt.length * length,
      promptTokens: prompt.length * length,
      boundaries: asked.boundaries ?? messageEnds,
      scope: asked.scope ?? 'account',
      cacheKey: asked.cacheKey ?? '',
      explicitMarks: asked.explicitMarks ?? false,
      extendedRetention: asked.extendedRetention ?? false,
    },
    atMs,
  );
  visit.promptDone(atMs);
  visit.answerDone(atMs);
  return [visit.cachedTokens, visit.writtenTokens];
}
