import { expect, test } from 'bun:test';
import { BlockChain } from './block-chain.ts';
import type { ChainState } from './envelope.ts';

function chained(...blocks: readonly string[]): string {
  const chain = new BlockChain();
  for (const block of blocks) {
    const bytes = Buffer.from(`--${block}--`);
    chain.add(bytes, 2, bytes.length - 2);
  }
  return chain.hex;
}

test('equal rows of blocks hash alike, other rows, orders and cuts do not', () => {
  expect(chained('a', 'b')).toBe(chained('a', 'b'));
  const others = [
    chained('a', 'b'),
    chained('b', 'a'),
    chained('ab'),
    chained('a'),
    chained('a', 'a'),
    chained('a', 'a', 'a'),
  ];
  expect(new Set(others).size).toBe(others.length);
  expect(chained('', 'a', '', 'b')).toBe(chained('a', 'b'));
});

test('every bit of the state goes on into every bit', () => {
  const next = (state: ChainState): bigint => {
    const chain = new BlockChain();
    chain.state = state;
    chain.add(Buffer.from('block'), 0, 5);
    return BigInt(`0x${chain.hex}`);
  };
  const plain = next({ low: 1, high: 1 });
  let least = 64;
  for (let bit = 0; bit < 64; bit++) {
    const flipped =
      bit < 32 ? { low: (1 ^ (1 << bit)) >>> 0, high: 1 } : { low: 1, high: (1 ^ (1 << (bit - 32))) >>> 0 };
    const changed = (next(flipped) ^ plain).toString(2).replaceAll('0', '').length;
    least = Math.min(least, changed);
  }
  expect(least).toBeGreaterThan(12);
});

test('many rows that differ little do not meet', () => {
  const seen = new Set<string>();
  for (let first = 0; first < 300; first++)
    for (let second = 0; second < 300; second++) seen.add(chained(`m${first}`, `m${second}`));
  expect(seen.size).toBe(90_000);
});

test('renders as 16 digits and as 32 bits', () => {
  const chain = new BlockChain();
  chain.state = { high: 0x0012_3456, low: 0x89ab_cdef };
  expect(chain.hex).toBe('0012345689abcdef');
  expect(chain.uint32).toBe(0x89abcdef);
});
