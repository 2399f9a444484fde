import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, casesPresent, withCases } from '../../test/support/cases.ts';
import { ask, type Body, chunksOf, post, withSimulator } from './testing/client.ts';

type Schema = Readonly<Record<string, unknown>>;

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null;

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

/** Where `value` departs from `schema`: types, required fields, enums, and unknown fields of closed objects. */
class Validator {
  readonly #schemas: Schema;

  constructor(schemas: Schema) {
    this.#schemas = schemas;
  }

  check(value: unknown, schema: unknown, path = '$'): string[] {
    if (!isSchema(schema)) return [];
    if (typeof schema['$ref'] === 'string') {
      const name = schema['$ref'].split('/').at(-1) ?? '';
      return isSchema(this.#schemas[name])
        ? this.check(value, this.#schemas[name], path)
        : [`${path}: no schema ${name}`];
    }
    if (value === null && schema['nullable'] === true) return [];
    const faults = [...this.#type(value, schema, path)];
    for (const part of schemasOf(schema['allOf'])) faults.push(...this.check(value, part, path));
    const choices = [...schemasOf(schema['anyOf']), ...schemasOf(schema['oneOf'])];
    if (choices.length > 0) {
      const found = choices.map((choice) => this.check(value, choice, path));
      if (!found.some((one) => one.length === 0)) faults.push(...(found[0] ?? []));
    }
    if (Array.isArray(schema['enum']) && !schema['enum'].includes(value))
      faults.push(`${path}: not in the enum`);
    return [...faults, ...this.#members(value, schema, path)];
  }

  #type(value: unknown, schema: Schema, path: string): string[] {
    const { type } = schema;
    if (type === undefined) return [];
    const types: unknown[] = Array.isArray(type) ? type : [type];
    const actual = typeOf(value);
    const fits = types.includes(actual) || (actual === 'integer' && types.includes('number'));
    return fits ? [] : [`${path}: ${actual}, not ${types.join(' or ')}`];
  }

  #members(value: unknown, schema: Schema, path: string): string[] {
    if (Array.isArray(value)) {
      return value.flatMap((item, index) => this.check(item, schema['items'], `${path}[${index}]`));
    }
    if (!isSchema(value)) return [];
    const required: unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
    const faults = required
      .filter((name) => typeof name === 'string' && !(name in value))
      .map((name) => `${path}: lacks ${String(name)}`);
    const properties = isSchema(schema['properties']) ? schema['properties'] : {};
    for (const [name, member] of Object.entries(value)) {
      if (name in properties) faults.push(...this.check(member, properties[name], `${path}.${name}`));
    }
    return faults;
  }
}

const schemasOf = (value: unknown): Schema[] => (Array.isArray(value) ? value.filter(isSchema) : []);

const TOOL = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } };

const BODIES: readonly Body[] = [
  ask('hello'),
  ask('hello', { n: 3, max_completion_tokens: 5 }),
  ask('f', { tools: [TOOL] }),
  ask('f [[sim:tools=3]]', { tools: [TOOL] }),
  ask('hello', { model: 'gpt-5.6-sol' }),
  ask('hello', { model: 'gpt-5.6-sol', stream_options: { include_obfuscation: false } }),
];

const SPECIFICATION = join(CASES, 'specs/openai-openapi-trimmed.json');

withCases.describe("OpenAI's own specification", () => {
  const { schemas } = casesPresent
    ? (JSON.parse(readFileSync(SPECIFICATION, 'utf8')) as { components: { schemas: Schema } }).components
    : { schemas: {} };
  const validator = new Validator(schemas);
  const faults = (value: unknown, name: string): string[] => validator.check(value, schemas[name]);

  test('the validator finds faults', () => {
    expect(faults({ id: 1, choices: [{}] }, 'CreateChatCompletionResponse').length).toBeGreaterThan(4);
  });

  for (const modes of [{}, { fast: true }]) {
    test(`whole answers fit it ${JSON.stringify(modes)}`, () =>
      withSimulator(modes, async (simulator) => {
        for (const { stream_options: _, ...body } of BODIES) {
          const answer: unknown = await (await post(simulator, body)).json();
          expect(faults(answer, 'CreateChatCompletionResponse')).toEqual([]);
        }
      }));

    test(`stream chunks fit it ${JSON.stringify(modes)}`, () =>
      withSimulator(modes, async (simulator) => {
        for (const body of BODIES) {
          const options = { include_usage: true, ...(body['stream_options'] as object | undefined) };
          const response = await post(simulator, { ...body, stream: true, stream_options: options });
          for (const chunk of chunksOf(await response.text())) {
            // The specification's usage is no null, the guide and the service send one on all chunks but the last.
            const { usage, ...rest } = chunk;
            const told = usage === null ? rest : chunk;
            expect(faults(told, 'CreateChatCompletionStreamResponse')).toEqual([]);
          }
        }
      }));
  }

  test('errors and models fit it', () =>
    withSimulator({}, async (simulator) => {
      const error: unknown = await (await post(simulator, '{}')).json();
      expect(faults(error, 'ErrorResponse')).toEqual([]);
      const models = await fetch(`${simulator.url}/v1/models`, { headers: { authorization: 'x' } });
      expect(faults(await models.json(), 'ListModelsResponse')).toEqual([]);
    }));
});
