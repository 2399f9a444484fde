import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, jsonValue, spell } from './testing/arbitrary.ts';
import { JsonDocument } from './document.ts';
import { naiveWrite } from './testing/naive.ts';
import { CanonicalWriter, type CanonicalWriterOptions } from './writer.ts';

const document = new JsonDocument();

function canonical(text: string, options: CanonicalWriterOptions = {}): string {
  const writer = new CanonicalWriter(options);
  document.parse(Buffer.from(text));
  writer.node(document, 0);
  return writer.text();
}

describe('canonical form', () => {
  test('equals the naive twin, with keys as they are and sorted', () => {
    fc.assert(
      fc.property(jsonValue, fc.integer(), (value, seed) => {
        const text = spell(value, choices(seed));
        expect(canonical(text)).toBe(naiveWrite(value));
        expect(canonical(text, { sortKeys: true })).toBe(naiveWrite(value, true));
      }),
      { numRuns: 1000 },
    );
  });

  test('is idempotent, decodes to what the source decodes to, and is not longer', () => {
    fc.assert(
      fc.property(jsonValue, fc.integer(), (value, seed) => {
        const text = spell(value, choices(seed));
        const once = canonical(text);
        expect(canonical(once)).toBe(once);
        expect(JSON.parse(once)).toEqual(JSON.parse(text));
        expect(Buffer.byteLength(once)).toBeLessThanOrEqual(Buffer.byteLength(text));
        document.parse(Buffer.from(once));
        expect(document.canonical(0) || once.includes('\\u')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['{"b":1,"10":2,"2":3}', '{"b":1,"10":2,"2":3}'],
    [
      '[ 1.0 , 1e2 , 0.10 , -0 , 12345678901234567890 , 1E400 ]',
      '[1.0,1e2,0.10,-0,12345678901234567890,1E400]',
    ],
    [String.raw`"\u0041\/\u000A\u001F\u007f\u2028"`, '"A/\\n\\u001f\u007f\u2028"'],
    [String.raw`"\ud800x\udc00"`, String.raw`"\ud800x\udc00"`],
    [String.raw`"\uD83D\uDE02"`, '"\u{1F602}"'],
    ['{ "a" : [ { } , [ ] ] }', '{"a":[{},[]]}'],
  ])('%s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test('members are written alike in one slice and piece by piece', () => {
    for (const text of [
      '{"a":"b"}',
      '{"a" :"b"}',
      '{"a": "b"}',
      String.raw`{"\u0061":"b"}`,
      String.raw`{"a":"\u0062"}`,
    ]) {
      const writer = new CanonicalWriter();
      document.parse(Buffer.from(text));
      writer.member(document, 1);
      expect(writer.text()).toBe('"a":"b"');
    }
  });
});

describe('primitives', () => {
  test('a string is written as JSON.stringify writes it', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        const writer = new CanonicalWriter();
        writer.string(text);
        expect(writer.text()).toBe(JSON.stringify(text));
      }),
    );
  });

  test('bytes, text, UTF-8 and integers follow each other, through growth', () => {
    const writer = new CanonicalWriter();
    const parts: Buffer[] = [];
    for (let round = 0; round < 3000; round++) {
      writer.byte(0x2c);
      writer.ascii('abc');
      writer.utf8('é\u{1F600}');
      writer.uint32(round * 1_000_003);
      const raw = Buffer.alloc(round % 40, round & 0xff);
      writer.raw(raw);
      const integer = Buffer.alloc(4);
      integer.writeUInt32LE((round * 1_000_003) >>> 0);
      parts.push(Buffer.from(',abcé\u{1F600}'), integer, raw);
    }
    const expected = Buffer.concat(parts);
    expect(writer.length).toBe(expected.length);
    expect(Buffer.from(writer.copy()).equals(expected)).toBe(true);
    expect(writer.view(4, 20).equals(expected.subarray(4, 20))).toBe(true);
    const target = Buffer.alloc(30);
    writer.copyTo(target, 3, 10, 25);
    expect(target.subarray(3, 18).equals(expected.subarray(10, 25))).toBe(true);
  });

  test('a copy outlives the next text', () => {
    const writer = new CanonicalWriter();
    writer.ascii('first');
    const copy = writer.copy();
    writer.reset();
    writer.ascii('other');
    expect(Buffer.from(copy).toString()).toBe('first');
    expect(writer.text()).toBe('other');
  });
});

describe('runs', () => {
  const long = JSON.stringify('x'.repeat(256 * 1024));

  test('a long slice is noted with its places here and there', () => {
    const writer = new CanonicalWriter();
    document.parse(Buffer.from(`[1, ${long}, "short"]`));
    writer.node(document, 0);
    expect(writer.runs).toEqual([{ at: 3, start: 4, end: 4 + long.length }]);
    writer.reset();
    expect(writer.runs).toEqual([]);
  });

  test('what is truncated is no run any more', () => {
    const writer = new CanonicalWriter();
    document.parse(Buffer.from(`[${long},${long}]`));
    writer.node(document, 1);
    const { length } = writer;
    writer.node(document, 2);
    writer.truncate(length);
    expect(writer.runs).toHaveLength(1);
    writer.truncate(0);
    expect(writer.runs).toEqual([]);
  });
});

describe('memory', () => {
  const MIB = 1024 * 1024;

  test('room is made at once for what is expected', () => {
    const writer = new CanonicalWriter();
    writer.reset(10 * MIB);
    const { capacity } = writer;
    writer.raw(Buffer.alloc(10 * MIB));
    writer.ascii('and what is written behind it');
    expect(writer.capacity).toBe(capacity);
    expect(capacity).toBeLessThan(10.2 * MIB);
  });

  test('one huge text pins nothing once 32 small ones have followed', () => {
    const writer = new CanonicalWriter();
    writer.reset(32 * MIB);
    writer.raw(Buffer.alloc(32 * MIB));
    for (let use = 0; use < 40; use++) {
      writer.reset(2000);
      writer.ascii('small');
    }
    expect(writer.capacity).toBeLessThanOrEqual(MIB);
    expect(writer.text()).toBe('small');
  });
});
