import { NUMBER_PLACEHOLDER } from '../load/request-template.ts';
import { median } from '../measure/statistics.ts';
import { agentBody, imageBody } from '../prompts/agent.ts';
import { chatBody } from '../prompts/chat.ts';
import type { PipelineInput } from '../../src/pipeline/envelope.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { DialectId } from '../../src/providers/types.ts';
import { convertedBody, evenOptionsFor, inputOf, optionsFor } from './pipeline-options.ts';

/**
 * What the pipeline costs by size of body. Argument: ms to measure each. Prints a table where somebody looks on
 * (`bun bench/probes/pipeline.ts`), else JSON ({@link PipelineCost}[]).
 */
export interface PipelineCost {
  readonly kind:
    | 'chat'
    | 'agent'
    | 'agent, Python'
    | 'image'
    | 'agent, chat → messages'
    | 'agent, messages → chat';
  readonly bytes: number;
  readonly wholeMs: number;
  readonly p99Ms: number;
  /** With the vendor's body in one piece: only bodies with runs of 256 KiB and more are not. */
  readonly joinedMs: number;
  /** What conversion costs of it: more than the same body takes where the vendor speaks the client's dialect. null: there is none. */
  readonly conversionMs: number | null;
  /** Median per stage, in order. */
  readonly stagesMs: Readonly<Record<string, number>>;
}

const CHAT_BYTES = 1700;
const AGENT_BYTES = [1000, 4000, 16_000, 64_000, 187_000, 400_000, 700_000, 1_000_000] as const;
const REFERENCE_BYTES = 187_000;
const IMAGE_BYTES = 10_000_000;

/** So many runs until the code is in its last tier, however slow the first of them are. */
const WARM_RUNS = 300;
/** One run in sixteen tells how long its stages took. */
const RUNS_FOR_STAGES = 32;

/**
 * A body that differs from run to run in 16 digits of its last bytes, so that nothing that remembers whole bodies looks
 * better than it is.
 */
class NumberedInput {
  readonly input: PipelineInput;
  readonly #at: number;
  #runs = 0;

  constructor(body: Uint8Array, dialect: DialectId) {
    this.input = inputOf(body, dialect);
    this.#at = Buffer.from(body.buffer, body.byteOffset, body.byteLength).indexOf(NUMBER_PLACEHOLDER);
    if (this.#at < 0) throw new Error('a body without its number');
  }

  next(): PipelineInput {
    let rest = ++this.#runs;
    for (let digit = NUMBER_PLACEHOLDER.length - 1; digit >= 0; digit--) {
      this.input.body[this.#at + digit] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    return this.input;
  }
}

/** Runs `once` over and over, for so long and so often at least. */
function repeat(forMs: number, runs: number, once: () => void): void {
  const untilMs = performance.now() + forMs;
  for (let run = 0; run < runs || performance.now() < untilMs; run++) once();
}

/** Runs the pipeline once and notes how long it took. */
function time(pipeline: Pipeline, body: NumberedInput, wholeMs: number[], joinedMs: number[] = []): void {
  const input = body.next();
  const startedMs = performance.now();
  const prepared = pipeline.prepare(input);
  wholeMs.push(performance.now() - startedMs);
  prepared.takeBody();
  joinedMs.push(performance.now() - startedMs);
}

function measure(
  kind: PipelineCost['kind'],
  bytes: Uint8Array,
  forMs: number,
  [client, vendor]: readonly [DialectId, DialectId] = ['openai-chat', 'openai-chat'],
): PipelineCost {
  const body = new NumberedInput(bytes, client);
  const plain = new Pipeline(optionsFor(vendor));
  const whole: number[] = [];
  const joined: number[] = [];
  repeat(forMs / 3, WARM_RUNS, () => time(plain, body, []));
  repeat(forMs, 1, () => time(plain, body, whole, joined));
  const perStage: number[][] = [];
  const timed = new Pipeline({
    ...optionsFor(vendor),
    onStage: (index, ms) => (perStage[index] ??= []).push(ms),
  });
  repeat(forMs / 3, 1, () => time(timed, body, []));
  for (const one of perStage) one.length = 0;
  repeat(forMs, RUNS_FOR_STAGES, () => time(timed, body, []));
  whole.sort((a, b) => a - b);
  return {
    kind,
    bytes: bytes.byteLength,
    wholeMs: median(whole),
    p99Ms: whole[Math.floor(whole.length * 0.99)] ?? Number.NaN,
    joinedMs: median(joined),
    conversionMs: client === vendor ? null : conversionMs(body, client, vendor, forMs),
    stagesMs: Object.fromEntries(
      timed.stageNames.map((name, index) => [name, median(perStage[index] ?? [])]),
    ),
  };
}

/** Turn by turn with and without conversion, so that what the machine is busy with meets both alike. */
function conversionMs(body: NumberedInput, client: DialectId, vendor: DialectId, forMs: number): number {
  const converting = new Pipeline(evenOptionsFor(vendor));
  const native = new Pipeline(evenOptionsFor(client));
  const convertedMs: number[] = [];
  const nativeMs: number[] = [];
  const once = (): void => {
    time(converting, body, convertedMs);
    time(native, body, nativeMs);
  };
  repeat(forMs / 3, WARM_RUNS, once);
  convertedMs.length = nativeMs.length = 0;
  repeat(forMs, 1, once);
  return median(convertedMs) - median(nativeMs);
}

/** As Python's `json.dumps` writes by default: spaces after separators, all but ASCII escaped. */
function pythonStyle(json: string): string {
  let spaced = '';
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const character = json.charAt(at);
    spaced += character;
    if (inString && character === '\\') spaced += json.charAt(++at);
    else if (character === '"') inString = !inString;
    else if (!inString && (character === ',' || character === ':')) spaced += ' ';
  }
  return spaced.replace(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const bytesOf = (json: string): Uint8Array => new Uint8Array(Buffer.from(json));
const numbered = (json: string): string => `${json.slice(0, -1)},"user":"${NUMBER_PLACEHOLDER}"}`;
const agent = (bytes: number): string => numbered(agentBody(bytes));

const forMs = Number(process.argv[2] ?? 1000);
const chat = {
  bytes: CHAT_BYTES,
  stream: true,
  differsIn: 'query',
  directives: '',
  model: 'gpt-4o',
} as const;
const reference = bytesOf(agent(REFERENCE_BYTES));
const asMessages = convertedBody(reference, 'openai-chat', 'anthropic-messages');
const costs: readonly PipelineCost[] = [
  measure('chat', bytesOf(chatBody(chat)), forMs),
  ...AGENT_BYTES.map((bytes) => measure('agent', bytesOf(agent(bytes)), forMs)),
  measure('agent, Python', bytesOf(pythonStyle(agent(REFERENCE_BYTES))), forMs),
  measure('agent, chat → messages', reference, forMs, ['openai-chat', 'anthropic-messages']),
  measure('agent, messages → chat', asMessages, forMs, ['anthropic-messages', 'openai-chat']),
  measure('image', bytesOf(numbered(imageBody(IMAGE_BYTES))), forMs),
];
if (process.stdout.isTTY) console.table(costs.map(({ stagesMs, ...cost }) => ({ ...cost, ...stagesMs })));
else console.log(JSON.stringify(costs));
