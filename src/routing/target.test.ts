import { expect, test } from 'bun:test';
import { ProviderRegistry } from '../providers/registry.ts';
import type { Provider } from '../providers/types.ts';
import { chooseTarget } from './target.ts';

function providerWith(accounts: number): Provider {
  const { providers } = new ProviderRegistry({
    providers: [
      {
        id: 'openai',
        baseUrl: null,
        accounts: Array.from({ length: accounts }, (_, index) => ({
          name: `a${index}`,
          apiKey: `k${index}`,
        })),
        models: [],
        streamUsage: null,
        promptCacheKey: null,
      },
    ],
    aliases: {},
    defaultProvider: null,
  });
  return providers[0]!;
}

test('a conversation stays with one account, and conversations spread over all', () => {
  const provider = providerWith(3);
  const hashes = [0, 1, 2, 3, 0xffff_ffff, 0x8000_0000];
  expect(hashes.map((hash) => chooseTarget(provider, hash).account)).toEqual([0, 1, 2, 0, 0, 2]);
  expect(chooseTarget(provider, 7)).toEqual(chooseTarget(provider, 7));
});

test('a provider of one account or of none has nothing to choose', () => {
  for (const accounts of [0, 1]) {
    const provider = providerWith(accounts);
    expect(chooseTarget(provider, 0xffff_fffe)).toEqual({ provider, account: 0, origin: provider.origin });
  }
});
