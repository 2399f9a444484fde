import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, spellString } from './testing/arbitrary.ts';
import { JsonDocument } from './document.ts';
import { compareStrings, compareStringsPlain, hashKeyText, KeyTable } from './keys.ts';

const parsed = (text: string): JsonDocument => {
  const document = new JsonDocument();
  document.parse(Buffer.from(text));
  return document;
};

describe('key hashes', () => {
  test('do not depend on the spelling', () => {
    fc.assert(
      fc.property(jsonText, fc.integer(), (text, seed) => {
        const document = parsed(`{${spellString(text, choices(seed))}:1}`);
        expect(document.keyHash(1)).toBe(hashKeyText(text));
      }),
    );
  });
});

describe('KeyTable', () => {
  const names = ['role', 'content', 'name', 'tool_call_id', 'tool_calls', 'a', 'b', 'n'];
  const table = new KeyTable(names);

  test('finds its names in every spelling', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.integer(), (name, seed) => {
        expect(table.find(parsed(`{${spellString(name, choices(seed))}:1}`), 1)).toBe(names.indexOf(name));
      }),
    );
  });

  test('finds nothing else', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        fc.pre(!names.includes(text));
        expect(table.find(parsed(`{${JSON.stringify(text)}:1}`), 1)).toBe(-1);
      }),
    );
    for (const near of ['rol', 'roles', 'Role', '']) expect(table.find(parsed(`{"${near}":1}`), 1)).toBe(-1);
  });
});

describe('compareStrings', () => {
  const sign = (value: number): number => Math.sign(value);
  const compared = (document: JsonDocument): [number, number] => {
    const other = document.next(1);
    return [sign(compareStrings(document, 1, other)), sign(compareStringsPlain(document, 1, other))];
  };

  test('agrees with its plain twin on any two strings', () => {
    fc.assert(
      fc.property(jsonText, jsonText, jsonText, fc.integer(), (shared, one, other, seed) => {
        const pick = choices(seed);
        const [fast, plain] = compared(
          parsed(`[${spellString(shared + one, pick)},${spellString(shared + other, pick)}]`),
        );
        expect(fast).toBe(plain);
      }),
      { numRuns: 1000 },
    );
  });

  test('UTF-16 order above U+FFFF, where bytes sort otherwise', () => {
    expect(compared(parsed('["\u{1F600}","\uFB33"]'))).toEqual([-1, -1]);
  });
});
