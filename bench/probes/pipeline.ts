import { median } from '../measure/statistics.ts';
import { agentBody, imageBody } from '../prompts/agent.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { chatInput, pipelineOptions } from './pipeline-options.ts';

/** Prints what the pipeline costs by size of body, as JSON ({@link PipelineCost}[]). Argument: ms to measure each. */
export interface PipelineCost {
  readonly kind: 'agent' | 'image';
  readonly bytes: number;
  readonly wholeMs: number;
  readonly p99Ms: number;
  /** Median per stage, in order. */
  readonly stagesMs: Readonly<Record<string, number>>;
}

const AGENT_BYTES = [1000, 4000, 16_000, 64_000, 187_000, 400_000, 700_000, 1_000_000] as const;
const IMAGE_BYTES = 10_000_000;

/**
 * Bodies differ from run to run in 16 digits of their last bytes, so that nothing that remembers whole bodies looks better than
 * it is. `text` must hold them as `################`.
 */
function measure(kind: PipelineCost['kind'], text: string, forMs: number): PipelineCost {
  const body = new Uint8Array(Buffer.from(text));
  const at = Buffer.from(body.buffer).indexOf('################');
  if (at < 0) throw new Error('a body without its number');
  const input = chatInput(body);
  let runs = 0;
  const repeat = (pipeline: Pipeline, durationMs: number, into: number[]): void => {
    const untilMs = performance.now() + durationMs;
    for (;;) {
      let rest = ++runs;
      for (let digit = 15; digit >= 0; digit--) {
        body[at + digit] = 0x30 + (rest % 10);
        rest = Math.floor(rest / 10);
      }
      const startedMs = performance.now();
      if (startedMs > untilMs) return;
      pipeline.prepare(input);
      into.push(performance.now() - startedMs);
    }
  };
  const plain = new Pipeline(pipelineOptions);
  const whole: number[] = [];
  repeat(plain, forMs / 3, []);
  repeat(plain, forMs, whole);
  const perStage: number[][] = [];
  const timed = new Pipeline({
    ...pipelineOptions,
    onStage: (index, ms) => (perStage[index] ??= []).push(ms),
  });
  repeat(timed, forMs / 3, []);
  for (const one of perStage) one.length = 0;
  repeat(timed, forMs, []);
  whole.sort((a, b) => a - b);
  return {
    kind,
    bytes: body.byteLength,
    wholeMs: median(whole),
    p99Ms: whole[Math.floor(whole.length * 0.99)] ?? Number.NaN,
    stagesMs: Object.fromEntries(
      timed.stageNames.map((name, index) => [name, median(perStage[index] ?? [])]),
    ),
  };
}

const numbered = (json: string): string => `${json.slice(0, -1)},"user":"################"}`;

const forMs = Number(process.argv[2] ?? 1000);
const costs = AGENT_BYTES.map((bytes) => measure('agent', numbered(agentBody(bytes)), forMs));
costs.push(measure('image', numbered(imageBody(IMAGE_BYTES)), forMs));
console.log(JSON.stringify(costs));
