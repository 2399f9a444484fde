import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { controlToken, countTokens, cutToTokens, TokenWriter } from './tokens.ts';

const tokensOf = (...texts: string[]): number[] => {
  const writer = new TokenWriter();
  for (const text of texts) writer.text(text);
  return [...writer.tokens];
};

test('about four characters a token', () => {
  expect(countTokens('')).toBe(0);
  expect(countTokens('Hello, wörld')).toBe(4);
  expect(tokensOf('Hello, wörld').length).toBe(4);
});

test('a text that goes on keeps all its tokens but the last', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (text, more) => {
      const whole = Math.floor(Buffer.byteLength(text) / 4);
      expect(tokensOf(text + more).slice(0, whole)).toEqual(tokensOf(text).slice(0, whole));
      expect(tokensOf(text).length).toBe(countTokens(text));
    }),
  );
});

test('different texts have different tokens, wherever they are cut', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (left, right) => {
      if (left === right) expect(tokensOf(left)).toEqual(tokensOf(right));
      else expect(tokensOf(left)).not.toEqual(tokensOf(right));
    }),
  );
  expect(tokensOf('ab', 'c')).not.toEqual(tokensOf('a', 'bc'));
});

test('no text makes a control token', () => {
  const controls = new Set(Array.from({ length: 64 }, (_, index) => controlToken(index)));
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(tokensOf(text).some((token) => controls.has(token))).toBe(false);
    }),
  );
});

test('a cut text has at most so many tokens and whole characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, max) => {
      const cut = cutToTokens(text, max);
      expect(countTokens(cut)).toBeLessThanOrEqual(max);
      expect(text.startsWith(cut)).toBe(true);
      if (countTokens(text) <= max) expect(cut).toBe(text);
      else expect(Buffer.byteLength(cut)).toBeGreaterThan(max * 4 - 4);
    }),
  );
});

test('the buffer grows, and a long prompt leaves no trace', () => {
  const writer = new TokenWriter();
  const long = 'x'.repeat(5_000_000);
  writer.control(1);
  writer.text(long);
  writer.opaque('image', 10);
  expect(writer.length).toBe(1 + 1_250_000 + 10);
  writer.clear();
  writer.text('short');
  expect([...writer.tokens]).toEqual(tokensOf('short'));
});
