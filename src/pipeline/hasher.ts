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
  const trailer = new Trailer(secret);
  return {
    name: 'hasher',
    run(envelope) {
      envelope.fullHash = fullHash(envelope, trailer);
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
      envelope.prefixHash = chain.state;
    },
  };
}

/** 0 canonical, 1 byte-exact, 2 converted, 3 converted for a client that gets usage: its answer has a record more. */
function modeOf({ client, converted, input }: Envelope): number {
  if (input.passthrough) return 1;
  return converted ? (client.usageRequested ? 3 : 2) : 0;
}

/**
 * The trailer of a call but for its last field. It is the same for call after call of a client, so the last one is kept;
 * what a conversion lost is the client's own text and never is.
 */
class Trailer {
  readonly #secret: Uint8Array | undefined;
  #mode = -1;
  #fields: readonly string[] = [];
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(secret: Uint8Array | undefined) {
    this.#secret = secret;
  }

  write(envelope: Envelope): void {
    const { canonical, input, lost, route } = envelope;
    const { scope, routePath, headers } = input;
    const { id } = route.provider;
    const mode = modeOf(envelope);
    const last = this.#fields;
    if (
      lost === '' &&
      mode === this.#mode &&
      scope === last[0] &&
      routePath === last[1] &&
      id === last[2] &&
      route.upstreamModel === last[3] &&
      headers === last[4]
    ) {
      canonical.raw(this.#bytes);
      return;
    }
    const from = canonical.length;
    const fields = [scope, routePath, id, route.upstreamModel, headers, lost];
    canonical.byte(mode);
    for (const field of fields) {
      const start = canonical.length;
      canonical.utf8(field);
      canonical.uint32(canonical.length - start);
    }
    if (this.#secret !== undefined && scope === 'global') {
      canonical.raw(this.#secret);
      canonical.uint32(this.#secret.byteLength);
    }
    if (lost !== '') return;
    this.#mode = mode;
    this.#fields = fields;
    this.#bytes = Uint8Array.from(canonical.view().subarray(from));
  }
}

function fullHash(envelope: Envelope, trailer: Trailer): Uint8Array<ArrayBuffer> {
  const { canonical, input } = envelope;
  const bodyBytes = input.passthrough ? 0 : canonical.length;
  if (input.passthrough) canonical.reset();
  trailer.write(envelope);
  canonical.uint32(input.passthrough ? input.body.byteLength : bodyBytes);
  const digest = new Uint8Array(32);
  if (input.passthrough) {
    new Bun.SHA256().update(input.body).update(canonical.view()).digest(digest);
  } else Bun.SHA256.hash(canonical.view(), digest);
  canonical.truncate(bodyBytes);
  return digest;
}
