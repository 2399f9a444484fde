import type { ModelRoute } from '../providers/types.ts';
import type { JsonDocument } from '../std/json/document.ts';
import type { CanonicalWriter } from '../std/json/writer.ts';

/** What the caller knows of a request besides its body. */
export interface PipelineInput {
  readonly body: Uint8Array;
  /** Who may share an answer: the API key's id, or `global`. */
  readonly scope: string;
  readonly routePath: string;
  /** Headers that carry meaning for the vendor, in one canonical text. */
  readonly headers: string;
  /** Byte-exact mode: the body goes out as it came. */
  readonly passthrough: boolean;
}

/** Where the parts of a prompt begin, as node indices of the document (DESIGN: System · Tool · History · Query). */
export interface Blocks {
  readonly system: number[];
  tools: number[];
  readonly history: number[];
  readonly query: number[];
}

/**
 * One request on its way through the stages. Every field is filled by exactly one of them, named beside it; the object
 * and its buffers are reused for the next request of the thread.
 */
export interface Envelope {
  readonly input: PipelineInput;
  readonly document: JsonDocument;
  /** Canonical body before anything the gateway adds. */
  readonly canonical: CanonicalWriter;

  // Inbound Adapter
  model: string;
  route: ModelRoute;
  stream: boolean;
  usageRequested: boolean;
  shareable: boolean;
  maxOutputTokens: number | null;
  n: number;
  messagesNode: number;
  toolsNode: number;
  streamOptionsNode: number;
  clientCacheKey: boolean;

  // Chunker, Arranger
  blocks: Blocks;

  // Canonicalizer: offsets into `canonical`
  additionsAt: number;
  streamOptionsStart: number;
  streamOptionsEnd: number;

  // CacheInjector
  cacheKey: string | null;

  // Hasher
  fullHash: Uint8Array;
  prefixHash: string;

  // Outbound Adapter
  usageAdded: boolean;
  body: Uint8Array;
}

export type StageName =
  | 'inbound_adapter'
  | 'chunker'
  | 'arranger'
  | 'canonicalizer'
  | 'cache_injector'
  | 'hasher'
  | 'outbound_adapter';

/** The one shape of a stage: pure, synchronous, reads and fills the envelope; throws GatewayError. */
export interface Stage {
  readonly name: StageName;
  run(envelope: Envelope): void;
}
