import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { encodable } from './encodable.ts';

const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
/** The plain way. */
const plain = (text: string): string =>
  text.replaceAll(LONE, (half) => `\\u${half.charCodeAt(0).toString(16)}`);

const text = fc
  .array(
    fc.oneof(
      fc.constantFrom('a', 'é', '"', '\\', '\ud83d', '\ude00', '\u{1f600}', '\udbff', '\udfff'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
  )
  .map((pieces) => pieces.join(''));

describe('source that can be written as UTF-8', () => {
  test('property: has its lone surrogates as escapes, and nothing else is touched', () => {
    fc.assert(
      fc.property(text, (one) => {
        const written = encodable(one);
        expect(written).toBe(plain(one));
        expect(written.isWellFormed()).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('property: wherever it is cut into pieces', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16_370, max: 16_390 }), text, text, (length, one, other) => {
        for (const filling of ['x', '\ud83d', '\ude00', '\ud83d\ude00']) {
          const long = one + filling.repeat(length) + other + filling.repeat(length) + one;
          expect(encodable(long)).toBe(plain(long));
        }
      }),
      { numRuns: 50 },
    );
  });

  test('every surrogate that stands alone', () => {
    for (let code = 0xd800; code <= 0xdfff; code++)
      expect(encodable(`"${String.fromCharCode(code)}"`)).toBe(`"\\u${code.toString(16)}"`);
  });
});
