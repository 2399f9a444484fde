import type { InputSize } from '../billing/estimate.ts';
import { inputSizeOf } from '../dialects/input-size.ts';
import type { DialectId, ModelRoute } from '../providers/types.ts';
import { hex64 } from './block-chain.ts';
import { Envelope, type PipelineInput, type Stage, type StageName } from './envelope.ts';
import { stagesInOrder, type StageOptions } from './order.ts';

export interface PipelineOptions extends StageOptions {
  /** Told how long each stage took, by its index in {@link Pipeline.stageNames}. A stage that throws is not told of. */
  readonly onStage?: ((index: number, ms: number) => void) | undefined;
  /** Monotonic clock in milliseconds; read only where `onStage` is given. */
  readonly now?: (() => number) | undefined;
}

const NO_PARTS: readonly Uint8Array[] = [];

/** What a request is once every stage has seen it; owns its bytes. */
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
  /** Size of the vendor's body; stays known after it was taken. */
  readonly bodyBytes: number;
  /** 32 bytes. */
  readonly fullHash: Uint8Array;
  /** 32 bits, unsigned; the same for every turn of a conversation. */
  readonly affinityHash: number;
  readonly #prefixHigh: number;
  readonly #prefixLow: number;
  #parts: readonly Uint8Array[];

  constructor(envelope: Envelope) {
    const { client, request } = envelope;
    this.route = envelope.route;
    this.model = client.model;
    this.stream = client.stream;
    this.vendorDialect = request.shape.dialect;
    this.converted = envelope.converted;
    this.warnings = envelope.warnings;
    this.usageRequested = client.usageRequested;
    this.usageAdded = envelope.usageAdded && !envelope.converted;
    this.shareable = client.shareable && request.shareable;
    this.passthrough = envelope.input.passthrough;
    // As sent: a conversion cuts down what is more than the model writes.
    this.maxOutputTokens = request.maxOutputTokens ?? client.maxOutputTokens;
    this.n = client.n;
    this.inputSize = inputSizeOf(envelope.document, request, envelope.route.upstreamModel);
    this.bodyBytes = envelope.body.reduce((sum, part) => sum + part.byteLength, 0);
    this.fullHash = envelope.fullHash;
    this.#prefixHigh = envelope.prefixHash.high;
    this.#prefixLow = envelope.prefixHash.low;
    this.affinityHash = envelope.affinityHash;
    this.#parts = envelope.body;
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
   * Hands the vendor's body over, to be sent part after part: who holds a `Prepared` over a long stream must not keep its
   * prompt alive. One part as a rule; a run of 256 KiB and more that is sent as the client wrote it is a view of the
   * client's body. Empty the second time.
   */
  takeParts(): readonly Uint8Array[] {
    const parts = this.#parts;
    this.#parts = NO_PARTS;
    return parts;
  }

  /** The body of a call that was taken back before anything of it went out: it may be taken again. */
  putBack(parts: readonly Uint8Array[]): void {
    this.#parts = parts;
  }

  /** {@link takeParts} in one piece. */
  takeBody(): Uint8Array {
    const { body } = this;
    this.#parts = NO_PARTS;
    return body;
  }
}

/** One run in so many is timed: to read the clock eight times costs as much as a stage. */
const TIMED_EVERY = 16;

/** The stages in a row. One per thread: the envelope and its buffers are reused, so a run is synchronous and whole. */
export class Pipeline {
  readonly stageNames: readonly StageName[];
  readonly #stages: readonly Stage[];
  readonly #envelope = new Envelope();
  readonly #runStages: () => void;
  #runs = 0;

  constructor(options: PipelineOptions) {
    this.#stages = stagesInOrder(options);
    this.stageNames = this.#stages.map((stage) => stage.name);
    const { onStage, now = () => performance.now() } = options;
    this.#runStages = onStage === undefined ? () => this.#run() : () => this.#runSampled(onStage, now);
  }

  /** Runs every stage. Throws GatewayError for what the client got wrong. */
  prepare(input: PipelineInput): Prepared {
    const envelope = this.#envelope;
    envelope.open(input);
    try {
      this.#runStages();
      return new Prepared(envelope);
    } finally {
      envelope.close();
    }
  }

  /**
   * {@link prepare} in steps, for a body that would hold the thread's other requests up. Its envelope is its own, so that others
   * can be prepared in between, and goes with it: memory for a body of that size is not kept. Not timed.
   */
  *prepareInSteps(input: PipelineInput): Generator<void, Prepared> {
    const envelope = new Envelope();
    envelope.open(input);
    try {
      for (const stage of this.#stages) {
        if (stage.steps === undefined) stage.run(envelope);
        else yield* stage.steps(envelope);
        yield;
      }
      return new Prepared(envelope);
    } finally {
      envelope.close();
    }
  }

  #run(): void {
    for (const stage of this.#stages) stage.run(this.#envelope);
  }

  #runSampled(onStage: (index: number, ms: number) => void, now: () => number): void {
    if (this.#runs++ % TIMED_EVERY === 0) this.#runTimed(onStage, now);
    else this.#run();
  }

  #runTimed(onStage: (index: number, ms: number) => void, now: () => number): void {
    let startedAtMs = now();
    for (let index = 0; index < this.#stages.length; index++) {
      this.#stages[index]!.run(this.#envelope);
      const endedAtMs = now();
      onStage(index, endedAtMs - startedAtMs);
      startedAtMs = endedAtMs;
    }
  }
}
