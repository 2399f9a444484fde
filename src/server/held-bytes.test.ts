import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { HeldBytes } from './held-bytes.ts';

test('property: what is taken is what was added, whatever was taken and put back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ bytes: fc.uint8Array(), from: fc.nat(5), read: fc.option(fc.nat()) })),
      (steps) => {
        const held = new HeldBytes();
        let model: number[] = [];
        for (const { bytes, from, read } of steps) {
          const chunk = Buffer.from(bytes);
          const start = Math.min(from, chunk.length);
          held.add(chunk, start);
          model.push(...chunk.subarray(start));
          expect(held.size).toBe(model.length);
          if (read === null) continue;
          const taken = held.take();
          expect([...(taken ?? [])]).toEqual(model);
          const at = Math.min(read, model.length);
          model = model.slice(at);
          if (taken !== null && model.length > 0) held.add(taken, at);
        }
      },
    ),
  );
});

test('of thousands of requests sent together the rest is not copied behind each of them', () => {
  const request = 27;
  const held = new HeldBytes();
  held.add(Buffer.alloc(5_000 * request), 0);
  const buffers = new Set<ArrayBufferLike>();
  for (let taken = held.take(); taken !== null; taken = held.take()) {
    buffers.add(taken.buffer);
    if (taken.length > request) held.add(taken, request);
  }
  // One each time that less than half of a buffer is left.
  expect(buffers.size).toBeLessThan(100);
});
