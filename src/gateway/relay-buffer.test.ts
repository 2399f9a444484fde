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
      const taken = relay.take();
      // The sources are used for something else from now on.
      for (const source of sources) source.fill(255);
      expect([...(taken ?? [])]).toEqual(expected);
      expect(relay.take()).toBeNull();
    }),
  );
});
