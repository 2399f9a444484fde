import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { writeCanonicalText, writeDecodedText } from './escapes.ts';

const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** A piece of a JSON string's source: plain text, a short escape, a `\u` escape in either case, of any code unit. */
const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }).map((text) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replaceAll(/\\u[0-9a-f]{4}/g, (one) => (one[2] === 'd' ? '' : one)),
  ),
  fc.constantFrom(...Array.from('"\\/bfnrt', (letter) => `\\${letter}`)),
  fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.boolean()).map(([code, upper]) => {
    const hex = code.toString(16).padStart(4, '0');
    return `\\u${upper ? hex.toUpperCase() : hex}`;
  }),
  fc.constantFrom('\\ud83d\\ude00', '\\ud83d', '\\ude00', '\\uD83D\\uD83D\\uDE00', '\\u0000', '\\u001F'),
);
const source = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));

function run(write: typeof writeCanonicalText, text: string): string {
  // What lies around the string must not be touched or read.
  const bytes = Buffer.from(`x"${text}"\\`);
  const out = Buffer.alloc(bytes.length + 2, 0x7e);
  const end = write(bytes, 2, bytes.length - 2, out, 1);
  expect(end - 1).toBeLessThanOrEqual(bytes.length - 4);
  expect(out[0]).toBe(0x7e);
  expect(out[end]).toBe(0x7e);
  return out.toString('utf8', 1, end);
}

describe('the inside of a string', () => {
  test("in canonical spelling equals the runtime's own", () => {
    fc.assert(
      fc.property(source, (text) => {
        const decoded = JSON.parse(`"${text}"`) as string;
        expect(run(writeCanonicalText, text)).toBe(JSON.stringify(decoded).slice(1, -1));
      }),
      { numRuns: 2_000 },
    );
  });

  test("decoded equals the runtime's own, halves of pairs apart, which stay escapes", () => {
    fc.assert(
      fc.property(source, (text) => {
        const decoded = JSON.parse(`"${text}"`) as string;
        const wanted = decoded.replaceAll(LONE, (half) => `\\u${half.charCodeAt(0).toString(16)}`);
        expect(run(writeDecodedText, text)).toBe(wanted);
      }),
      { numRuns: 2_000 },
    );
  });

  test('every code unit', () => {
    for (let code = 0; code <= 0xffff; code++) {
      const text = `\\u${code.toString(16).padStart(4, '0')}`;
      if (run(writeCanonicalText, text) !== JSON.stringify(String.fromCharCode(code)).slice(1, -1))
        throw new Error(text);
    }
  });
});
