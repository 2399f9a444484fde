import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { ANTHROPIC_CACHE_RULES, AnthropicCache } from './anthropic.ts';
import { ask, askMarked, type MarkedAsk, visitMarked } from './testing/cache.ts';

const MINUTE_MS = 60_000;
const newCache = (): AnthropicCache => new AnthropicCache(ANTHROPIC_CACHE_RULES);
const letters = (count: number, first = 'a'): string =>
  Array.from({ length: count }, (_, index) => String.fromCharCode(first.charCodeAt(0) + index)).join('');

describe('writing', () => {
  test('at marks alone', () => {
    const cache = newCache();
    expect(askMarked(cache, { prompt: 'TSu', marks: '' })).toEqual([0, 0, 0]);
    expect(askMarked(cache, { prompt: 'TSu', marks: '.5.' })).toEqual([0, 2000, 0]);
    expect(askMarked(cache, { prompt: 'TSv', marks: '.5.' })).toEqual([2000, 0, 0]);
  });

  test('a common beginning without an entry at its end is no hit', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'TSu', marks: '..5' });
    expect(askMarked(cache, { prompt: 'TSv', marks: '..5' })).toEqual([0, 3000, 0]);
    expect(askMarked(cache, { prompt: 'TSv', marks: '.5.' })).toEqual([0, 2000, 0]);
  });

  test('every mark makes an entry, and only what was not read costs', () => {
    const cache = newCache();
    expect(askMarked(cache, { prompt: 'TSuav', marks: '.5.. 5' })).toEqual([0, 5000, 0]);
    expect(askMarked(cache, { prompt: 'TSuavbw', marks: '.5....5' })).toEqual([5000, 2000, 0]);
    expect(askMarked(cache, { prompt: 'TSx', marks: '.5.' })).toEqual([2000, 0, 0]);
  });

  test('a mark in front of what was read makes an entry too, free of charge', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'TSu', marks: '..5' });
    expect(askMarked(cache, { prompt: 'TSu', marks: '.55' })).toEqual([3000, 0, 0]);
    expect(askMarked(cache, { prompt: 'TSv', marks: '.5.' })).toEqual([2000, 0, 0]);
  });

  test('an entry is there once the first answer has begun, not before', () => {
    const cache = newCache();
    const asked: MarkedAsk = { prompt: 'TS', marks: '.5' };
    const [first, second] = [visitMarked(cache, asked, 0), visitMarked(cache, asked, 0)];
    expect([first.writtenTokens, second.writtenTokens]).toEqual([2000, 2000]);
    first.promptDone(0);
    expect(visitMarked(cache, asked, 0)).toMatchObject({ cachedTokens: 2000, writtenTokens: 0 });
  });

  test('a prefix below the minimum is not cached, without a word', () => {
    const cache = newCache();
    const asked: MarkedAsk = { prompt: 'TSu', marks: '5.5', minTokens: 2000 };
    expect(askMarked(cache, asked)).toEqual([0, 3000, 0]);
    expect(askMarked(cache, { ...asked, prompt: 'T', marks: '5' })).toEqual([0, 0, 0]);
    expect(askMarked(cache, { ...asked, prompt: 'TS', marks: '.5' })).toEqual([0, 2000, 0]);
  });
});

describe('reading', () => {
  test('each turn reads up to the last mark of the turn before', () => {
    const cache = newCache();
    expect(askMarked(cache, { prompt: 'Su', marks: '.5' })).toEqual([0, 2000, 0]);
    expect(askMarked(cache, { prompt: 'Suav', marks: '...5' })).toEqual([2000, 2000, 0]);
    expect(askMarked(cache, { prompt: 'Suavbw', marks: '.....5' })).toEqual([4000, 2000, 0]);
  });

  test('an edit loses everything behind it', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'TSuav', marks: '.5..5' });
    expect(askMarked(cache, { prompt: 'TSxav', marks: '.5..5' })).toEqual([2000, 3000, 0]);
    expect(askMarked(cache, { prompt: 'XSuav', marks: '.5..5' })).toEqual([0, 5000, 0]);
  });

  test('20 positions back from a mark, its own included', () => {
    for (const [added, read] of [
      [19, 1000],
      [20, 0],
    ] as const) {
      const cache = newCache();
      askMarked(cache, { prompt: 'S', marks: '5' });
      const prompt = `S${letters(added)}`;
      expect(askMarked(cache, { prompt, marks: `${'.'.repeat(added)}5` })[0]).toBe(read);
    }
  });

  test('a mark in between bridges a turn of many blocks', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'S', marks: '5' });
    const prompt = `S${letters(30)}`;
    const marks = `${'.'.repeat(15)}5${'.'.repeat(14)}5`;
    expect(askMarked(cache, { prompt, marks })).toEqual([1000, 30_000, 0]);
  });

  test('a run of calls or of results is one position', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'S', marks: '5' });
    const prompt = `S${letters(26)}`;
    const marks = `${'.'.repeat(26)}5`;
    const runs = [2, 3, 4, 5, 7, 8, 9, 10];
    expect(askMarked(cache, { prompt, marks, runs })[0]).toBe(1000);
    expect(askMarked(newCache(), { prompt, marks })[0]).toBe(0);
  });

  test('the nearest entry counts, and of several marks the one that reads farthest', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'TSu', marks: '555' });
    expect(askMarked(cache, { prompt: 'TSuav', marks: '....5' })).toEqual([3000, 2000, 0]);
    expect(askMarked(cache, { prompt: 'TSx', marks: '.55' })).toEqual([2000, 1000, 0]);
  });

  test('scopes (account, model, …) are apart', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'S', marks: '5', scope: 'a' });
    expect(askMarked(cache, { prompt: 'S', marks: '5', scope: 'b' })[0]).toBe(0);
    expect(askMarked(cache, { prompt: 'S', marks: '5', scope: 'a' })[0]).toBe(1000);
  });

  test('a setting spoils its own level and what follows', () => {
    const cache = newCache();
    const asked: MarkedAsk = { prompt: 'TSu', marks: '555' };
    const salted = (from: number): MarkedAsk => ({ ...asked, salts: [{ from, salt: `from ${from}` }] });
    askMarked(cache, asked);
    expect(askMarked(cache, salted(1))[0]).toBe(1000);
    expect(askMarked(cache, salted(2))[0]).toBe(2000);
    expect(askMarked(cache, asked)[0]).toBe(3000);
  });

  test('a prompt of another vendor is not cached', () => {
    const cache = newCache();
    expect(ask(cache, { prompt: 'S', length: 5000, atMs: 0 })).toEqual([0, 0]);
    expect(ask(cache, { prompt: 'S', length: 5000, atMs: 0 })).toEqual([0, 0]);
  });
});

describe('lifetime', () => {
  const readAt = (cache: AnthropicCache, asked: MarkedAsk, minute: number): number =>
    askMarked(cache, asked, minute * MINUTE_MS)[0];

  test('five minutes after the last use', () => {
    const cache = newCache();
    const asked: MarkedAsk = { prompt: 'S', marks: '5' };
    expect([0, 4, 8, 12, 17].map((minute) => readAt(cache, asked, minute))).toEqual([0, 1000, 1000, 1000, 0]);
  });

  test('an hour where a mark asks for it', () => {
    const cache = newCache();
    const asked: MarkedAsk = { prompt: 'S', marks: '1' };
    expect([0, 59, 118, 178].map((minute) => readAt(cache, asked, minute))).toEqual([0, 1000, 1000, 0]);
  });

  test('counted from the start of the request, however long its answer takes', () => {
    const cache = newCache();
    const asked: MarkedAsk = { prompt: 'S', marks: '5' };
    visitMarked(cache, asked, 0).promptDone(4 * MINUTE_MS);
    expect(readAt(cache, asked, 4.9)).toBe(1000);
    const slow = newCache();
    visitMarked(slow, asked, 0).promptDone(4 * MINUTE_MS);
    expect(readAt(slow, asked, 5)).toBe(0);
  });

  test('a use refreshes the entries that were read, not the ones beyond', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'Su', marks: '55' });
    expect(readAt(cache, { prompt: 'Sv', marks: '5.' }, 4)).toBe(1000);
    expect(readAt(cache, { prompt: 'Su', marks: '55' }, 8)).toBe(1000);
  });
});

describe('marks of both lifetimes in one request', () => {
  test('an hour up to the last such mark, five minutes from there', () => {
    const cache = newCache();
    expect(askMarked(cache, { prompt: 'TSuav', marks: '1.1.5' })).toEqual([0, 2000, 3000]);
  });

  test('only what follows the farthest read', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'TS', marks: '.1' });
    expect(askMarked(cache, { prompt: 'TSuav', marks: '.11.5' })).toEqual([2000, 2000, 1000]);
    expect(askMarked(cache, { prompt: 'TSuavbw', marks: '.11...5' })).toEqual([5000, 2000, 0]);
  });

  test('the long ones outlive the short ones', () => {
    const cache = newCache();
    askMarked(cache, { prompt: 'TSu', marks: '.15' });
    expect(askMarked(cache, { prompt: 'TSu', marks: '.15' }, 30 * MINUTE_MS)).toEqual([2000, 1000, 0]);
  });
});

test('read and written are never more than the prompt up to the last mark, and a repetition reads it all', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[.51]{1,8}$/), { maxLength: 6 }), (rows) => {
      const cache = newCache();
      for (const marks of rows) {
        const prompt = letters(marks.length);
        const upTo = Math.max(marks.lastIndexOf('5'), marks.lastIndexOf('1')) + 1;
        expect(askMarked(cache, { prompt, marks }).reduce((sum, part) => sum + part)).toBe(upTo * 1000);
        expect(askMarked(cache, { prompt, marks })).toEqual([upTo * 1000, 0, 0]);
      }
    }),
  );
});
