import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { alikeKeys, TWINS } from './testing/alike-keys.ts';
import { choices, jsonText, spellString } from './testing/arbitrary.ts';
import { JsonDocument } from './document.ts';
import { JsonDuplicateKeyError } from './errors.ts';

const BITS = 12;
const alike = alikeKeys(BITS);

/** An object in some spelling, and where each of its keys begins. */
function spelled(
  keys: readonly string[],
  seed: number,
): { readonly text: string; readonly starts: number[] } {
  const pick = choices(seed);
  const starts: number[] = [];
  const members: string[] = [];
  let at = 1;
  for (const key of keys) {
    const member = `${spellString(key, pick)}:${pick(2) === 0 ? '1' : '{"a":[{}]}'}`;
    starts.push(at);
    members.push(member);
    at += Buffer.byteLength(member) + 1;
  }
  return { text: `{${members.join(',')}}`, starts };
}

/** By a set of strings: the plain way. */
function firstTwin(keys: readonly string[]): number {
  const seen = new Set<string>();
  return keys.findIndex((key) => seen.size === seen.add(key).size);
}

const document = new JsonDocument();
function expectTwin(keys: readonly string[], seed: number): void {
  const { text, starts } = spelled(keys, seed);
  const twin = firstTwin(keys);
  let thrown: unknown = null;
  try {
    document.parse(Buffer.from(text));
  } catch (error) {
    thrown = error;
  }
  if (twin < 0) expect(thrown).toBeNull();
  else {
    expect(thrown).toBeInstanceOf(JsonDuplicateKeyError);
    const error = thrown as JsonDuplicateKeyError;
    expect([error.key, error.offset]).toEqual([keys[twin]!.slice(0, 128), starts[twin]!]);
  }
}

const key = fc.oneof(
  fc.integer({ min: 0, max: 2 ** BITS - 1 }).map(alike),
  fc.tuple(fc.constantFrom(...TWINS), fc.integer({ min: 0, max: 40 })).map(([twin, end]) => `${twin}${end}`),
  // Halves of pairs hash alike.
  fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code)),
  fc.constantFrom('\ufffd', '\ud83d\ude00', '\ud83d', '\ude00', '', '\0', '__proto__'),
  jsonText,
);

describe('a key that is there twice', () => {
  test('is found as by a set of strings, and the first one is: in objects of any size, whatever hashes alike', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 80, size: 'max' }), fc.integer(), (keys, seed) => {
        expectTwin(keys, seed);
        expectTwin([...new Set(keys)], seed);
        expectTwin([...new Set(keys), keys[0] ?? ''], seed);
      }),
      { numRuns: 600 },
    );
  });

  test('is found among thousands that all hash alike, in pairs or all of them', () => {
    const all = Array.from({ length: 2 ** BITS }, (_, number) => alike(number));
    const pairs = all.flatMap((_, number) => TWINS.map((twin) => `${twin}${number}`));
    for (const keys of [all, pairs, [...all, ...pairs]]) {
      expectTwin(keys, 1);
      for (const [twin, at] of [
        [0, keys.length],
        [keys.length - 1, keys.length],
        [7, 9],
        [2_000, 3_000],
      ] as const)
        expectTwin(keys.toSpliced(at, 0, keys[twin]!), 2);
      // Of several the one that comes first, wherever its hash is sorted to.
      expectTwin([...keys, ...keys.toReversed()], 3);
      expectTwin([...keys, keys[9]!, keys[8]!, keys[5_000 % keys.length]!], 4);
    }
  });

  test('is found where one key is all there is', () => {
    expectTwin(
      Array.from({ length: 10_000 }, () => 'a'),
      1,
    );
  });

  test('of an object within another one is found first', () => {
    expect(() => document.parse(Buffer.from('{"a":{"b":1,"b":2},"a":1}'))).toThrow('duplicate key "b"');
  });
});
