import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, spellString } from './testing/arbitrary.ts';
import { JsonDocument } from './document.ts';
import { IntList } from './int-list.ts';
import { orderByText } from './text-order.ts';

const document = new JsonDocument();
const nodes = new IntList();
const order = new IntList();

/** Null is no string. */
function ordered(texts: readonly (string | null)[], seed: number): number[] {
  const pick = choices(seed);
  const spelled = texts.map((text) => (text === null ? 'null' : spellString(text, pick)));
  document.parse(Buffer.from(`[${spelled.join(',')}]`));
  nodes.clear();
  for (const [index, text] of texts.entries()) nodes.push(text === null ? -1 : index + 1);
  orderByText(document, nodes, order);
  return Array.from({ length: order.length }, (_, index) => order.at(index));
}

/** As the language sorts strings: the plain way. */
const expected = (texts: readonly (string | null)[]): number[] =>
  [...texts.keys()].toSorted((one, other) => {
    const [left, right] = [texts[one] ?? null, texts[other] ?? null];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return left < right ? -1 : left > right ? 1 : 0;
  });

/** Such as begin alike, end early or differ in little, so that every way to tell them apart is gone. */
const close = fc
  .array(
    fc.constantFrom(
      'a',
      'b',
      'aaaa',
      '\0',
      '\uffff',
      'é',
      '\ufb33',
      '\u{1f600}',
      '\u{1f601}',
      '\ud83d',
      '\ude00',
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join(''));
const text = fc.oneof(fc.constant(null), close, close, close, jsonText);

describe('orderByText', () => {
  test('property: is a stable sort by UTF-16 code units, absent ones last, in short and in long rows', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 200, size: 'max' }), fc.integer(), (texts, seed) => {
        expect(ordered(texts, seed)).toEqual(expected(texts));
        // Once more, in order already.
        const inOrder = expected(texts).map((index) => texts[index] ?? null);
        expect(ordered(inOrder, seed)).toEqual([...texts.keys()]);
      }),
      { numRuns: 1_000 },
    );
  });

  test('short rows of long strings, of which one begins with another', () => {
    for (const count of [2, 9, 32]) {
      const texts = Array.from({ length: count }, (_, index) => 'a'.repeat(5_000 + ((index * 7) % count)));
      expect(ordered(texts, 1)).toEqual(expected(texts));
    }
  });

  test('as many as a body can have, and as long', () => {
    const many = Array.from({ length: 50_000 }, (_, index) => ((index * 7_919) % 50_021).toString(36));
    expect(ordered(many, 1)).toEqual(expected(many));
    // Each begins as all longer ones do.
    const nested = Array.from({ length: 1_500 }, (_, index) => 'a'.repeat((index * 7) % 1_500));
    expect(ordered(nested, 1)).toEqual(expected(nested));
    const same = Array.from({ length: 5_000 }, (_, index) => (index % 5 === 0 ? null : 'same'));
    expect(ordered(same, 1)).toEqual(expected(same));
    // What a long row took is not there for the next one.
    expect(ordered(['b', null, 'a'], 1)).toEqual([2, 0, 1]);
    const few = Array.from({ length: 40 }, (_, index) => `${(index * 7) % 40}`);
    expect(ordered(few, 1)).toEqual(expected(few));
  });
});
