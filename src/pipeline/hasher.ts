import { BlockChain } from './block-chain.ts';
import type { Envelope, Stage } from './envelope.ts';

/**
 * Hasher: FullHash says which requests are one call, PrefixHash where their prompts part, the affinity hash which
 * conversation they belong to.
 *
 * FullHash is SHA-256 over the body before anything the gateway adds and a trailer that names what else makes a call;
 * `lost` is what a conversion could not carry over:
 *
 * ```
 *   body | mode | scope | length | route | length | provider | length | model | length | headers | length
 *        | lost | length | secret (scope `global` only) | length | length of the body
 * ```
 *
 * Lengths count bytes, in 32 bits. Read from the end, every field is where its length says: no two different requests
 * concatenate alike. The fields follow the body instead of preceding it so that body and trailer are one run of bytes.
 *
 * PrefixHash chains the blocks as sent, in the order tools → system → messages up to the last assistant's, without marks,
 * be they the client's, and a text block on its own like a string: where one stands differs from turn to turn.
 * The affinity hash covers tools, leading system block and the first message after it: constant over a conversation.
 */
export function hasher(secret: Uint8Array | undefined): Stage {
  const chain = new BlockChain();
  return {
    name: 'hasher',
    run(envelope) {
      envelope.fullHash = fullHash(envelope, secret);
      const { blocks, sent } = envelope;
      const { messages } = sent;
      chain.addHead(envelope);
      const prefix = chain.state;
      const first = blocks.systemEnd;
      if (first < messages.length) chain.addSent(envelope, messages.start(first), messages.end(first));
      envelope.affinityHash = chain.uint32;
      if (first >= blocks.historyEnd) chain.state = prefix;
      for (let index = first + 1; index < blocks.historyEnd; index++)
        chain.addSent(envelope, messages.start(index), messages.end(index));
      envelope.prefixHash = chain.hex;
    },
  };
}

/** 0 canonical, 1 byte-exact, 2 converted, 3 converted for a client that gets usage: its answer has a record more. */
function modeOf({ client, converted, input }: Envelope): number {
  if (input.passthrough) return 1;
  return converted ? (client.usageRequested ? 3 : 2) : 0;
}

function fullHash(envelope: Envelope, secret: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  const { canonical, input, lost, route } = envelope;
  const bodyBytes = input.passthrough ? 0 : canonical.length;
  if (input.passthrough) canonical.reset();
  canonical.byte(modeOf(envelope));
  const { id } = route.provider;
  for (const field of [input.scope, input.routePath, id, route.upstreamModel, input.headers, lost]) {
    const start = canonical.length;
    canonical.utf8(field);
    canonical.uint32(canonical.length - start);
  }
  if (secret !== undefined && input.scope === 'global') {
    canonical.raw(secret);
    canonical.uint32(secret.byteLength);
  }
  canonical.uint32(input.passthrough ? input.body.byteLength : bodyBytes);
  const digest = new Uint8Array(32);
  if (input.passthrough) {
    new Bun.SHA256().update(input.body).update(canonical.view()).digest(digest);
  } else Bun.SHA256.hash(canonical.view(), digest);
  canonical.truncate(bodyBytes);
  return digest;
}
