import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { JsonSyntaxError } from './errors.ts';
import { plainRunEnd, plainRunEndPlain, scanLiteral, scanNumber, scanString } from './scan.ts';

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const scan = (text: string): number => {
  const bytes = Buffer.from(text);
  return scanString(bytes, viewOf(bytes), 0);
};

describe('plainRunEnd', () => {
  test('agrees with its plain twin on any bytes from any place', () => {
    const interesting = fc.constantFrom(
      0x00,
      0x1f,
      0x20,
      0x21,
      0x22,
      0x23,
      0x5b,
      0x5c,
      0x5d,
      0x7f,
      0x80,
      0xa2,
      0xff,
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0x61), fc.constant(0x61), interesting), { maxLength: 60 }),
        fc.nat(8),
        fc.nat(40),
        (values, offset, from) => {
          const backing = new Uint8Array(offset + values.length);
          backing.set(values, offset);
          const bytes = backing.subarray(offset);
          const start = Math.min(from, bytes.length);
          expect(plainRunEnd(bytes, viewOf(bytes), start)).toBe(plainRunEndPlain(bytes, start));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('finds each byte that ends a run at each place of a pair of words, and no other byte', () => {
    for (let value = 0; value < 256; value++) {
      for (let place = 0; place < 9; place++) {
        const bytes = new Uint8Array(24).fill(0x61);
        bytes[place] = value;
        expect(plainRunEnd(bytes, viewOf(bytes), 0)).toBe(plainRunEndPlain(bytes, 0));
      }
    }
  });
});

describe('scanString', () => {
  test.each([
    ['""', 2],
    ['"a"b', 3],
    ['"\\n\\t\\b\\f\\r\\"\\\\"', 16],
    ['"\\u001f"', 8],
    [`"${'x'.repeat(300)}"`, 302],
    ['"é\u{1F600}"', 8],
  ])('%s is canonical', (text, end) => {
    expect(scan(text)).toBe(end);
  });

  test.each(['"\\/"', '"\\u0041"', '"\\u001F"', '"\\u000a"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"'])(
    '%s is not canonical',
    (text) => {
      expect(scan(text)).toBe(-text.length);
    },
  );

  test.each([
    '"',
    '"abc',
    '"\\',
    '"\\"',
    '"\\u12',
    '"\\u12"',
    '"\\u123g"',
    '"\\x"',
    '"\\U0041"',
    '"a\nb"',
    '"\u0000"',
    '"\u001f"',
  ])('%j is refused', (text) => {
    expect(() => scan(text)).toThrow(JsonSyntaxError);
  });

  test.each([0, 1, 31, 63, 64, 65, 71, 72, 73, 500])(
    'a control character %d bytes into a string is refused',
    (plain) => {
      for (const control of ['\u0000', '\u0009', '\u000a', '\u001f'])
        expect(() => scan(`"${'y'.repeat(plain)}${control}${'z'.repeat(40)}"`)).toThrow(/control character/);
    },
  );
});

describe('scanNumber', () => {
  test.each([
    '0',
    '-0',
    '1',
    '-1',
    '10',
    '1.0',
    '0.10',
    '1e2',
    '1E+2',
    '1e-2',
    '12345678901234567890',
    '-1.5e400',
  ])('%s', (text) => {
    expect(scanNumber(Buffer.from(text), 0)).toBe(text.length);
    expect(scanNumber(Buffer.from(`${text},`), 0)).toBe(text.length);
  });

  test.each(['-', '.5', '1.', '1.e2', '1e', '1e+', '+1', 'x', '-x'])('%s is refused', (text) => {
    expect(() => scanNumber(Buffer.from(text), 0)).toThrow(JsonSyntaxError);
  });
});

test('scanLiteral takes the whole name and nothing else', () => {
  expect(scanLiteral(Buffer.from('true'), 0, 'true')).toBe(4);
  expect(scanLiteral(Buffer.from('[null]'), 1, 'null')).toBe(5);
  for (const text of ['tru', 'trux', 't'])
    expect(() => scanLiteral(Buffer.from(text), 0, 'true')).toThrow(JsonSyntaxError);
});
