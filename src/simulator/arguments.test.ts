import { expect, test } from 'bun:test';
import { exampleArguments } from './arguments.ts';

const example = (schema: unknown, salt = 0): unknown => JSON.parse(exampleArguments(schema, salt));

test('required properties with simple values of their types', () => {
  const schema = {
    type: 'object',
    properties: {
      city: { type: 'string' },
      days: { type: 'integer', minimum: 3 },
      ratio: { type: 'number' },
      deep: { type: 'boolean' },
      unit: { enum: ['C', 'F'] },
      kind: { const: 'k' },
      day: { type: ['null', 'string'], format: 'date' },
      tags: { type: 'array', items: { type: 'string' }, minItems: 2 },
      place: { type: 'object', properties: { lat: { type: 'number' } }, required: ['lat'] },
      either: { anyOf: [{ type: 'integer' }, { type: 'string' }] },
      node: { $ref: '#/$defs/node' },
      optional: { type: 'string' },
    },
    required: ['city', 'days', 'ratio', 'deep', 'unit', 'kind', 'day', 'tags', 'place', 'either', 'node'],
    $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } }, required: ['next'] } },
  };
  const { node, ...rest } = example(schema) as Record<string, unknown>;
  expect(rest).toEqual({
    city: 'city 0',
    days: 3,
    ratio: 1,
    deep: true,
    unit: 'C',
    kind: 'k',
    day: '2026-11-23',
    tags: ['tags 0', 'tags 1'],
    place: { lat: 1 },
    either: 1,
  });
  expect(JSON.stringify(node)).toContain('{"next":{"next":');
});

test('the salt tells parallel calls apart', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] };
  expect(example(schema, 1)).toEqual({ a: 'a 1' });
});

test('no schema, or a strange one, makes no error', () => {
  for (const schema of [undefined, null, 'x', [], { required: 'x' }, { properties: [] }]) {
    expect(example(schema)).toEqual({});
  }
  const strange = { required: ['a', 1, '__proto__'], properties: { a: { $ref: '#/nowhere' } } };
  expect(Object.keys(example(strange) as object)).toContain('a');
});
