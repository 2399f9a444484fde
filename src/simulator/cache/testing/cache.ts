import type { CachePrompt, CacheVisit, PromptBlock, PromptCache } from '../types.ts';

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
      marked: null,
    },
    atMs,
  );
  visit.promptDone(atMs);
  visit.answerDone(atMs);
  return [visit.cachedTokens, visit.writtenTokens];
}

export interface MarkedAsk {
  /** The prompt, a letter a block of `length` tokens; blanks are for the eye. */
  readonly prompt: string;
  /** Under each block: `5` or `1`, a mark for five minutes or an hour; `.`, none. Shorter than the prompt: none. */
  readonly marks: string;
  readonly length?: number;
  readonly scope?: string;
  /** Salt from block `from` on. */
  readonly salts?: readonly { readonly from: number; readonly salt: string }[];
  /** Blocks that share their predecessor's position. */
  readonly runs?: readonly number[];
  readonly minTokens?: number;
}

const HOUR_MS = 3_600_000;
const TTLS: Readonly<Record<string, number>> = { '5': HOUR_MS / 12, '1': HOUR_MS };
export const MARKED_LENGTH = 1000;

/** What Anthropic's cache is asked; not yet answered. */
export function visitMarked(cache: PromptCache, asked: MarkedAsk, atMs: number): CacheVisit {
  const { length = MARKED_LENGTH, runs = [], salts = [] } = asked;
  const letters = asked.prompt.replaceAll(' ', '');
  const marks = asked.marks.replaceAll(' ', '');
  let position = -1;
  const blocks = letters.split('').map((_, index): PromptBlock => {
    if (!runs.includes(index)) position++;
    return {
      tokens: (index + 1) * length,
      position,
      salt: salts.findLast(({ from }) => index >= from)?.salt ?? '',
      ttlMs: TTLS[marks.charAt(index)] ?? 0,
    };
  });
  const total = letters.length * length;
  return cache.visit(
    {
      tokens: tokensOf(letters, length),
      inputTokens: total,
      promptTokens: total,
      boundaries: [],
      scope: asked.scope ?? 'account',
      cacheKey: '',
      explicitMarks: true,
      extendedRetention: false,
      marked: { blocks, minTokens: asked.minTokens ?? 0 },
    },
    atMs,
  );
}

/** Asks, is answered at once, and says what was read, written for five minutes, and written for an hour. */
export function askMarked(
  cache: PromptCache,
  asked: MarkedAsk,
  atMs = 0,
): [read: number, short: number, long: number] {
  const visit = visitMarked(cache, asked, atMs);
  visit.promptDone(atMs);
  visit.answerDone(atMs);
  return [visit.cachedTokens, visit.writtenTokens - visit.writtenLongTokens, visit.writtenLongTokens];
}
