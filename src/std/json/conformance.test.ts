import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, casesPresent, withCases } from '../../../test/support/cases.ts';
import { JsonDocument } from './document.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from './errors.ts';
import { naiveParse, type NaiveValue } from './testing/naive.ts';
import { CanonicalWriter } from './writer.ts';

// Reason of every skip here: the cases lie beside the repository and are not copied into it.
const FOLDER = join(CASES, 'json');

const document = new JsonDocument();

function canonical(bytes: Uint8Array, sortKeys: boolean): string {
  const writer = new CanonicalWriter({ sortKeys });
  document.parse(bytes);
  writer.node(document, 0);
  return writer.text();
}

/** Numbers as values: these vectors write them as ECMAScript does, the gateway keeps their text. */
function withNumberValues(value: NaiveValue): unknown {
  if (value.kind === 'literal') return JSON.parse(value.source);
  if (value.kind === 'string') return value.text;
  if (value.kind === 'array') return value.items.map(withNumberValues);
  return value.entries.map(([key, inner]) => [key, withNumberValues(inner)]);
}

/** The literals of a value in the order of the text. */
function literals(value: NaiveValue): string[] {
  if (value.kind === 'literal') return [value.source];
  if (value.kind === 'array') return value.items.flatMap(literals);
  if (value.kind === 'object') return value.entries.flatMap(([, inner]) => literals(inner));
  return [];
}

withCases.describe('RFC 8785 vectors', () => {
  const names = casesPresent ? readdirSync(join(FOLDER, 'jcs/testdata/input')) : [];
  test('are there', () => expect(names.length).toBe(6));

  test.each(names)('%s', (name) => {
    const input = readFileSync(join(FOLDER, 'jcs/testdata/input', name));
    const output = readFileSync(join(FOLDER, 'jcs/testdata/output', name), 'utf8');
    const ours = canonical(input, true);
    const tree = naiveParse(ours);
    expect(withNumberValues(tree)).toEqual(withNumberValues(naiveParse(output)));
    expect(literals(tree).toSorted()).toEqual(literals(naiveParse(input.toString())).toSorted());
    // Where the vector's numbers stand in their shortest form already, or there are none, the bytes are equal too.
    const sameNumbers = literals(naiveParse(output)).join() === literals(tree).join();
    expect(ours === output).toBe(sameNumbers);
  });
});

withCases.describe('JSONTestSuite', () => {
  const folder = join(FOLDER, 'jsontestsuite/test_parsing');
  const names = casesPresent ? readdirSync(folder) : [];
  const duplicates = /^y_object_duplicated_key(_and_value)?\.json$/;
  test('is there', () => expect(names.length).toBe(318));

  const verdict = (path: string): 'accepted' | 'refused' | 'duplicate' => {
    try {
      document.parse(readFileSync(path));
      return 'accepted';
    } catch (error) {
      if (error instanceof JsonDuplicateKeyError) return 'duplicate';
      if (error instanceof JsonSyntaxError) return 'refused';
      throw error;
    }
  };

  test.each(names)('%s', (name) => {
    const found = verdict(join(folder, name));
    if (duplicates.test(name)) expect(found).toBe('duplicate');
    else if (name.startsWith('y_')) expect(found).toBe('accepted');
    else if (name.startsWith('n_')) expect(found).toBe('refused');
    else expect(['accepted', 'refused']).toContain(found);
  });

  const transforms = casesPresent ? readdirSync(join(FOLDER, 'jsontestsuite/test_transform')) : [];
  test('transforms are there', () => expect(transforms.length).toBe(22));

  test.each(transforms)('%s is kept to the letter or refused', (name) => {
    const path = join(FOLDER, 'jsontestsuite/test_transform', name);
    const found = verdict(path);
    if (found !== 'accepted') {
      expect(found).toBe(name.startsWith('object_same_key') ? 'duplicate' : 'refused');
      return;
    }
    const bytes = readFileSync(path);
    const ours = canonical(bytes, false);
    expect(naiveParse(ours)).toEqual(naiveParse(bytes.toString()));
  });
});

withCases.describe('naughty strings', () => {
  test('decode to themselves from their canonical form', () => {
    const strings = JSON.parse(readFileSync(join(FOLDER, 'blns/blns.json'), 'utf8')) as string[];
    expect(strings.length).toBeGreaterThan(400);
    for (const text of strings) {
      const plain = JSON.stringify(text);
      const escaped = `"${[...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`;
      expect(canonical(Buffer.from(plain), false)).toBe(plain);
      expect(canonical(Buffer.from(escaped), false)).toBe(plain);
    }
  });
});
