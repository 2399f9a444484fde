import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { RelayBuffer } from './relay-buffer.ts';

test('ranges of any buffers come out in order, as a copy', () => {
  const range = fc.tuple(fc.nat(3), fc.nat(20), fc.nat(20));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
      const sources = [0, 1, 2, 3].map((fill) => new Uint8Array(40).map((_, index) => fill * 40 + index));
      const relay = new RelayBuffer();
      const expected: number[] = [];
      for (const [source, start, length] of ranges) {
        relay.add(sources[source]!, start, start + length);
        expected.push(...sources[source]!.subarray(start, start + length));
      }
      const taken = relay.take(null);
      // The sources are used for something else from now on.
      for (const source of sources) source.fill(255);
      expect([...(taken ?? [])]).toEqual(expected);
      expect(relay.take(null)).toBeNull();
    }),
  );
});

test('what was read and passes whole is not copied; a small part of it, and other buffers, are', () => {
  const read = new Uint8Array(100).map((_, index) => index);
  const relay = new RelayBuffer();
  relay.add(read, 10, 40);
  relay.add(read, 40, 90);
  const whole = relay.take(read);
  expect([whole?.buffer, whole?.length]).toEqual([read.buffer, 80]);
  relay.add(read, 10, 20);
  const part = relay.take(read);
  expect(part?.buffer).not.toBe(read.buffer);
  relay.add(read, 0, 100);
  const other = relay.take(new Uint8Array(1));
  expect(other?.buffer).not.toBe(read.buffer);
  expect([[...part!], [...other!]]).toEqual([[...read.subarray(10, 20)], [...read]]);
});
