import { requestConversion } from '../dialects/request-conversions.ts';
import type { ModelRoute } from '../providers/types.ts';
import { arranger } from './arranger.ts';
import { cacheInjector } from './cache-injector.ts';
import { canonicalizer } from './canonicalizer.ts';
import { chunker } from './chunker.ts';
import type { Stage } from './envelope.ts';
import { hasher } from './hasher.ts';
import { inboundAdapter, type CacheTtl, type ConversionChooser } from './inbound-adapter.ts';
import { outboundAdapter } from './outbound-adapter.ts';

export interface StageOptions {
  readonly cacheInject: boolean;
  /** How long what the gateway marks is kept, where the client's marks do not decide it. `5m` when absent. */
  readonly cacheTtl?: CacheTtl | undefined;
  readonly toolSort: boolean;
  readonly resolveModel: (model: string) => ModelRoute | null;
  /** Salts hashes that are shared between keys (`DEDUP_SCOPE=global`). */
  readonly hashSecret?: Uint8Array | undefined;
  /** Between dialects; the shipped conversions when absent. */
  readonly conversionOf?: ConversionChooser | undefined;
}

/** The order of the stages; no other file knows it. A stage that is switched off is not in the list. */
export function stagesInOrder(options: StageOptions): readonly Stage[] {
  const { cacheTtl = '5m', conversionOf = requestConversion } = options;
  return [
    inboundAdapter(options.resolveModel, conversionOf, cacheTtl),
    chunker,
    ...(options.toolSort ? [arranger()] : []),
    canonicalizer(),
    ...(options.cacheInject ? [cacheInjector(cacheTtl)] : []),
    hasher(options.hashSecret),
    outboundAdapter,
  ];
}
