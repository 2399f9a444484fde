import { BlockChain } from './block-chain.ts';
import type { Stage } from './envelope.ts';

/**
 * CacheInjector: what makes a vendor's cache find the prefix. It annotates the envelope and touches no content.
 *
 * `prompt_cache_key` is a hash of tools and leading system block, which stay constant over a conversation; a client's
 * own key wins. Only for providers that declare it: other servers answer 400 to unknown fields.
 */
export function cacheInjector(): Stage {
  const chain = new BlockChain();
  return {
    name: 'cache_injector',
    run(envelope) {
      const { additionsAt, edits, input, request, route } = envelope;
      if (!route.provider.promptCacheKey || request.clientCacheKey || input.passthrough) return;
      chain.addHead(envelope);
      // At most 64 characters (vendor: string_above_max_length).
      edits.add(additionsAt, additionsAt, `,"prompt_cache_key":"tr-${chain.hex}"`);
    },
  };
}
