import { describe, expect, test } from 'bun:test';
import { ask } from './testing/cache.ts';
import { OPENAI_BOUNDARY_RULES, OpenaiBoundaryCache } from './openai-boundaries.ts';
import type { Boundary } from './types.ts';

const MINUTE_MS = 60_000;
const LENGTH = 2000;
const base = { length: LENGTH, atMs: 0 };
const newCache = (): OpenaiBoundaryCache => new OpenaiBoundaryCache(OPENAI_BOUNDARY_RULES);

/** `d`, `m`, `k`: what ends after each letter of the prompt; `-`: nothing. */
function ends(kinds: string): Boundary[] {
  const names = { d: 'developer', m: 'message', k: 'mark' } as const;
  return kinds
    .split('')
    .flatMap((kind, index) =>
      kind === '-' ? [] : [{ tokens: (index + 1) * LENGTH, kind: names[kind as keyof typeof names] }],
    );
}

describe('from GPT-5.6 on', () => {
  test('each turn reads up to the last user message and writes up to the new one', () => {
    const cache = newCache();
    expect(ask(cache, { ...base, prompt: 'SU', boundaries: ends('dm') })).toEqual([0, 4000]);
    expect(ask(cache, { ...base, prompt: 'SUaV', boundaries: ends('dm-m') })).toEqual([4000, 4000]);
    expect(ask(cache, { ...base, prompt: 'SUaVbW', boundaries: ends('dm-m-m') })).toEqual([8000, 4000]);
  });

  test('a request again is read whole and written no more', () => {
    const cache = newCache();
    ask(cache, { ...base, prompt: 'SU', boundaries: ends('dm') });
    expect(ask(cache, { ...base, prompt: 'SU', boundaries: ends('dm') })).toEqual([4000, 0]);
  });

  test('a common beginning without a boundary is no hit', () => {
    const cache = newCache();
    ask(cache, { ...base, prompt: 'SU', boundaries: ends('dm') });
    expect(ask(cache, { ...base, prompt: 'SV', boundaries: ends('dm') })).toEqual([0, 4000]);
    expect(ask(cache, { ...base, prompt: 'SW', boundaries: ends('dm') })).toEqual([0, 4000]);
  });

  test('a mark at the end of the common beginning makes it one', () => {
    const cache = newCache();
    expect(ask(cache, { ...base, prompt: 'SU', boundaries: ends('km') })).toEqual([0, 4000]);
    expect(ask(cache, { ...base, prompt: 'SV', boundaries: ends('km') })).toEqual([2000, 2000]);
  });

  test('mode explicit: marks alone, and none without them', () => {
    const cache = newCache();
    const explicit = { ...base, explicitMarks: true };
    expect(ask(cache, { ...explicit, prompt: 'SU', boundaries: ends('dm') })).toEqual([0, 0]);
    expect(ask(cache, { ...explicit, prompt: 'SU', boundaries: ends('km') })).toEqual([0, 2000]);
    expect(ask(cache, { ...explicit, prompt: 'SV', boundaries: ends('km') })).toEqual([2000, 0]);
  });

  test('mode explicit writes the latest four marks', () => {
    const cache = newCache();
    const explicit = { ...base, explicitMarks: true };
    ask(cache, { ...explicit, prompt: 'ABCDEF', boundaries: ends('kkkkkk') });
    expect(ask(cache, { ...explicit, prompt: 'ABx', boundaries: ends('kk-') })[0]).toBe(0);
    expect(ask(cache, { ...explicit, prompt: 'ABCx', boundaries: ends('kkk-') })[0]).toBe(6000);
  });

  test('switching the mode loses the entries', () => {
    const cache = newCache();
    ask(cache, { ...base, prompt: 'SU', boundaries: ends('km') });
    expect(ask(cache, { ...base, prompt: 'SU', boundaries: ends('km'), explicitMarks: true })[0]).toBe(0);
  });

  test('below 1,024 tokens nothing is written or found', () => {
    const cache = newCache();
    const short = { length: 1023, atMs: 0, prompt: 'S' };
    expect(ask(cache, short)).toEqual([0, 0]);
    expect(ask(cache, short)).toEqual([0, 0]);
    expect(ask(cache, { ...short, length: 1024 })).toEqual([0, 1024]);
  });

  test('only the 20 message ends before the newest one are looked up', () => {
    const cache = newCache();
    ask(cache, { ...base, prompt: 'S', boundaries: ends('m') });
    const letters = 'Sabcdefghijklmnopqrstuvwxyz';
    expect(ask(cache, { ...base, prompt: letters.slice(0, 22), boundaries: ends('m'.repeat(22)) })[0]).toBe(
      0,
    );
    const other = `S${letters.slice(1, 21).toUpperCase()}`;
    expect(ask(cache, { ...base, prompt: other, boundaries: ends('m'.repeat(21)) })[0]).toBe(2000);
  });

  test('lives 30 minutes after its last use', () => {
    const cache = newCache();
    const at = (minute: number): number => ask(cache, { ...base, prompt: 'S', atMs: minute * MINUTE_MS })[0];
    expect([at(0), at(29), at(58), at(89)]).toEqual([0, 2000, 2000, 0]);
  });

  test('prompt_cache_key separates', () => {
    const cache = newCache();
    ask(cache, { ...base, prompt: 'S', cacheKey: 'a' });
    expect(ask(cache, { ...base, prompt: 'S', cacheKey: 'b' })[0]).toBe(0);
    expect(ask(cache, { ...base, prompt: 'S', cacheKey: 'a' })[0]).toBe(2000);
  });
});
