/**
 * A JSON text as its tokens were written: what `JSON.parse` turns numbers, keys and their order into would hide what a
 * gateway has done to them. It shares nothing with the gateway's own reader, so that a common mistake shows.
 */
export type RawJson =
  /** A string, number or literal: its source text. */
  | { readonly kind: 'token'; readonly raw: string }
  | { readonly kind: 'array'; readonly items: readonly RawJson[] }
  /** Keys as they decode, in the order of the text. */
  | { readonly kind: 'object'; readonly members: readonly (readonly [key: string, value: RawJson])[] };

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9eE]*|true|false|null|[{}[\],:])/sy;

/** Reads a text that is known to be JSON. */
export function parseRaw(text: string): RawJson {
  TOKEN.lastIndex = 0;
  const next = (): string => {
    const token = TOKEN.exec(text)?.[1];
    if (token === undefined) throw new Error('no JSON');
    return token;
  };
  const value = (token: string): RawJson => {
    if (token === '[') {
      const items: RawJson[] = [];
      for (let one = next(); one !== ']'; one = next()) if (one !== ',') items.push(value(one));
      return { kind: 'array', items };
    }
    if (token === '{') {
      const members: [string, RawJson][] = [];
      for (let one = next(); one !== '}'; one = next()) {
        if (one === ',') continue;
        const key = JSON.parse(one) as string;
        next();
        members.push([key, value(next())]);
      }
      return { kind: 'object', members };
    }
    return { kind: 'token', raw: token };
  };
  return value(next());
}

/** Back to a text without white space; every token and every order as it was. */
export function writeRaw(json: RawJson): string {
  if (json.kind === 'token') return json.raw;
  if (json.kind === 'array') return `[${json.items.map(writeRaw).join(',')}]`;
  return `{${json.members.map(([key, value]) => `${JSON.stringify(key)}:${writeRaw(value)}`).join(',')}}`;
}

/**
 * The same text with every string in its one canonical spelling (RFC 8785 §3.2.2.2, which is what `JSON.stringify`
 * writes). The characters are the same, and so is everything else.
 */
export function respelled(json: RawJson): RawJson {
  if (json.kind === 'token')
    return json.raw.startsWith('"') ? { kind: 'token', raw: JSON.stringify(JSON.parse(json.raw)) } : json;
  if (json.kind === 'array') return { kind: 'array', items: json.items.map(respelled) };
  return { kind: 'object', members: json.members.map(([key, value]) => [key, respelled(value)] as const) };
}

export function itemsOf(json: RawJson | undefined): readonly RawJson[] {
  return json?.kind === 'array' ? json.items : [];
}

export function memberOf(json: RawJson | undefined, key: string): RawJson | undefined {
  return json?.kind === 'object' ? json.members.find(([name]) => name === key)?.[1] : undefined;
}

/** Keys and the text of their values, without regard to their order. */
export function membersOf(json: RawJson): Map<string, string> {
  return new Map(json.kind === 'object' ? json.members.map(([key, value]) => [key, writeRaw(value)]) : []);
}
