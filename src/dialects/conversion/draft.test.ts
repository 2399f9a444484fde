import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, spell } from '../../std/json/testing/arbitrary.ts';
import { JsonDocument } from '../../std/json/document.ts';
import { Draft } from './draft.ts';

const blanks = Array.from(' \t\n\r\f\v\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\ufeff');
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...blanks),
      fc.constantFrom(...blanks),
      fc.string({ unit: 'binary', maxLength: 2 }),
    ),
    {
      maxLength: 6,
    },
  )
  .map((pieces) => pieces.join(''));

test('property: a string is blank when nothing is left of it trimmed, in every spelling', () => {
  const document = new JsonDocument();
  const draft = new Draft();
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        fc.array(fc.constantFrom(...blanks)).map((all) => all.join('')),
      ),
      fc.integer(),
      (one, seed) => {
        document.parse(Buffer.from(spell({ kind: 'string', text: one }, choices(seed))));
        draft.open(document);
        expect(draft.isBlank(0)).toBe(one.trim() === '');
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a string of one code point is blank when trim strips it, of all of them, as it stands and escaped', () => {
  const document = new JsonDocument();
  const draft = new Draft();
  const differing: string[] = [];
  for (let code = 0; code <= 0xffff; code++) {
    const character = String.fromCharCode(code);
    const escaped = `"\\u${code.toString(16).padStart(4, '0')}"`;
    for (const source of new Set([JSON.stringify(character), escaped])) {
      document.parse(Buffer.from(source));
      draft.open(document);
      if (draft.isBlank(0) !== (character.trim() === '')) differing.push(source);
    }
  }
  expect(differing).toEqual([]);
});
