import { CanonicalWriter } from '../std/json/writer.ts';
import { writeMessage } from './canonicalizer.ts';
import type { Stage } from './envelope.ts';

/**
 * Hasher: FullHash says which requests are one call, PrefixHash where their prompts part.
 *
 * FullHash is SHA-256 over scope, route, provider, meaningful headers and the canonical body with the resolved model,
 * before anything the gateway adds. Each field is length-prefixed: no two different requests concatenate alike.
 * PrefixHash chains xxHash3 over the blocks as sent, in the order tools → system → messages, without marks.
 */
export function hasher(secret: Uint8Array | undefined): Stage {
  const scratch = new CanonicalWriter();
  return {
    name: 'hasher',
    run(envelope) {
      const { input, route, canonical, blocks, document } = envelope;
      const hash = new Bun.CryptoHasher('sha256');
      if (secret !== undefined && input.scope === 'global') hash.update(secret);
      const fields = [input.scope, input.routePath, route.provider.id, route.upstreamModel, input.headers];
      hash.update(
        `${input.passthrough ? 'raw' : 'canonical'}|${fields.map((field) => `${field.length}:${field}`).join('|')}|`,
      );
      hash.update(input.passthrough ? input.body : canonical.view());
      envelope.fullHash = new Uint8Array(hash.digest());

      let chain = 0n;
      scratch.reset();
      for (const tool of blocks.tools) scratch.node(document, tool);
      for (const message of blocks.system) writeMessage(document, scratch, message);
      chain = Bun.hash.xxHash3(scratch.view(), chain);
      for (const message of blocks.history) {
        scratch.reset();
        writeMessage(document, scratch, message);
        chain = Bun.hash.xxHash3(scratch.view(), chain);
      }
      envelope.prefixHash = chain.toString(16).padStart(16, '0');
    },
  };
}
