import { JsonDuplicateKeyError, JsonSyntaxError } from '../errors.ts';

/**
 * The slow and obvious twin of document and writer: a tree with ordered entries that keeps literals in their source text.
 * Strings are read and written by the runtime's own JSON.
 */
export type NaiveValue =
  | { readonly kind: 'literal'; readonly source: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly NaiveValue[] }
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, NaiveValue])[] };

const LITERAL = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const MAX_DEPTH = 512;

export function naiveParse(text: string): NaiveValue {
  let at = 0;
  const fail = (reason: string): never => {
    throw new JsonSyntaxError(reason, at);
  };
  const space = (): void => {
    while (' \t\n\r'.includes(text.charAt(at)) && at < text.length) at++;
  };
  const take = (character: string): void => {
    if (text.charAt(at) !== character) fail(`expected ${character}`);
    at++;
  };
  const string = (): string => {
    const start = at;
    take('"');
    while (at < text.length && text.charAt(at) !== '"') at += text.charAt(at) === '\\' ? 2 : 1;
    take('"');
    try {
      return JSON.parse(text.slice(start, at)) as string;
    } catch {
      return fail('string');
    }
  };
  const value = (depth: number): NaiveValue => {
    switch (text.charAt(at)) {
      case '"':
        return { kind: 'string', text: string() };
      case '[': {
        if (depth === MAX_DEPTH) fail('depth');
        at++;
        space();
        const items: NaiveValue[] = [];
        while (items.length > 0 ? text.charAt(at) === ',' : text.charAt(at) !== ']') {
          if (items.length > 0) at++;
          space();
          items.push(value(depth + 1));
          space();
        }
        take(']');
        return { kind: 'array', items };
      }
      case '{': {
        if (depth === MAX_DEPTH) fail('depth');
        at++;
        space();
        const entries: (readonly [string, NaiveValue])[] = [];
        while (entries.length > 0 ? text.charAt(at) === ',' : text.charAt(at) !== '}') {
          if (entries.length > 0) at++;
          space();
          const key = string();
          if (entries.some(([one]) => one === key)) throw new JsonDuplicateKeyError(key, at);
          space();
          take(':');
          space();
          entries.push([key, value(depth + 1)]);
          space();
        }
        take('}');
        return { kind: 'object', entries };
      }
      default: {
        LITERAL.lastIndex = at;
        const match = LITERAL.exec(text);
        if (match === null) return fail('literal');
        at += match[0].length;
        return { kind: 'literal', source: match[0] };
      }
    }
  };
  space();
  const root = value(0);
  space();
  if (at < text.length) fail('trailing text');
  return root;
}

/** Canonical form: no whitespace, fewest escapes, literals in their source text; keys sorted where asked for. */
export function naiveWrite(value: NaiveValue, sortKeys = false): string {
  if (value.kind === 'literal') return value.source;
  if (value.kind === 'string') return JSON.stringify(value.text);
  if (value.kind === 'array') return `[${value.items.map((item) => naiveWrite(item, sortKeys)).join(',')}]`;
  const entries = sortKeys
    ? value.entries.toSorted(([one], [other]) => (one < other ? -1 : 1))
    : value.entries;
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${naiveWrite(inner, sortKeys)}`).join(',')}}`;
}
