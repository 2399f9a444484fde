import { describe, expect, test } from 'bun:test';
import { ask } from './testing/cache.ts';
import { DEEPSEEK_RULES, DeepseekCache, type DeepseekCacheRules } from './deepseek.ts';

const HOUR_MS = 3_600_000;
/** A Monday, 12:00 UTC: off-peak. */
const NOON = Date.UTC(2026, 10, 23, 12);
/** The same day, 07:00 UTC. */
const PEAK = Date.UTC(2026, 10, 23, 7);
const LENGTH = 100;

const cacheWith = (rules: Partial<DeepseekCacheRules> = {}, random = 0.5): DeepseekCache =>
  new DeepseekCache({ ...DEEPSEEK_RULES, ...rules }, () => random);

/** Asks every 10 s; hits only. */
function hits(cache: DeepseekCache, prompts: readonly string[], length = LENGTH): number[] {
  return prompts.map((text, index) => {
    const [prompt = '', answer = ''] = text.split('>');
    return ask(cache, { prompt, answer, length, atMs: NOON + index * 10_000 })[0];
  });
}

const down = (tokens: number): number => tokens - (tokens % 64);

describe('units', () => {
  test('a conversation hits everything up to the end of the previous answer', () => {
    expect(hits(cacheWith(), ['SU>a', 'SUaV>b', 'SUaVbW>c'])).toEqual([0, down(300), down(500)]);
  });

  test('a changed answer still hits up to the end of the previous input', () => {
    expect(hits(cacheWith(), ['SU>a', 'SUxV>b'])).toEqual([0, down(200)]);
  });

  test('a part of a unit is no hit', () => {
    expect(hits(cacheWith(), ['SU>a', 'SV>b'])).toEqual([0, 0]);
  });

  test('A+B, A+C, A+D: the third one hits A', () => {
    expect(hits(cacheWith(), ['AB>x', 'AC>y', 'AD>z', 'AE>w'])).toEqual([0, 0, down(100), down(100)]);
  });

  test('going on from an earlier end is no parting', () => {
    const cache = cacheWith({}, 0.9);
    const rules = { storedShare: { peak: 0, offPeak: 0 } };
    expect(hits(cacheWith(rules), ['SU>a', 'SUaV>b', 'SUaVbW>c'])).toEqual([0, 0, 0]);
    expect(hits(cache, ['SU>a', 'SUaV>b'])).toEqual([0, down(300)]);
  });

  test('long inputs are stored at intervals', () => {
    const cache = cacheWith({ intervalTokens: 1024 });
    expect(hits(cache, ['ABCD>x', 'ABCE>y'], 1000)).toEqual([0, 2048]);
  });

  test('the same request again hits all but its end', () => {
    expect(hits(cacheWith(), ['SU>a', 'SU>a'], 64)).toEqual([0, 64]);
  });
});

describe('time', () => {
  test('an entry becomes usable after a while', () => {
    const cache = cacheWith();
    const asked = { prompt: 'SU', answer: 'a', length: LENGTH };
    ask(cache, { ...asked, atMs: NOON });
    expect(ask(cache, { ...asked, atMs: NOON + 999 })[0]).toBe(0);
    expect(ask(cache, { ...asked, atMs: NOON + 1000 })[0]).toBe(down(199));
  });

  test('an unused entry is removed after hours, a used one stays', () => {
    const cache = cacheWith();
    const at = (hours: number): number => {
      const asked = { prompt: 'SU', answer: 'a', length: LENGTH, atMs: NOON + hours * HOUR_MS };
      return ask(cache, asked)[0];
    };
    expect([at(0), at(7), at(14), at(23)]).toEqual([0, down(199), down(199), 0]);
  });
});

describe('separation', () => {
  test('by account, model and user_id, which are the scope', () => {
    const cache = cacheWith();
    const asked = { prompt: 'SU', answer: 'a', length: LENGTH };
    ask(cache, { ...asked, atMs: NOON, scope: 'one' });
    expect(ask(cache, { ...asked, atMs: NOON + 5000, scope: 'two' })[0]).toBe(0);
    expect(ask(cache, { ...asked, atMs: NOON + 5000, scope: 'one' })[0]).toBeGreaterThan(0);
  });

  test('tables are bounded', () => {
    const cache = cacheWith({ maxEntries: 10 });
    const prompts = Array.from({ length: 50 }, (_, index) => String.fromCharCode(65 + index));
    hits(cache, prompts);
    const again = (prompt: string): number => ask(cache, { prompt, length: LENGTH, atMs: NOON + HOUR_MS })[0];
    expect([again('A'), again(prompts.at(-1)!)]).toEqual([0, down(99)]);
  });
});

test('best effort: all or nothing per request, by peak and off-peak hours', () => {
  const share = (random: number, atMs: number): number => {
    const cache = cacheWith({ storedShare: { peak: 0.5, offPeak: 1 } }, random);
    const asked = { prompt: 'SU', answer: 'a', length: LENGTH };
    ask(cache, { ...asked, atMs });
    return ask(cache, { ...asked, atMs: atMs + 5000 })[0];
  };
  expect(share(0.4, PEAK)).toBe(down(199));
  expect(share(0.6, PEAK)).toBe(0);
  expect(share(0.6, NOON)).toBe(down(199));
});
