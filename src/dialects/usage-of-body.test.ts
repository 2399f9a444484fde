import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { usageIn, usageSource } from './usage-of-body.ts';

/** What is told of `usage`, by parsing everything. */
function plain(text: string): unknown {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  return (parsed as { usage?: unknown }).usage;
}

function fast(text: string, before = '', after = ''): unknown {
  const bytes = Buffer.from(before + text + after);
  const start = Buffer.byteLength(before);
  const source = usageSource(bytes, start, bytes.length - Buffer.byteLength(after));
  return source === null ? undefined : JSON.parse(Buffer.from(source, 'latin1').toString());
}

const key = fc.oneof(
  fc.constantFrom('usage', 'usage"', 'usage\\', ' usage', 'x'),
  fc.string({ unit: 'binary' }),
);
const value = fc.oneof(
  fc.jsonValue(),
  fc.string({ minLength: 30, maxLength: 90 }),
  fc.constant('\\"'.repeat(40)),
);

test('property: found as a parser finds it, whatever stands around and in it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(key, value), { maxLength: 6 }),
      fc.constantFrom(undefined, 1, '\t'),
      fc.constantFrom('', 'HTTP "{', '{"usage":1},'),
      (members, space, before) => {
        const text = JSON.stringify(Object.fromEntries(members), null, space);
        expect(fast(text, before, '"usage":9}')).toEqual(plain(text));
        expect(fast(JSON.stringify([{ usage: 1 }, ...members]))).toBeUndefined();
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  ['{"usage":{"a":1},"usage":{"a":2}}', { a: 2 }],
  ['\n\n {"usage" : {"a":[{"usage":3}]} , "b":"}"}', { a: [{ usage: 3 }] }],
  ['{"a":{"usage":1}}', undefined],
  ['{"a":"usage","b":1}', undefined],
  ['{"usage":null}', null],
  ['{"usage":1', undefined],
  ['{"usage":"', undefined],
  ['[]', undefined],
  ['', undefined],
])('%s', (text, usage) => {
  expect(fast(text)).toEqual(usage);
});

test('what cannot be parsed is no usage', () => {
  const bytes = Buffer.from('{"usage":{"a":}}');
  expect(usageIn(bytes, 0, bytes.length, () => expect.unreachable())).toBeNull();
});
