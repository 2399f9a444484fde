import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { JsonDocument } from '../std/json/document.ts';
import { CanonicalWriter } from '../std/json/writer.ts';
import { Edits } from './edits.ts';

function writerOf(text: string): CanonicalWriter {
  const writer = new CanonicalWriter();
  writer.utf8(text);
  return writer;
}
const joined = (parts: readonly Uint8Array[]): string => Buffer.concat(parts).toString();
const NO_SOURCE = new Uint8Array(0);

describe('edits', () => {
  test('none is a copy', () => {
    const writer = writerOf('abc');
    const [only, ...rest] = new Edits().apply(writer, NO_SOURCE);
    writer.reset();
    writer.utf8('xyz');
    expect(Buffer.from(only!).toString()).toBe('abc');
    expect(rest).toEqual([]);
  });

  test('insert, replace and remove, whatever the order in which they come', () => {
    const edits = new Edits();
    edits.add(6, 9, '');
    edits.add(1, 1, 'é');
    edits.add(3, 4, 'NEW');
    edits.add(1, 1, '!');
    expect(joined(edits.apply(writerOf('abcdefghi'), NO_SOURCE))).toBe('aé!bcNEWef');
    edits.clear();
    expect(joined(edits.apply(writerOf('abcdefghi'), NO_SOURCE))).toBe('abcdefghi');
  });

  test('the buffer has exactly the size of the body', () => {
    const edits = new Edits();
    edits.add(2, 3, '\u{1F600}');
    const [body] = edits.apply(writerOf('abc'), NO_SOURCE);
    expect(body!.buffer.byteLength).toBe(6);
  });
});

describe('runs', () => {
  const long = 300_000;

  /** `[…]` with long strings at the given places, written by a writer that notes them. */
  function withRuns(sizes: readonly number[]): { writer: CanonicalWriter; source: Uint8Array; text: string } {
    const text = `[${sizes.map((size, index) => `"${String(index).repeat(size)}"`).join(',')}]`;
    const source = Buffer.from(` ${text.replaceAll(',', ' , ')}`);
    const document = new JsonDocument();
    document.parse(source);
    const writer = new CanonicalWriter();
    writer.node(document, 0);
    return { writer, source, text };
  }

  test('a long run is a view of the client’s body', () => {
    const { writer, source, text } = withRuns([3, long, 5]);
    const parts = new Edits().apply(writer, source);
    expect(parts).toHaveLength(3);
    expect(parts[1]!.buffer).toBe(source.buffer);
    expect(joined(parts)).toBe(text);
  });

  test('an edit within a run leaves views on both sides of it, where they are long enough', () => {
    const { writer, source, text } = withRuns([long]);
    const edits = new Edits();
    edits.add(150_000, 150_000, 'NEW');
    const parts = edits.apply(writer, source);
    expect(parts.filter((part) => part.buffer === source.buffer)).toHaveLength(2);
    expect(joined(parts) === `${text.slice(0, 150_000)}NEW${text.slice(150_000)}`).toBe(true);
    edits.add(long - 100, long - 100, '!');
    expect(edits.apply(writer, source).filter((part) => part.buffer === source.buffer)).toHaveLength(2);
  });

  test('edits at, around and within runs give the bytes that plain cutting gives', () => {
    const { writer, source, text } = withRuns([long, 2, long]);
    const places = [
      0,
      1,
      2,
      long,
      long + 2,
      long + 3,
      long + 4,
      long + 7,
      text.length - 2,
      text.length - 1,
      text.length,
    ];
    const place = fc.constantFrom(...places);
    const oneEdit = fc.tuple(place, place, fc.constantFrom('', 'x', ',"é":1'));
    fc.assert(
      fc.property(fc.array(oneEdit, { maxLength: 4 }), (raw) => {
        const edits = new Edits();
        let expected = '';
        let from = 0;
        const sorted = raw
          .map(([one, other, put]) => ({ start: Math.min(one, other), end: Math.max(one, other), put }))
          .toSorted((one, other) => one.start - other.start || one.end - other.end);
        for (const { start, end, put } of sorted) {
          if (start < from) continue;
          edits.add(start, end, put);
          expected += text.slice(from, start) + put;
          from = end;
        }
        expect(joined(edits.apply(writer, source)) === expected + text.slice(from)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
