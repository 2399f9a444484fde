import { BlockChain } from './block-chain.ts';
import { CacheMarker } from './cache-marker.ts';
import type { Envelope, Stage } from './envelope.ts';
import type { CacheTtl } from './inbound-adapter.ts';

/**
 * CacheInjector: what makes a vendor's cache find the prefix. It annotates the envelope and touches no content.
 *
 * - Cache marks, for models whose vendor caches nothing without them.
 * - `prompt_cache_key`, a hash of what opens the prompt: the tools as they are sent, or the leading system block where
 *   there are none. A client's own key wins. Only for providers that declare it: other servers answer 400 to unknown fields.
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

/**
 * The vendor mixes the key into what chooses the machine, so that prompts with different keys never find each other's
 * prefix: it covers no more than what all of them open with. Tools alone, because agents write dates, folders and sessions
 * into their system prompt: with that in the key conversations part that share all their tools, which cost recorded
 * traffic 5.6 of 90 points of its hits. With neither there is no key: the vendor then goes by its own hash of the first
 * tokens.
 */
function addCacheKey(envelope: Envelope, chain: BlockChain): void {
  const { additionsAt, edits, sent } = envelope;
  chain.clear();
  if (sent.tools.length > 0) chain.addSent(envelope, sent.toolsStart, sent.toolsEnd);
  else if (sent.systemEnd > sent.systemStart) chain.addSent(envelope, sent.systemStart, sent.systemEnd);
  else return;
  // At most 64 characters (vendor: string_above_max_length).
  edits.add(additionsAt, additionsAt, `,"prompt_cache_key":"tr-${chain.hex}"`);
}
