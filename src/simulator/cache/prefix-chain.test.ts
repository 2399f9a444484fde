import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { PrefixChain } from './prefix-chain.ts';

const tokens = fc
  .array(fc.integer(), { minLength: 1, maxLength: 60 })
  .map((values) => Int32Array.from(values));

test('a hash depends on the prefix alone, not on the stops before it', () => {
  fc.assert(
    fc.property(tokens, fc.array(fc.nat(60)), (all, stops) => {
      const chain = new PrefixChain(all, 'scope');
      for (const stop of stops.filter((at) => at <= all.length).sort((a, b) => a - b)) {
        expect(chain.to(stop)).toBe(new PrefixChain(all.slice(0, stop), 'scope').to(stop));
      }
    }),
  );
});

test('other tokens, other lengths and other scopes have other hashes', () => {
  const seen = new Set<number>();
  const count = 20_000;
  const all = Int32Array.from({ length: count }, (_, index) => index % 3);
  const chain = new PrefixChain(all, 'a');
  for (let length = 1; length <= count; length++) seen.add(chain.to(length));
  for (let value = 0; value < count; value++) {
    seen.add(new PrefixChain(Int32Array.of(value << 8), 'b').to(1));
    seen.add(new PrefixChain(Int32Array.of(value << 8), 'c').to(1));
  }
  expect(seen.size).toBe(3 * count);
  for (const hash of seen) expect(Number.isSafeInteger(hash)).toBe(true);
});
