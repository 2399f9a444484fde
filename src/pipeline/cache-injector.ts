import { BlockChain } from './block-chain.ts';
import { CacheMarker } from './cache-marker.ts';
import type { Envelope, Stage } from './envelope.ts';
import type { CacheTtl } from './inbound-adapter.ts';

/**
 * CacheInjector: what makes a vendor's cache find the prefix. It annotates the envelope and touches no content.
 *
 * - Cache marks, for models whose vendor caches nothing without them.
 * - `prompt_cache_key`, a hash of tools and leading system block, which stay constant over a conversation; a client's
 *   own key wins. Only for providers that declare it: other servers answer 400 to unknown fields.
 */
export function cacheInjector(ttl: CacheTtl): Stage {
  const chain = new BlockChain();
  const marker = new CacheMarker(ttl);
  return {
    name: 'cache_injector',
    run(envelope) {
      const { input, request, route, takesMarks } = envelope;
      if (input.passthrough) return;
      if (takesMarks) marker.mark(envelope);
      if (route.provider.promptCacheKey && !request.clientCacheKey) addCacheKey(envelope, chain);
    },
  };
}

function addCacheKey(envelope: Envelope, chain: BlockChain): void {
  const { additionsAt, edits } = envelope;
  chain.addHead(envelope);
  // At most 64 characters (vendor: string_above_max_length).
  edits.add(additionsAt, additionsAt, `,"prompt_cache_key":"tr-${chain.hex}"`);
}
