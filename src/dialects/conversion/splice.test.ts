import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, jsonValue, spell, spellString } from '../../std/json/testing/arbitrary.ts';
import { naiveParse, naiveWrite } from '../../std/json/testing/naive.ts';
import { JsonDocument } from '../../std/json/document.ts';
import { faultOf } from './testing/convert.ts';
import { Draft } from './draft.ts';
import { writeAsText, writeHeldObject } from './splice.ts';

/** What becomes of a JSON text, read by a writer of splices. */
function spliced(json: string, write: (draft: Draft, node: number) => void): string {
  const document = new JsonDocument();
  document.parse(Buffer.from(json));
  const draft = new Draft();
  draft.open(document);
  write(draft, 0);
  return draft.writer.text();
}
const held = (json: string): string =>
  spliced(json, (draft, node) => writeHeldObject(draft, node, () => 'arguments'));
const heldText = (text: string): string => held(JSON.stringify(text));
const asText = (json: string): string => spliced(json, writeAsText);

const object = jsonValue.filter((value) => value.kind === 'object');

describe('an object held by a string', () => {
  test('comes out as it stands: numbers, order of keys, whitespace', () => {
    const text = '{"b": 1.0, "10":1e2, "2":12345678901234567890,\n"a":[0.10,-0],"__proto__":1E400}';
    expect(heldText(text)).toBe(text);
  });

  test.each(['', ' ', 'null', '\n null\t'])('%j is an object without members', (text) => {
    expect(heldText(text)).toBe('{}');
  });

  test.each([
    '{',
    '{"a":}',
    'x',
    '{"a":1}}',
    "{'a':1}",
    '{"a":1,}',
    '{"a":"\n"}',
    '{"a":"\\x"}',
    '[]',
    '1',
    '"{}"',
  ])('%j is told as it stands, not repaired', (text) => {
    expect(JSON.parse(heldText(text))).toEqual({ INVALID_JSON: text });
  });

  test('a key that stands twice is refused', () => {
    expect(faultOf(() => heldText('{"a":1,"\\u0061":2}')).code).toBe('duplicate_key');
  });

  test('half of a surrogate pair stays an escape, a pair of escapes becomes its character', () => {
    expect(held(String.raw`"{\"a\":\"\ud83d\"}"`)).toBe(String.raw`{"a":"\ud83d"}`);
    expect(held(String.raw`"{\"a\":\"\uD83D\uDE02\"}"`)).toBe('{"a":"😂"}');
    expect(held(String.raw`"{\"a\":\"\ude02\ud83d\u00e9\"}"`)).toBe('{"a":"\\ude02\\ud83dé"}');
    expect(held(String.raw`"\ud83d{}"`)).toBe(String.raw`{"INVALID_JSON":"\ud83d{}"}`);
  });

  test('whatever the spelling of the string, the text that it holds', () => {
    fc.assert(
      fc.property(object, fc.integer(), fc.integer(), (value, one, other) => {
        const text = spell(value, choices(one));
        const written = held(spellString(text, choices(other)));
        expect(naiveWrite(naiveParse(written))).toBe(naiveWrite(value));
        if (text.isWellFormed()) expect(written).toBe(text);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a value as text', () => {
  test('is canonical, so that whitespace between tokens makes no difference', () => {
    expect(asText('{ "b" : 1.0 , "2":"\\u0041\\/" }')).toBe('"{\\"b\\":1.0,\\"2\\":\\"A/\\"}"');
    expect(asText('{}')).toBe('"{}"');
    expect(asText(String.raw`{"a":"\ud83d\n\"\\"}`)).toBe(String.raw`"{\"a\":\"\\ud83d\\n\\\"\\\\\"}"`);
  });

  test('holds what it was made of, and comes back as that', () => {
    fc.assert(
      fc.property(object, fc.integer(), (value, seed) => {
        const text = asText(spell(value, choices(seed)));
        expect(JSON.parse(text)).toBe(naiveWrite(value));
        expect(held(text)).toBe(naiveWrite(value));
      }),
      { numRuns: 300 },
    );
  });

  test('strings of all kinds', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        expect(JSON.parse(asText(JSON.stringify({ text })))).toBe(JSON.stringify({ text }));
      }),
      { numRuns: 200 },
    );
  });
});
