import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, spellString } from './testing/arbitrary.ts';
import { characterAt, CODE_POINT, LENGTH_SHIFT } from './characters.ts';
import { JsonDocument } from './document.ts';
import { compareStrings } from './keys.ts';

/** Texts that differ late and by little, in what has more than one spelling. */
const close = fc
  .array(
    fc.constantFrom(
      'a',
      'b',
      '"',
      '\\',
      '/',
      '\n',
      'é',
      '中',
      '\ufb33',
      '\u{1f600}',
      '\u{1f601}',
      '\ud83d',
      '\ude00',
      '\ud7ff',
      '\ue000',
    ),
    {
      maxLength: 5,
    },
  )
  .map((pieces) => pieces.join(''));
const text = fc.oneof(close, close, jsonText);

const document = new JsonDocument();
const parse = (source: string): void => document.parse(Buffer.from(source));

describe('characters of a string', () => {
  test('property: are those that it decodes to, and take as many bytes as they are spelled with', () => {
    fc.assert(
      fc.property(text, fc.integer(), (one, seed) => {
        const bytes = Buffer.from(spellString(one, choices(seed)));
        const characters: number[] = [];
        let at = 1;
        while (at < bytes.length - 1) {
          const character = characterAt(bytes, at);
          characters.push(character & CODE_POINT);
          at += character >>> LENGTH_SHIFT;
        }
        expect(at).toBe(bytes.length - 1);
        expect(characters).toEqual(Array.from(one, (character) => character.codePointAt(0)!));
      }),
      { numRuns: 2_000 },
    );
  });

  test('every code point, as it stands and escaped', () => {
    for (let code = 0; code <= 0x10ffff; code++) {
      const one = String.fromCodePoint(code);
      let escaped = '';
      for (let unit = 0; unit < one.length; unit++)
        escaped += `\\u${one.charCodeAt(unit).toString(16).padStart(4, '0')}`;
      const mustEscape = code < 0x20 || one === '"' || one === '\\' || (code >= 0xd800 && code <= 0xdfff);
      const sources = mustEscape ? [escaped] : [escaped, one];
      for (const source of sources) {
        const bytes = Buffer.from(`${source}x`);
        if (characterAt(bytes, 0) !== (code | ((bytes.length - 1) << LENGTH_SHIFT))) throw new Error(source);
      }
    }
  });
});

describe('textEquals', () => {
  test('property: says what a comparison of the decoded text says, in every spelling', () => {
    fc.assert(
      fc.property(text, text, fc.integer(), (one, other, seed) => {
        parse(`[${spellString(one, choices(seed))}]`);
        const decoded = JSON.parse(document.source(1)) as string;
        expect(decoded).toBe(one);
        expect(document.textEquals(1, one)).toBe(true);
        expect(document.textEquals(1, other)).toBe(decoded === other);
        expect(document.textEquals(1, one.slice(0, -1))).toBe(one === '');
        expect(document.textEquals(1, `${one}a`)).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });

  test('halves of pairs are what they are, and no replacement for one another', () => {
    parse(String.raw`["\ud83d","\ud83d\ude00","\ud83d\ud83d\ude00","\ufffd"]`);
    const texts = ['\ud83d', '\u{1f600}', '\ud83d\u{1f600}', '\ufffd', '\ude00', ''];
    for (let node = 1; node <= 4; node++)
      expect(texts.map((one) => document.textEquals(node, one))).toEqual(
        texts.map((_, index) => index === node - 1),
      );
  });
});

test('property: strings are ordered as their UTF-16 code units are, in every spelling', () => {
  fc.assert(
    fc.property(text, text, text, fc.integer(), (shared, one, other, seed) => {
      const pick = choices(seed);
      const [left, right] = [shared + one, shared + other];
      parse(`[${spellString(left, pick)},${spellString(right, pick)}]`);
      expect(Math.sign(compareStrings(document, 1, 2))).toBe(left < right ? -1 : left > right ? 1 : 0);
    }),
    { numRuns: 5_000 },
  );
});
