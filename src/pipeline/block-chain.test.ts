import { expect, test } from 'bun:test';
import { BlockChain } from './block-chain.ts';

function chained(...blocks: readonly string[]): bigint {
  const chain = new BlockChain();
  for (const block of blocks) {
    const bytes = Buffer.from(`--${block}--`);
    chain.add(bytes, 2, bytes.length - 2);
  }
  return chain.value;
}

test('equal rows of blocks hash alike, other rows, orders and cuts do not', () => {
  expect(chained('a', 'b')).toBe(chained('a', 'b'));
  const others = [
    chained('a', 'b'),
    chained('b', 'a'),
    chained('ab'),
    chained('a', 'b', ''),
    chained('', 'a', 'b'),
  ];
  expect(new Set(others).size).toBe(others.length);
});

test('all 64 bits of the state go on: a state that differs above bit 31 alone leads elsewhere', () => {
  const next = (state: bigint): bigint => {
    const chain = new BlockChain();
    chain.value = state;
    chain.add(Buffer.from('block'), 0, 5);
    return chain.value;
  };
  expect(next(1n)).not.toBe(next((1n << 32n) | 1n));
  expect(next(1n)).not.toBe(next((1n << 63n) | 1n));
});

test('renders as 16 digits and as 32 bits', () => {
  const chain = new BlockChain();
  chain.value = 0x0012_3456_89ab_cdefn;
  expect(chain.hex).toBe('0012345689abcdef');
  expect(chain.uint32).toBe(0x89abcdef);
});
