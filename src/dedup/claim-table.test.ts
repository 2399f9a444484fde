import { describe, expect, test } from 'bun:test';
import { ClaimTable } from './claim-table.ts';

const WORDS = 1 << 10;
const table = (words: Uint32Array, incarnation: number): ClaimTable => new ClaimTable(words, incarnation);

/** A hash whose bucket is `bucket` and whose tag is `tag`. */
function hash(bucket: number, tag: number): Uint8Array {
  const out = new Uint8Array(32);
  new DataView(out.buffer).setUint32(0, bucket);
  out.set([tag >>> 16, tag >>> 8, tag], 4);
  return out;
}

describe('ClaimTable', () => {
  test('the first claims, the second joins it, a release frees the word', () => {
    const words = new Uint32Array(new SharedArrayBuffer(WORDS * 4));
    const one = table(words, 1);
    const two = table(words, 2);
    const claim = one.claim(hash(5, 77));
    expect(claim.kind).toBe('claimed');
    expect(two.claim(hash(5, 77))).toEqual({ kind: 'join', incarnation: 1 });
    if (claim.kind === 'claimed') one.release(claim.index);
    expect(words.every((word) => word === 0)).toBe(true);
    expect(two.claim(hash(5, 77)).kind).toBe('claimed');
  });

  test('the own tag for another hash is a collision', () => {
    const words = new Uint32Array(new SharedArrayBuffer(WORDS * 4));
    const one = table(words, 1);
    one.claim(hash(5, 77));
    expect(one.claim(hash(5, 77))).toEqual({ kind: 'unclaimed', reason: 'collision' });
  });

  test('a full bucket leads unclaimed', () => {
    const words = new Uint32Array(new SharedArrayBuffer(WORDS * 4));
    const one = table(words, 1);
    for (let tag = 1; tag <= 8; tag++) expect(one.claim(hash(3, tag)).kind).toBe('claimed');
    expect(one.claim(hash(3, 9))).toEqual({ kind: 'unclaimed', reason: 'bucket_full' });
  });

  test('a tag of zero is a claim like any other', () => {
    const words = new Uint32Array(new SharedArrayBuffer(WORDS * 4));
    expect(table(words, 1).claim(hash(0, 0)).kind).toBe('claimed');
    expect(table(words, 2).claim(hash(0, 0))).toEqual({ kind: 'join', incarnation: 1 });
  });

  test('the highest incarnation and tag fit a word', () => {
    const words = new Uint32Array(new SharedArrayBuffer(WORDS * 4));
    expect(table(words, 4_095).claim(hash(1, 0xfffff)).kind).toBe('claimed');
    expect(table(words, 1).claim(hash(1, 0xfffff))).toEqual({ kind: 'join', incarnation: 4_095 });
  });

  test('a sweep frees what a dead incarnation held, and nothing else', () => {
    const words = new Uint32Array(new SharedArrayBuffer(WORDS * 4));
    for (let bucket = 0; bucket < 20; bucket++) {
      table(words, 1).claim(hash(bucket, 1));
      table(words, 2).claim(hash(bucket, 2));
    }
    ClaimTable.sweep(words, 1);
    const left = [...words].filter((word) => word !== 0).map((word) => word >>> 20);
    expect(left).toEqual(Array.from({ length: 20 }, () => 2));
  });
});
