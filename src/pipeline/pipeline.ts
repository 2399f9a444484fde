import type { ModelRoute } from '../providers/types.ts';
import { JsonDocument } from '../std/json/document.ts';
import { CanonicalWriter } from '../std/json/writer.ts';
import type { Envelope, PipelineInput, Stage, StageName } from './envelope.ts';
import { stagesInOrder, type PipelineOptions } from './order.ts';

/** What a request is once every stage has seen it; owns its bytes. */
export interface Prepared {
  readonly route: ModelRoute;
  /** As the client named it. */
  readonly model: string;
  readonly stream: boolean;
  readonly usageRequested: boolean;
  readonly usageAdded: boolean;
  readonly shareable: boolean;
  readonly maxOutputTokens: number | null;
  readonly n: number;
  readonly inputBytes: number;
  /** 32 bytes. */
  readonly fullHash: Uint8Array;
  /** 16 hexadecimal digits. */
  readonly prefixHash: string;
  readonly body: Uint8Array;
}

const NO_ROUTE = null as unknown as ModelRoute;

/** The stages in a row. One per thread: document and buffers are reused, so a run is synchronous and whole. */
export class Pipeline {
  readonly #stages: readonly Stage[];
  readonly #document = new JsonDocument();
  readonly #canonical = new CanonicalWriter();

  constructor(options: PipelineOptions) {
    this.#stages = stagesInOrder(options);
  }

  get stageNames(): readonly StageName[] {
    return this.#stages.map((stage) => stage.name);
  }

  /** Runs every stage. Throws GatewayError for what the client got wrong. */
  prepare(input: PipelineInput): Prepared {
    const envelope: Envelope = {
      input,
      document: this.#document,
      canonical: this.#canonical,
      model: '',
      route: NO_ROUTE,
      stream: false,
      usageRequested: false,
      shareable: true,
      maxOutputTokens: null,
      n: 1,
      messagesNode: -1,
      toolsNode: -1,
      streamOptionsNode: -1,
      clientCacheKey: false,
      blocks: { system: [], tools: [], history: [], query: [] },
      additionsAt: 0,
      streamOptionsStart: -1,
      streamOptionsEnd: -1,
      cacheKey: null,
      fullHash: input.body,
      prefixHash: '',
      usageAdded: false,
      body: input.body,
    };
    for (const stage of this.#stages) stage.run(envelope);
    return {
      route: envelope.route,
      model: envelope.model,
      stream: envelope.stream,
      usageRequested: envelope.usageRequested,
      usageAdded: envelope.usageAdded,
      shareable: envelope.shareable,
      maxOutputTokens: envelope.maxOutputTokens,
      n: envelope.n,
      inputBytes: input.body.byteLength,
      fullHash: envelope.fullHash,
      prefixHash: envelope.prefixHash,
      body: envelope.body,
    };
  }
}
