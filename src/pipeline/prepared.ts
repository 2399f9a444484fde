import type { InputSize } from '../billing/estimate.ts';
import { inputSizeOf } from '../dialects/input-size.ts';
import type { DialectId, ModelRoute } from '../providers/types.ts';
import { hex64 } from './block-chain.ts';
import type { ChainState, Envelope } from './envelope.ts';

/** What a {@link Prepared} is made of, but for where it goes: plain data, which another thread can be given. */
export type PreparedFields = Omit<
  Prepared,
  'route' | 'bodyBytes' | 'prefixHash' | 'body' | 'takeParts' | 'takeBody'
> & { readonly prefix: ChainState };

/** Reads an envelope that has been through all stages. */
export function preparedFieldsOf(envelope: Envelope): PreparedFields {
  const { client, request } = envelope;
  return {
    model: client.model,
    stream: client.stream,
    vendorDialect: request.shape.dialect,
    converted: envelope.converted,
    warnings: envelope.warnings,
    usageRequested: client.usageRequested,
    usageAdded: envelope.usageAdded && !envelope.converted,
    shareable: client.shareable && request.shareable,
    passthrough: envelope.input.passthrough,
    // As sent: a conversion cuts down what is more than the model writes.
    maxOutputTokens: request.maxOutputTokens ?? client.maxOutputTokens,
    n: client.n,
    inputSize: inputSizeOf(envelope.document, request, envelope.route.upstreamModel),
    fullHash: envelope.fullHash,
    affinityHash: envelope.affinityHash,
    prefix: envelope.prefixHash,
    parts: envelope.body,
  };
}

const NO_PARTS: readonly Uint8Array[] = [];

/** What a request is once every stage has seen it, as its call needs it; owns its bytes. */
export class Prepared {
  readonly route: ModelRoute;
  /** As the client named it. */
  readonly model: string;
  readonly stream: boolean;
  /** What the vendor speaks; an answer in another dialect than the client's has to be converted. */
  readonly vendorDialect: DialectId;
  readonly converted: boolean;
  /** What the conversion of the request lost, one sentence each, for the client to know. */
  readonly warnings: readonly string[];
  readonly usageRequested: boolean;
  /** The gateway asked for usage on its own account, and the client must not see it. Never of a converted call. */
  readonly usageAdded: boolean;
  readonly shareable: boolean;
  /** The body goes out as it came. */
  readonly passthrough: boolean;
  readonly maxOutputTokens: number | null;
  readonly n: number;
  /** How large the prompt is, for money: of the body as the client wrote it, in the vendor's dialect. */
  readonly inputSize: InputSize;
  /** 32 bytes. */
  readonly fullHash: Uint8Array;
  /** 32 bits, unsigned; the same for every turn of a conversation. */
  readonly affinityHash: number;
  /** Size of the vendor's body; stays known after it was taken. */
  readonly bodyBytes: number;
  readonly #prefixHigh: number;
  readonly #prefixLow: number;
  #parts: readonly Uint8Array[];

  constructor(route: ModelRoute, fields: PreparedFields) {
    this.route = route;
    this.model = fields.model;
    this.stream = fields.stream;
    this.vendorDialect = fields.vendorDialect;
    this.converted = fields.converted;
    this.warnings = fields.warnings;
    this.usageRequested = fields.usageRequested;
    this.usageAdded = fields.usageAdded;
    this.shareable = fields.shareable;
    this.passthrough = fields.passthrough;
    this.maxOutputTokens = fields.maxOutputTokens;
    this.n = fields.n;
    this.inputSize = fields.inputSize;
    this.bodyBytes = fields.parts.reduce((sum, part) => sum + part.byteLength, 0);
    this.fullHash = fields.fullHash;
    this.#prefixHigh = fields.prefix.high;
    this.#prefixLow = fields.prefix.low;
    this.affinityHash = fields.affinityHash;
    this.#parts = fields.parts;
  }

  /** 16 hexadecimal digits, made when asked for: a call that waits for its vendor holds no pieces of them. */
  get prefixHash(): string {
    return hex64(this.#prefixHigh, this.#prefixLow);
  }

  /** The vendor's body in one piece; empty once it was taken. Joins the parts where there are several. */
  get body(): Uint8Array {
    if (this.#parts.length !== 1) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0]!;
  }

  /**
   * The vendor's body, to be sent part after part; empty once it was taken. One part as a rule; a run of 256 KiB and more that
   * is sent as the client wrote it is a view of the client's body.
   */
  get parts(): readonly Uint8Array[] {
    return this.#parts;
  }

  /**
   * Hands {@link parts} over: who holds a `Prepared` over a long stream must not keep its prompt alive. Empty the second time.
   */
  takeParts(): readonly Uint8Array[] {
    const parts = this.#parts;
    this.#parts = NO_PARTS;
    return parts;
  }

  /** {@link takeParts} in one piece. */
  takeBody(): Uint8Array {
    const { body } = this;
    this.#parts = NO_PARTS;
    return body;
  }
}
