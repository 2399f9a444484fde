import { CanonicalWriter } from '../std/json/writer.ts';
import { writeMessage } from './canonicalizer.ts';
import type { Stage } from './envelope.ts';

/**
 * CacheInjector: what makes a vendor's cache find the prefix. It annotates the envelope and touches no content.
 *
 * `prompt_cache_key` is a hash of tools and leading system block, which stay constant over a conversation; a client's
 * own key wins. Only for providers that declare it: other servers answer 400 to unknown fields.
 */
export function cacheInjector(): Stage {
  const scratch = new CanonicalWriter();
  return {
    name: 'cache_injector',
    run(envelope) {
      envelope.cacheKey = null;
      if (!envelope.route.provider.promptCacheKey || envelope.clientCacheKey || envelope.input.passthrough)
        return;
      const { blocks, document } = envelope;
      scratch.reset();
      for (const tool of blocks.tools) scratch.node(document, tool);
      scratch.ascii('|');
      for (const message of blocks.system) writeMessage(document, scratch, message);
      const hash = new Bun.CryptoHasher('sha256').update(scratch.view()).digest('hex');
      // At most 64 characters (vendor: string_above_max_length).
      envelope.cacheKey = `tr-${hash.slice(0, 32)}`;
    },
  };
}
