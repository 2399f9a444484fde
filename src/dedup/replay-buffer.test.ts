import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { ReplayBuffer } from './replay-buffer.ts';

/** Everything from a position on, run by run. */
function readFrom(buffer: ReplayBuffer, from: number): number[] {
  const read: number[] = [];
  for (let at = from; at < buffer.end;) {
    const run = buffer.read(at);
    expect(run.length).toBeGreaterThan(0);
    read.push(...run);
    at += run.length;
  }
  return read;
}

test('whatever the pieces, every position reads as it was written, and what was dropped is given back', () => {
  const piece = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 3_000, max: 9_000 }));
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 60 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
      (sizes, cuts) => {
        const buffer = new ReplayBuffer();
        const written: number[] = [];
        for (const size of sizes) {
          const bytes = Uint8Array.from({ length: size }, (_, index) => (written.length + index) & 255);
          written.push(...bytes);
          // Pieces come as parts of what was read, small ones and large ones.
          const before = (7 * size) % 5_000;
          const read = Buffer.alloc(before + size + 3, 255);
          read.set(bytes, before);
          buffer.append(read, before, before + size);
        }
        expect([buffer.end, buffer.keptBytes]).toEqual([written.length, written.length]);
        let kept = written.length;
        let dropped = 0;
        for (const cut of cuts.toSorted((a, b) => a - b)) {
          const position = Math.floor(cut * written.length);
          expect(readFrom(buffer, Math.max(position, dropped))).toEqual(
            written.slice(Math.max(position, dropped)),
          );
          kept -= buffer.dropBefore(position);
          dropped = Math.max(dropped, position);
          expect(buffer.keptBytes).toBe(kept);
          expect(kept).toBeGreaterThanOrEqual(written.length - position);
        }
        buffer.dropBefore(buffer.end);
        expect(buffer.keptBytes).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});

test('bytes that were read stay as they are while more come', () => {
  const buffer = new ReplayBuffer();
  buffer.append(Uint8Array.of(1));
  buffer.append(Uint8Array.of(2, 3));
  const early = buffer.read(1);
  buffer.append(Uint8Array.of(4));
  buffer.skip(2);
  buffer.append(Uint8Array.of(7));
  expect([...early]).toEqual([2, 3]);
  expect([...buffer.read(1)]).toEqual([2, 3, 4]);
  expect([...buffer.read(6)]).toEqual([7]);
  expect(buffer.end).toBe(7);
});

test('a first or large piece is not copied', () => {
  const buffer = new ReplayBuffer();
  const first = Uint8Array.of(1, 2);
  const large = new Uint8Array(5_000);
  buffer.append(first);
  buffer.append(large);
  expect(buffer.read(0)).toBe(first);
  expect(buffer.read(2)).toBe(large);
  const read = new Uint8Array(12_000);
  buffer.append(read, 3_000, 10_000);
  expect(buffer.read(buffer.end - 1).buffer).toBe(read.buffer);
});

test('a small part of an array does not keep it alive', () => {
  for (const size of [10, 5_000]) {
    const buffer = new ReplayBuffer();
    const read = new Uint8Array(60_000);
    buffer.append(read, 100, 100 + size);
    expect(buffer.read(0).buffer).not.toBe(read.buffer);
  }
});
