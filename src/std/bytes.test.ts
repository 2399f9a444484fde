import { heapSize } from 'bun:jsc';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Gathered } from './bytes.ts';

const taken = (all: Gathered): Uint8Array => {
  all.join();
  return all.bytes.subarray(all.start, all.end);
};

test('property: whatever the ranges, everything comes out in its order', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: 4_000, maxLength: 4_200 })), fc.nat(5)),
      ),
      (ranges) => {
        const all = new Gathered();
        for (const [bytes, gap] of ranges) {
          const read = Buffer.concat([Buffer.alloc(gap, 255), bytes, Buffer.alloc(gap, 255)]);
          all.add(read, gap, gap + bytes.length);
        }
        const expected = ranges.flatMap(([bytes]) => [...bytes]);
        expect([...taken(all)]).toEqual(expected);
        expect([...taken(all)]).toEqual(expected);
        all.clear();
        expect(taken(all)).toHaveLength(0);
      },
    ),
  );
});

test('what is freed is empty, but for bytes that share their buffer with others', () => {
  const own = [new Uint8Array(5_000), new Uint8Array(5_000)];
  const part = new Uint8Array(20_000);
  const all = new Gathered();
  for (const piece of own) all.add(piece, 0, piece.length);
  all.add(part, 5_000, 15_000);
  all.free();
  expect(taken(all)).toHaveLength(0);
  expect(own.map((piece) => piece.length)).toEqual([0, 0]);
  expect(part).toHaveLength(20_000);
  // It is as good as new.
  all.add(part, 0, 10);
  expect(taken(all)).toHaveLength(10);
});

test('a single range is not copied', () => {
  const read = new Uint8Array(10);
  const all = new Gathered();
  all.add(read, 2, 7);
  all.join();
  expect([all.bytes, all.start, all.end]).toEqual([read, 2, 7]);
  expect(all.bytes).toBe(read);
});

test('a byte at a time takes about its size, not a view each', () => {
  const all = new Gathered();
  const read = Buffer.from('ab');
  Bun.gc(true);
  const beforeBytes = heapSize();
  for (let count = 0; count < 300_000; count++) all.add(read, count % 2, (count % 2) + 1);
  Bun.gc(true);
  expect(heapSize() - beforeBytes).toBeLessThan(2 * 1024 * 1024);
  expect(Buffer.from(taken(all)).toString()).toBe('ab'.repeat(150_000));
});
