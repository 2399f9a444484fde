import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonValue, spell } from './testing/arbitrary.ts';
import { JsonDocument, Kind } from './document.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from './errors.ts';
import { hashKeyText } from './keys.ts';
import { naiveParse, type NaiveValue } from './testing/naive.ts';

const parsed = (text: string): JsonDocument => {
  const document = new JsonDocument();
  document.parse(Buffer.from(text));
  return document;
};

const LITERALS = new Set<Kind>([Kind.Null, Kind.False, Kind.True, Kind.Number]);

/** The tree that a document describes. */
function treeOf(document: JsonDocument, node: number): NaiveValue {
  const kind = document.kind(node);
  if (LITERALS.has(kind)) return { kind: 'literal', source: document.source(node) };
  if (kind === Kind.String) return { kind: 'string', text: document.text(node) };
  const end = document.next(node);
  if (kind === Kind.Array) {
    const items: NaiveValue[] = [];
    for (let at = node + 1; at < end; at = document.next(at)) items.push(treeOf(document, at));
    return { kind: 'array', items };
  }
  const entries: [string, NaiveValue][] = [];
  for (let key = node + 1; key < end; key = document.next(key + 1))
    entries.push([document.text(key), treeOf(document, key + 1)]);
  return { kind: 'object', entries };
}

/** What a parser says of a text: the tree, or that it refuses it (for which of several reasons is its own affair). */
function verdict(parse: () => NaiveValue): NaiveValue | string {
  try {
    return parse();
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof JsonDuplicateKeyError) return 'refused';
    throw error;
  }
}
const ours = (text: string): NaiveValue | string => verdict(() => treeOf(parsed(text), 0));
const naive = (text: string): NaiveValue | string => verdict(() => naiveParse(text));

describe('against the naive twin', () => {
  test('any value in any spelling is read alike', () => {
    fc.assert(
      fc.property(jsonValue, fc.integer(), (value, seed) => {
        const text = spell(value, choices(seed));
        expect(ours(text)).toEqual(value);
        expect(naive(text)).toEqual(value);
      }),
      { numRuns: 1000 },
    );
  });

  test('in steps of any length it is the same document', () => {
    const whole = new JsonDocument();
    const stepped = new JsonDocument();
    const tape = (document: JsonDocument): readonly number[] =>
      Array.from({ length: document.count }, (_, node) => [
        document.start(node),
        document.end(node),
        document.next(node),
        document.kind(node),
        Number(document.canonical(node)),
      ]).flat();
    const told = (read: () => void): string => {
      try {
        read();
        return '';
      } catch (error) {
        return String(error);
      }
    };
    fc.assert(
      fc.property(
        jsonValue,
        fc.integer(),
        fc.integer({ min: 1, max: 9 }),
        fc.option(fc.nat()),
        (value, seed, nodes, cut) => {
          const text = spell(value, choices(seed));
          const bytes = Buffer.from(cut === null ? text : text.slice(0, cut % (text.length + 1)));
          let steps = 0;
          const inSteps = told(() => {
            for (stepped.open(bytes); !stepped.advance(nodes);) steps++;
          });
          expect(inSteps).toBe(told(() => whole.parse(bytes)));
          if (inSteps !== '') return;
          expect(tape(stepped)).toEqual(tape(whole));
          // A key and its value are read together.
          expect(steps).toBeGreaterThanOrEqual(Math.floor((whole.count - 1) / (nodes + 1)));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('a text with one character changed, lost or doubled is judged alike', () => {
    fc.assert(
      fc.property(
        jsonValue,
        fc.integer(),
        fc.nat(),
        fc.constantFrom(...'{ } [ ] " , : \\ 0 1 2 - + . e E t r u f a l s n \n \u0001'.split(' '), ' '),
        fc.nat(2),
        (value, seed, place, character, way) => {
          const text = spell(value, choices(seed));
          const at = place % (text.length + 1);
          const mutated =
            way === 0
              ? text.slice(0, at) + character + text.slice(at)
              : way === 1
                ? text.slice(0, at) + text.slice(at + 1)
                : text.slice(0, at) + character + text.slice(at + 1);
          // A cut pair of surrogates has no UTF-8.
          fc.pre(mutated.isWellFormed());
          expect(ours(mutated)).toEqual(naive(mutated));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('a text cut anywhere is refused or whole', () => {
    const text = '{"a":[1,-2.5e3,true,false,null,"\\u00e9\\n",{}],"b":{"c":[]}} ';
    for (let end = 0; end <= text.length; end++)
      expect(ours(text.slice(0, end))).toEqual(naive(text.slice(0, end)));
  });
});

test('repeated keys can be read as JSON.parse reads them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(99)), { maxLength: 12 }),
      (members) => {
        const text = `{${members.map(([key, value]) => `"${key}":${value}`).join(',')}}`;
        const document = new JsonDocument('last');
        document.parse(Buffer.from(text));
        const known = JSON.parse(text) as Record<string, number>;
        for (const key of ['a', 'b', 'c']) {
          const node = document.member(0, key);
          expect(node < 0 ? undefined : Number(document.source(node))).toBe(known[key]);
        }
      },
    ),
  );
});

describe('duplicate keys', () => {
  test.each([
    '{"a":1,"a":2}',
    String.raw`{"a":1,"\u0061":2}`,
    String.raw`{"\u0061":1,"a":2}`,
    String.raw`{"a\/b":1,"a/b":2}`,
    String.raw`{"\n":1,"\u000A":2}`,
    '{"é":1,"\\u00e9":2}',
    '{"😂":1,"\\ud83d\\uDE02":2}',
    String.raw`{"\ud800":1,"\uD800":2}`,
    '{"x":{"y":[{"a":1,"b":2,"a":3}]}}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
  ])('%s', (text) => {
    expect(() => parsed(text)).toThrow(JsonDuplicateKeyError);
  });

  test.each([
    String.raw`{"\ud800":1,"\ud801":2,"\ufffd":3}`,
    '{"e\u0301":1,"é":2}',
    '{"a":{"a":{"a":1}},"b":{"a":1}}',
    '{"a":1,"A":2,"a ":3}',
  ])('%s has none', (text) => {
    expect(parsed(text).count).toBeGreaterThan(0);
  });

  test.each([2, 23, 24, 25, 26, 100, 5000])(
    'among %d keys, wherever the second lies and however it is spelled',
    (count) => {
      const keys = Array.from({ length: count }, (_, index) => `k${index}`);
      const text = (names: readonly string[]): string => `{${names.map((name) => `"${name}":0`).join(',')}}`;
      expect(parsed(text(keys)).count).toBe(2 * count + 1);
      for (const place of [0, count >> 1, count - 1]) {
        expect(() => parsed(text([...keys, keys[place]!]))).toThrow(JsonDuplicateKeyError);
        expect(() => parsed(text([...keys, `\\u006b${place}`]))).toThrow(JsonDuplicateKeyError);
      }
    },
  );

  test('keys whose hashes collide are told apart, and found when they are equal', () => {
    const [one, other] = ['costarring', 'liquid'];
    expect(hashKeyText(one)).toBe(hashKeyText(other));
    expect(parsed(`{"${one}":1,"${other}":2}`).count).toBe(5);
    expect(() => parsed(`{"${one}":1,"${other}":2,"${one}":3}`)).toThrow(JsonDuplicateKeyError);
    const many = Array.from({ length: 60 }, (_, index) => `"x${index}":0`).join(',');
    expect(parsed(`{${many},"${one}":1,"${other}":2}`).count).toBe(125);
    expect(() => parsed(`{${many},"${one}":1,"${other}":2,"${other}":3}`)).toThrow(JsonDuplicateKeyError);
  });

  test('the error names key and place, and cuts a long key', () => {
    expect(() => parsed('{"a":1,"a":2}')).toThrow('duplicate key "a" at byte 7');
    const long = 'k'.repeat(10_000);
    expect(() => parsed(`{"${long}":1,"${long}":2}`)).toThrow(/^.{0,200}$/);
  });
});

describe('limits', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

  test('512 levels are read, 513 refused, a hundred thousand refused without a stack overflow', () => {
    expect(parsed(nested(512)).count).toBe(512);
    expect(() => parsed(nested(513))).toThrow(/nested deeper than 512/);
    expect(() => parsed('['.repeat(100_000))).toThrow(JsonSyntaxError);
    expect(() => parsed('{"a":'.repeat(100_000))).toThrow(JsonSyntaxError);
  });

  test('depth is counted where it is: a closed container gives its level back', () => {
    expect(parsed(`[${Array.from({ length: 1000 }, () => nested(500)).join(',')}]`).count).toBe(500_001);
  });

  test('millions of values and keys are read', () => {
    const document = parsed(`[${'0,'.repeat(3_000_000)}0]`);
    expect(document.count).toBe(3_000_002);
    expect(document.next(0)).toBe(document.count);
  });

  test('the tape shrinks once the texts of late were small', () => {
    const document = new JsonDocument();
    document.parse(Buffer.from(`[${'0,'.repeat(100_000)}0]`));
    document.release();
    expect(document.capacity).toBeGreaterThan(100_000);
    for (let use = 0; use < 32; use++) {
      document.parse(Buffer.from('[1]'));
      document.release();
    }
    expect(document.capacity).toBeLessThanOrEqual(65_536);
    document.parse(Buffer.from('[1,2]'));
    expect(document.count).toBe(3);
  });
});

describe('refusals', () => {
  test.each([
    ['', /unexpected end/],
    [' ', /unexpected end/],
    ['\uFEFF{}', /unexpected character/],
    ['{} {}', /after the value/],
    ['[1,]', /unexpected character/],
    ['{"a":1,}', /expected a key/],
    ['{"a"}', /expected ":"/],
    ['{a:1}', /expected a key/],
    ['[1}', /expected "," or "\]"/],
    ['{"a":1]', /expected "," or "}"/],
    ['nul', /unexpected character/],
    ['[01]', /expected ","/],
  ] as const)('%j', (text, reason) => {
    expect(() => parsed(text)).toThrow(JsonSyntaxError);
    expect(() => parsed(text)).toThrow(reason);
  });

  test('bytes that are not UTF-8', () => {
    const document = new JsonDocument();
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
    ])
      expect(() => document.parse(Uint8Array.from(bytes))).toThrow(/not UTF-8/);
  });
});

describe('nodes', () => {
  test('members by name, however they are spelled', () => {
    const document = parsed('{"a":1,"\\u0062":[2],"é":3,"10":4,"2":5}');
    expect(document.source(document.member(0, 'a'))).toBe('1');
    expect(document.source(document.member(0, 'b'))).toBe('[2]');
    expect(document.source(document.member(0, 'é'))).toBe('3');
    expect(document.member(0, 'c')).toBe(-1);
  });

  test('textEquals compares what a string decodes to', () => {
    fc.assert(
      fc.property(jsonValue, fc.integer(), (value, seed) => {
        fc.pre(value.kind === 'string');
        if (value.kind !== 'string') return;
        const document = parsed(spell(value, choices(seed)));
        expect(document.textEquals(0, value.text)).toBe(true);
        expect(document.textEquals(0, `${value.text}x`)).toBe(false);
        expect(document.textEquals(0, value.text.slice(1))).toBe(value.text === '');
      }),
    );
  });

  test('a view into a larger buffer is read at its own offsets', () => {
    const backing = Buffer.from(`xyz{"a":"${'b'.repeat(100)}"}xyz`);
    for (const offset of [0, 1, 2, 3]) {
      const shifted = Buffer.concat([Buffer.alloc(offset), backing]);
      const document = new JsonDocument();
      document.parse(shifted.subarray(offset + 3, offset + backing.length - 3));
      expect(document.text(document.member(0, 'a'))).toBe('b'.repeat(100));
    }
  });

  test('one document reads text after text, a refused one between them', () => {
    const document = new JsonDocument();
    for (const text of ['{"a":[1,2,3]}', '[', '[[],{}]', '{"a":1,"a":2}', '"x"']) {
      try {
        document.parse(Buffer.from(text));
        expect(treeOf(document, 0)).toEqual(naiveParse(text));
      } catch (error) {
        expect(() => naiveParse(text)).toThrow((error as Error).constructor);
      }
      document.release();
    }
  });
});
