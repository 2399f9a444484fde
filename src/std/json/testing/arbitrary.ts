import fc from 'fast-check';
import type { NaiveValue } from './naive.ts';

/** Any UTF-16 text, lone surrogates, controls and escapes' own characters among it. */
const codeUnits = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0x20, max: 0x7e }),
      fc.integer({ min: 0, max: 0xffff }),
      fc.constantFrom(0x22, 0x5c, 0x2f, 8, 9, 10, 12, 13, 0x7f, 0x2028, 0xfeff, 0xd83d, 0xde02),
    ),
    { maxLength: 12 },
  )
  .map((codes) => String.fromCharCode(...codes));

export const jsonText: fc.Arbitrary<string> = fc.oneof(
  codeUnits,
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  // Long runs take the word-wise path, from every alignment.
  fc.tuple(codeUnits, fc.integer({ min: 0, max: 200 }), codeUnits).map(([a, n, b]) => a + 'x'.repeat(n) + b),
);

const literal: fc.Arbitrary<NaiveValue> = fc
  .oneof(
    fc.constantFrom(
      'null',
      'true',
      'false',
      '0',
      '-0',
      '1.0',
      '1e2',
      '0.10',
      '1E400',
      '12345678901234567890',
    ),
    fc.integer().map(String),
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((one) => (Object.is(one, -0) ? '-0' : String(one))),
  )
  .map((source) => ({ kind: 'literal', source }));

const string: fc.Arbitrary<NaiveValue> = jsonText.map((text) => ({ kind: 'string', text }));

/** Keys: integer-like ones and such that collide when decoded carelessly, besides any text. */
const key = fc.oneof(jsonText, fc.constantFrom('a', 'b', '1', '2', '10', '__proto__', 'é', 'e\u0301', ''));

export const { value: jsonValue } = fc.letrec<{ value: NaiveValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    literal,
    string,
    fc.array(tie('value'), { maxLength: 6 }).map((items) => ({ kind: 'array' as const, items })),
    fc
      .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 8, selector: ([name]) => name })
      .map((entries) => ({ kind: 'object' as const, entries })),
  ),
}));

/** A small deterministic source of choices, so that a seed names one spelling. */
export function choices(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const SPACES = ['', '', '', ' ', '\n', '\t', '\r\n  '];
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '/': '\\/',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** One of the many spellings of a string. */
export function spellString(text: string, pick: (below: number) => number): string {
  let out = '"';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const short = SHORT[character];
    const mustEscape =
      code < 0x20 || character === '"' || character === '\\' || (code >= 0xd800 && code <= 0xdfff);
    const way = pick(6);
    if (!mustEscape && way < 4) out += character;
    else if (short !== undefined && way !== 5) out += short;
    else {
      for (let index = 0; index < character.length; index++) {
        const hex = character.charCodeAt(index).toString(16).padStart(4, '0');
        out += `\\u${pick(2) === 0 ? hex : hex.toUpperCase()}`;
      }
    }
  }
  return `${out}"`;
}

/** One of the many spellings of a value: whitespace and escapes vary, order and literals do not. */
export function spell(value: NaiveValue, pick: (below: number) => number): string {
  const space = (): string => SPACES[pick(SPACES.length)] ?? '';
  if (value.kind === 'literal') return value.source;
  if (value.kind === 'string') return spellString(value.text, pick);
  const parts =
    value.kind === 'array'
      ? value.items.map((item) => spell(item, pick))
      : value.entries.map(
          ([name, inner]) => `${spellString(name, pick)}${space()}:${space()}${spell(inner, pick)}`,
        );
  const [open, close] = value.kind === 'array' ? ['[', ']'] : ['{', '}'];
  return `${open}${space()}${parts.join(`${space()},${space()}`)}${space()}${close}`;
}
