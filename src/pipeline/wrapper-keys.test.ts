import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { GatewayError } from '../errors/gateway-error.ts';
import { choices, jsonText, spellString } from '../std/json/testing/arbitrary.ts';
import { JsonDocument } from '../std/json/document.ts';
import { KeyTable } from '../std/json/keys.ts';
import { WrapperKeys } from './wrapper-keys.ts';

const NAMES = ['role', 'content', 'name'];
const keys = new WrapperKeys(new KeyTable(NAMES));

test('known keys in the order of the table, then the others by code units; in order only if the text is', () => {
  const anyKey = fc.oneof(fc.constantFrom(...NAMES, 'a', 'b', 'c'), jsonText);
  fc.assert(
    fc.property(fc.uniqueArray(anyKey, { maxLength: 40 }), fc.integer(), (given, seed) => {
      const pick = choices(seed);
      const document = new JsonDocument();
      document.parse(Buffer.from(`{${given.map((key) => `${spellString(key, pick)}:0`).join(',')}}`));
      keys.read(document, 0);
      const found = Array.from({ length: keys.length }, (_, place) => document.text(keys.key(place)));
      const rank = (key: string): number => (NAMES.includes(key) ? NAMES.indexOf(key) : NAMES.length);
      const expected = given.toSorted((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
      expect(found).toEqual(expected);
      expect(keys.inOrder).toBe(expected.every((key, index) => key === given[index]));
      expect(keys.knownCount).toBe(given.filter((key) => NAMES.includes(key)).length);
    }),
    { numRuns: 500 },
  );
});

test('more than a thousand unknown keys are refused instead of sorted', () => {
  const document = new JsonDocument();
  const text = (count: number): string =>
    `{${Array.from({ length: count }, (_, at) => `"k${at}":0`).join(',')}}`;
  document.parse(Buffer.from(text(1024)));
  keys.read(document, 0);
  expect(keys.length).toBe(1024);
  document.parse(Buffer.from(text(1025)));
  expect(() => keys.read(document, 0)).toThrow(GatewayError);
});
