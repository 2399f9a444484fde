const MAX_DEPTH = 8;
const MAX_ITEMS = 16;

type Schema = Readonly<Record<string, unknown>>;

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Texts of the formats that clients check. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', '2026-11-23'],
  ['time', '12:00:00Z'],
  ['date-time', '2026-11-23T12:00:00Z'],
  ['email', 'someone@example.com'],
  ['uri', 'https://example.com/'],
  ['url', 'https://example.com/'],
  ['uuid', '00000000-0000-4000-8000-000000000000'],
  ['ipv4', '192.0.2.1'],
  ['hostname', 'example.com'],
]);

const numberOf = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);

function textOf(schema: Schema, name: string, salt: number): string {
  const format = typeof schema['format'] === 'string' ? FORMATS.get(schema['format']) : undefined;
  const text = format ?? `${name} ${salt}`;
  const shortest = Math.min(numberOf(schema['minLength'], 0), 1000);
  return text
    .padEnd(shortest, '.')
    .slice(0, Math.max(0, numberOf(schema['maxLength'], text.length + shortest)));
}

/** The schema a local `$ref` (`#/$defs/x`) names. */
function resolve(root: Schema, reference: string): unknown {
  let target: unknown = root;
  for (const key of reference.replace(/^#\/?/, '').split('/')) {
    if (key === '') continue;
    if (!isSchema(target) || !Object.hasOwn(target, key)) return undefined;
    target = target[key];
  }
  return target;
}

function valueOf(schema: unknown, name: string, salt: number, root: Schema, depth: number): unknown {
  if (!isSchema(schema) || depth > MAX_DEPTH) return `${name} ${salt}`;
  if (typeof schema['$ref'] === 'string')
    return valueOf(resolve(root, schema['$ref']), name, salt, root, depth + 1);
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum']) && schema['enum'].length > 0)
    return schema['enum'][salt % schema['enum'].length];
  for (const key of ['anyOf', 'oneOf', 'allOf']) {
    const branches = schema[key];
    if (Array.isArray(branches) && branches.length > 0)
      return valueOf(branches[0], name, salt, root, depth + 1);
  }
  const types = Array.isArray(schema['type']) ? schema['type'] : [schema['type']];
  switch (types.find((type) => type !== 'null')) {
    case 'object':
      return objectOf(schema, salt, root, depth);
    case 'array': {
      const length = Math.min(numberOf(schema['minItems'], 1), MAX_ITEMS);
      return Array.from({ length }, (_, index) =>
        valueOf(schema['items'], name, salt + index, root, depth + 1),
      );
    }
    case 'integer':
    case 'number':
      return numberOf(schema['minimum'], 1 + salt);
    case 'boolean':
      return salt % 2 === 0;
    case 'string':
      return textOf(schema, name, salt);
    default:
      return isSchema(schema['properties']) ? objectOf(schema, salt, root, depth) : `${name} ${salt}`;
  }
}

function objectOf(schema: Schema, salt: number, root: Schema, depth: number): Record<string, unknown> {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  const result: Record<string, unknown> = {};
  for (const name of required) {
    if (typeof name !== 'string') continue;
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    result[name] = valueOf(property, name, salt, root, depth + 1);
  }
  return result;
}

/**
 * Arguments a model might pass to a tool, as JSON: the required properties with simple values of their types. `salt` tells
 * parallel calls apart. Keywords beyond types, enum, const, format, lengths, `minimum` and `minItems` are not looked at.
 */
export function exampleArguments(schema: unknown, salt: number): string {
  return JSON.stringify(isSchema(schema) ? objectOf(schema, salt, schema, 0) : {});
}
