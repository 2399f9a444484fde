import { Kind, type JsonDocument } from '../../std/json/document.ts';

/** Keywords that strict schemas lack. */
const LACKING: ReadonlySet<string> = new Set([
  'allOf',
  'default',
  'dependentRequired',
  'dependentSchemas',
  'else',
  'if',
  'not',
  'oneOf',
  'then',
]);

/**
 * Whether OpenAI takes a schema as a strict one, and does not answer 400 (guide "Structured outputs"): it is an object, and
 * every object in it requires all of its properties and has no others. Anthropic lets properties be absent.
 */
export function fitsStrict(document: JsonDocument, schema: number): boolean {
  const type = document.member(schema, 'type');
  return (
    type >= 0 &&
    saysObject(document, type) &&
    document.kind(type) === Kind.String &&
    document.member(schema, 'anyOf') < 0 &&
    fits(document, schema)
  );
}

function fits(document: JsonDocument, schema: number): boolean {
  if (document.kind(schema) !== Kind.Object) return true;
  let isObject = false;
  let isClosed = false;
  let properties = -1;
  let required = -1;
  const end = document.next(schema);
  for (let key = schema + 1; key < end; key = document.next(key + 1)) {
    const value = key + 1;
    const name = document.text(key);
    if (LACKING.has(name)) return false;
    if (name === 'type') isObject = saysObject(document, value);
    else if (name === 'additionalProperties') isClosed = document.kind(value) === Kind.False;
    else if (name === 'required') required = value;
    else if (name === 'items') {
      if (!fits(document, value)) return false;
    } else if (['properties', '$defs', 'definitions', 'anyOf'].includes(name)) {
      if (name === 'properties') properties = value;
      if (!allFit(document, value)) return false;
    }
  }
  if (!isObject && properties < 0) return true;
  return isClosed && requiresAll(document, properties, required);
}

/** Whether the elements of an array, or the values of an object, all do. */
function allFit(document: JsonDocument, schemas: number): boolean {
  const skip = document.kind(schemas) === Kind.Object ? 1 : 0;
  const end = document.next(schemas);
  for (let node = schemas + 1; node < end; node = document.next(node + skip))
    if (!fits(document, node + skip)) return false;
  return true;
}

function requiresAll(document: JsonDocument, properties: number, required: number): boolean {
  if (properties < 0 || document.kind(properties) !== Kind.Object) return true;
  const names = new Set<string>();
  if (required >= 0 && document.kind(required) === Kind.Array) {
    const end = document.next(required);
    for (let name = required + 1; name < end; name = document.next(name))
      if (document.kind(name) === Kind.String) names.add(document.text(name));
  }
  const end = document.next(properties);
  for (let key = properties + 1; key < end; key = document.next(key + 1))
    if (!names.has(document.text(key))) return false;
  return true;
}

/** `"object"`, or an array with it. */
function saysObject(document: JsonDocument, type: number): boolean {
  if (document.kind(type) === Kind.String) return document.textEquals(type, 'object');
  if (document.kind(type) !== Kind.Array) return false;
  const end = document.next(type);
  for (let one = type + 1; one < end; one = document.next(one))
    if (document.kind(one) === Kind.String && document.textEquals(one, 'object')) return true;
  return false;
}
