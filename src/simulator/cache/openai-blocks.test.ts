import { describe, expect, test } from 'bun:test';
import { ask } from './testing/cache.ts';
import { OPENAI_BLOCK_RULES, OPENAI_COARSE_BLOCK_RULES, OpenaiBlockCache } from './openai-blocks.ts';

const MINUTE_MS = 60_000;
const LENGTH = 1000;
const asked = { prompt: 'SU', length: LENGTH, atMs: 0 };
const down = (tokens: number): number => tokens - (tokens % 128);

describe('before GPT-5.6', () => {
  test('any common beginning counts, in multiples of 128', () => {
    const cache = new OpenaiBlockCache(OPENAI_BLOCK_RULES);
    expect(ask(cache, { ...asked, prompt: 'STU' })).toEqual([0, 0]);
    expect(ask(cache, { ...asked, prompt: 'STV' })).toEqual([down(2000), 0]);
    expect(ask(cache, { ...asked, prompt: 'STU' })).toEqual([down(2999), 0]);
  });

  test('below 1,024 tokens nothing is cached', () => {
    const cache = new OpenaiBlockCache(OPENAI_BLOCK_RULES);
    ask(cache, { ...asked, prompt: 'S', length: 1023 });
    expect(ask(cache, { ...asked, prompt: 'S', length: 1023 })[0]).toBe(0);
    ask(cache, { ...asked, prompt: 'SU' });
    expect(ask(cache, { ...asked, prompt: 'SV' })[0]).toBe(0);
  });

  test('GPT-5.5 has checkpoints every 2,048 tokens', () => {
    const cache = new OpenaiBlockCache(OPENAI_COARSE_BLOCK_RULES);
    ask(cache, { ...asked, prompt: 'STU' });
    expect(ask(cache, { ...asked, prompt: 'STU' })[0]).toBe(2048);
  });

  test('the 16th request of a minute spills to a machine that knows nothing', () => {
    const cache = new OpenaiBlockCache(OPENAI_BLOCK_RULES);
    const hits = Array.from({ length: 17 }, () => ask(cache, asked)[0] > 0);
    expect(hits).toEqual([false, ...Array.from({ length: 14 }, () => true), false, true]);
    expect(ask(cache, { ...asked, atMs: MINUTE_MS })[0]).toBeGreaterThan(0);
  });

  test('another prompt_cache_key goes to another machine, with its own 15 a minute', () => {
    const cache = new OpenaiBlockCache(OPENAI_BLOCK_RULES);
    ask(cache, { ...asked, cacheKey: 'a' });
    expect(ask(cache, { ...asked, cacheKey: 'b' })[0]).toBe(0);
    const hits = Array.from(
      { length: 28 },
      (_, index) => ask(cache, { ...asked, cacheKey: 'ab'[index % 2]! })[0] > 0,
    );
    expect(hits.every(Boolean)).toBe(true);
  });

  test('idle for 5 minutes it stays, for 10 it is gone, after an hour in any case', () => {
    const cache = new OpenaiBlockCache(OPENAI_BLOCK_RULES);
    ask(cache, asked);
    expect(ask(cache, { ...asked, atMs: 5 * MINUTE_MS })[0]).toBeGreaterThan(0);
    expect(ask(cache, { ...asked, atMs: 15.1 * MINUTE_MS })[0]).toBe(0);
    for (let minute = 16; minute <= 75; minute += 4) ask(cache, { ...asked, atMs: minute * MINUTE_MS });
    expect(ask(cache, { ...asked, atMs: 75.2 * MINUTE_MS })[0]).toBe(0);
  });

  test('extended retention keeps it for a day', () => {
    const cache = new OpenaiBlockCache(OPENAI_BLOCK_RULES);
    ask(cache, { ...asked, extendedRetention: true });
    expect(ask(cache, { ...asked, extendedRetention: true, atMs: 23 * 60 * MINUTE_MS })[0]).toBeGreaterThan(
      0,
    );
  });
});
