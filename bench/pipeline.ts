/**
 * What the pipeline costs: median milliseconds of a whole run and of each stage, by body. A plain script: `bun bench/pipeline.ts`.
 *
 * Bodies grow from the last request of a recorded agent conversation where the shared cases are present, else from a
 * made-up one of the same shape. Only ratios hold between machines.
 */
import { existsSync, readFileSync } from 'node:fs';
import { chatInput } from './probes/pipeline-options.ts';
import { Pipeline, type PipelineOptions } from '../src/pipeline/pipeline.ts';
import type { ModelRoute } from '../src/providers/types.ts';

const CONVERSATIONS = '../shared/cases/prompts/taubench_airline_gpt4o.jsonl';
const WARM_UP_MS = 1000;
const MEASURE_MS = 1500;

interface ChatBody {
  messages: unknown[];
  [field: string]: unknown;
}

function agentRequest(): ChatBody {
  if (existsSync(CONVERSATIONS)) {
    const last = readFileSync(CONVERSATIONS, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    return (JSON.parse(last) as { request: ChatBody }).request;
  }
  console.log('skipped: cases absent (a made-up conversation instead)');
  const call = { id: 'call_1', type: 'function', function: { name: 'get', arguments: '{"id":"A1"}' } };
  return {
    model: 'gpt-4o',
    messages: [
      { role: 'system', content: 'Follow the policy below.\n'.repeat(250) },
      { role: 'user', content: 'Please "change" my booking.' },
      { content: null, role: 'assistant', tool_calls: [call] },
      {
        role: 'tool',
        tool_call_id: 'call_1',
        name: 'get',
        content: '{"name": "Ann", "seat": "4F"}'.repeat(20),
      },
    ],
    tools: Array.from({ length: 14 }, (_, index) => ({
      type: 'function',
      function: { name: `tool_${14 - index}`, parameters: { type: 'object', properties: {} } },
    })),
  };
}

/** The request with its messages repeated until its JSON has `bytes` bytes. */
function grown(request: ChatBody, bytes: number): string {
  const { messages } = request;
  const out = [...messages];
  let size = JSON.stringify(request).length;
  for (let index = 1; size < bytes; index = index + 1 < messages.length ? index + 1 : 1) {
    out.push(messages[index]);
    size += JSON.stringify(messages[index]).length + 1;
  }
  return JSON.stringify({ ...request, messages: out });
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

function imageBody(bytes: number): string {
  const image = Buffer.alloc(Math.floor(bytes * 0.75), 'an image has no structure');
  return JSON.stringify({
    model: 'gpt-4o',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${image.toString('base64')}` } },
        ],
      },
    ],
  });
}

const request = agentRequest();
const small = JSON.stringify({
  model: 'gpt-4o',
  messages: [
    { role: 'system', content: 'You are a helpful assistant. '.repeat(20) },
    { role: 'user', content: 'Please summarise the following text for me. '.repeat(22) },
  ],
  temperature: 0.2,
  stream: true,
  max_tokens: 400,
});
const bodies: readonly (readonly [string, string])[] = [
  ['chat 1.7 KB', small],
  ['agent 187 KB', grown(request, 187_000)],
  ['agent 187 KB, Python', pythonStyle(grown(request, 187_000))],
  ['agent 1 MB', grown(request, 1_000_000)],
  ['image 10 MB', imageBody(10_000_000)],
];

const route: ModelRoute = {
  provider: {
    id: 'openai',
    profile: {
      id: 'openai',
      dialect: 'openai-chat',
      defaultBaseUrl: 'https://api.openai.com/v1',
      modelPatterns: [],
      streamUsage: true,
      promptCacheKey: 'always',
    },
    origin: { key: '', tls: true, host: 'api.openai.com', port: 443 },
    basePath: '/v1',
    accounts: [],
    promptCacheKey: true,
  },
  upstreamModel: 'gpt-4o',
  rewritten: false,
};
const options: PipelineOptions = { cacheInject: true, toolSort: true, resolveModel: () => route };

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

interface Cost {
  readonly wholeMs: number;
  /** With the body in one piece: only bodies with runs of 256 KiB and more are not. */
  readonly joinedMs: number;
  readonly stages: readonly (readonly [string, number])[];
}

function measure(body: Uint8Array): Cost {
  const input = chatInput(body);
  const whole: number[] = [];
  const plain = new Pipeline(options);
  const joined: number[] = [];
  const repeat = (pipeline: Pipeline, forMs: number, into: number[] | null): void => {
    const untilMs = performance.now() + forMs;
    for (;;) {
      const startedAtMs = performance.now();
      if (startedAtMs > untilMs) return;
      const prepared = pipeline.prepare(input);
      if (into === joined) prepared.takeBody();
      into?.push(performance.now() - startedAtMs);
    }
  };
  repeat(plain, WARM_UP_MS, null);
  repeat(plain, MEASURE_MS, whole);
  repeat(plain, MEASURE_MS, joined);

  const perStage: number[][] = [];
  const timed = new Pipeline({ ...options, onStage: (index, ms) => (perStage[index] ??= []).push(ms) });
  repeat(timed, WARM_UP_MS, null);
  for (const one of perStage) one.length = 0;
  repeat(timed, MEASURE_MS, null);
  return {
    wholeMs: median(whole),
    joinedMs: median(joined),
    stages: timed.stageNames.map((name, at) => [name, median(perStage[at] ?? [])]),
  };
}

const rows: Record<string, string | number>[] = [];
for (const [name, text] of bodies) {
  const body = new Uint8Array(Buffer.from(text));
  const { wholeMs, joinedMs, stages } = measure(body);
  const row: Record<string, string | number> = {
    body: name,
    bytes: body.byteLength,
    'whole ms': wholeMs.toFixed(4),
    'in one piece': joinedMs.toFixed(4),
  };
  for (const [stage, ms] of stages) row[stage] = ms.toFixed(4);
  rows.push(row);
}
console.table(rows);
