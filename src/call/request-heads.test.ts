import { expect, test } from 'bun:test';
import type { Prepared } from '../pipeline/prepared.ts';
import { ProviderRegistry } from '../providers/registry.ts';
import { chooseTarget } from '../routing/target.ts';
import { RequestHeads } from './request-heads.ts';

/** The head of a call to a provider, for a request that has come through so many gateways. */
function headOf(id: string, baseUrl: string | null, hops: number): string {
  const { providers } = new ProviderRegistry({
    providers: [{ id, baseUrl, accounts: [], models: [], streamUsage: null, promptCacheKey: null }],
    aliases: {},
    defaultProvider: null,
  });
  const prepared = { converted: false, bodyBytes: 10 } as Prepared;
  return new RequestHeads(providers).chat(chooseTarget(providers[0]!, 0), prepared, 'a: b\r\n', hops);
}

test.each([
  ['openai', null],
  ['deepseek', null],
  ['anthropic', 'https://api.anthropic.com/v1'],
  ['openrouter', null],
  ['mine', 'https://API.openai.com/v1'],
])('%s at %s, a vendor of its own, is told of no gateway', (id, url) => {
  for (const hops of [0, 3]) expect(headOf(id, url, hops)).toEndWith('Content-Length: 10\r\na: b\r\n\r\n');
});

test.each([
  ['openai', 'http://10.0.0.5:8080/v1'],
  ['mine', 'https://api.openai.com.example'],
])('%s at %s is told how many there were', (id, url) => {
  expect(headOf(id, url, 0)).toEndWith('\r\na: b\r\nx-tokenrouter-hop: 1\r\n\r\n');
  expect(headOf(id, url, 3)).toEndWith('\r\na: b\r\nx-tokenrouter-hop: 4\r\n\r\n');
});
