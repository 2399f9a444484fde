import { Envelope, type PipelineInput, type Stage, type StageName } from './envelope.ts';
import { stagesInOrder, type StageOptions } from './order.ts';
import { Prepared, preparedFieldsOf, type PreparedFields } from './prepared.ts';

export interface PipelineOptions extends StageOptions {
  /** Told how long each stage took, by its index in {@link Pipeline.stageNames}. A stage that throws is not told of. */
  readonly onStage?: ((index: number, ms: number) => void) | undefined;
  /** Monotonic clock in milliseconds; read only where `onStage` is given. */
  readonly now?: (() => number) | undefined;
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
      return new Prepared(envelope.route, preparedFieldsOf(envelope));
    } finally {
      envelope.close();
    }
  }

  /**
   * {@link prepare} in steps, for a body of many megabytes: between two of them it can be given up. Its envelope is its own and goes
   * with it: memory for a body of that size is not kept. Not timed.
   */
  *prepareInSteps(input: PipelineInput): Generator<void, PreparedFields> {
    const envelope = new Envelope();
    envelope.open(input);
    try {
      for (const stage of this.#stages) {
        if (stage.steps === undefined) stage.run(envelope);
        else yield* stage.steps(envelope);
        yield;
      }
      return preparedFieldsOf(envelope);
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
