import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { RelayBuffer } from './relay-buffer.ts';

/** What a relay hands over now, as a view of where it lies. */
function taken(relay: RelayBuffer): Uint8Array | null {
  return relay.take() ? relay.bytes.subarray(relay.start, relay.end) : null;
}

test('ranges of any buffers, in order within each, come out as they were', () => {
  const range = fc.tuple(fc.nat(3), fc.nat(5), fc.nat(300));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), fc.nat(3), (ranges, own) => {
      const sources = [0, 1, 2, 3].map((fill) => new Uint8Array(8_000).map((_, index) => fill * 40 + index));
      const originals = sources.map((source) => source.slice());
      const at = [0, 0, 0, 0];
      const relay = new RelayBuffer();
      relay.open(sources[own]!);
      const expected: number[] = [];
      for (const [source, gap, length] of ranges) {
        const start = at[source]! + gap;
        at[source] = start + length;
        relay.add(sources[source]!, start, start + length);
        expected.push(...originals[source]!.subarray(start, start + length));
        // What comes after the newest range is still to be parsed.
        expect(sources[source]!.subarray(start + length)).toEqual(
          originals[source]!.subarray(start + length),
        );
      }
      const out = taken(relay);
      // Buffers of others are used for something else from now on.
      for (const [index, source] of sources.entries()) if (index !== own) source.fill(255);
      expect([...(out ?? [])]).toEqual(expected);
      expect(taken(relay)).toBeNull();
    }),
  );
});

test('what was read and passes is not copied; other buffers are', () => {
  const read = new Uint8Array(100).map((_, index) => index);
  const relay = new RelayBuffer();
  relay.open(read);
  relay.add(read, 10, 40);
  relay.add(read, 40, 90);
  const whole = taken(relay);
  expect([whole?.buffer, whole?.byteOffset, whole?.length]).toEqual([read.buffer, 10, 80]);
  relay.open(new Uint8Array(1));
  relay.add(read, 0, 100);
  const other = taken(relay);
  expect(other?.buffer).not.toBe(read.buffer);
  expect([...other!]).toEqual([...read]);
});

test('a read that was given up leaves nothing to the next', () => {
  const relay = new RelayBuffer();
  const [first, second] = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  relay.open(first);
  relay.add(first, 0, 1);
  relay.add(second, 0, 1);
  relay.open(second);
  relay.add(second, 0, 1);
  expect([...taken(relay)!]).toEqual([3]);
});
