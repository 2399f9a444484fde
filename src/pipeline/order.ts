import type { ModelRoute } from '../providers/types.ts';
import { arranger } from './arranger.ts';
import { cacheInjector } from './cache-injector.ts';
import { canonicalizer } from './canonicalizer.ts';
import { chunker } from './chunker.ts';
import type { Stage } from './envelope.ts';
import { hasher } from './hasher.ts';
import { inboundAdapter } from './inbound-adapter.ts';
import { outboundAdapter } from './outbound-adapter.ts';

export interface StageOptions {
  readonly cacheInject: boolean;
  readonly toolSort: boolean;
  readonly resolveModel: (model: string) => ModelRoute | null;
  /** Salts hashes that are shared between keys (`DEDUP_SCOPE=global`). */
  readonly hashSecret?: Uint8Array | undefined;
}

/** The order of the stages; no other file knows it. A stage that is switched off is not in the list. */
export function stagesInOrder(options: StageOptions): readonly Stage[] {
  return [
    inboundAdapter(options.resolveModel),
    chunker,
    ...(options.toolSort ? [arranger()] : []),
    canonicalizer(),
    ...(options.cacheInject ? [cacheInjector()] : []),
    hasher(options.hashSecret),
    outboundAdapter,
  ];
}
