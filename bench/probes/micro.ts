import { measure } from 'mitata';
import { ClaimTable } from '../../src/dedup/claim-table.ts';
import { usageOfBody } from '../../src/dialects/openai-chat/response.ts';
import { requestConversion } from '../../src/dialects/request-conversions.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { LABEL_BYTES, MAX_ROWS, METRIC_WORDS } from '../../src/shared/counter-layout.ts';
import { WorkerMetrics } from '../../src/shared/counters.ts';
import { createMemory } from '../../src/shared/memory-map.ts';
import { JsonDocument } from '../../src/std/json/document.ts';
import { keyHash } from '../../src/keys/key-hash.ts';
import { ResponseParser } from '../../src/http1/response-parser.ts';
import { SseParser } from '../../src/http1/sse.ts';
import { NUMBER_PLACEHOLDER } from '../load/request-template.ts';
import { agentBody } from '../prompts/agent.ts';
import { chatBody } from '../prompts/chat.ts';
import { convertedBody, inputOf, optionsFor } from './pipeline-options.ts';

/** Prints what single parts cost, as JSON ({@link MicroCost}[]). Argument: ms of CPU to spend on each. */
export interface MicroCost {
  readonly name: string;
  /** What one run handles, for comparison between sizes. */
  readonly bytes: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
}

const costs: MicroCost[] = [];
const cpuNs = Number(process.argv[2] ?? 500) * 1e6;

async function time(name: string, bytes: number, run: () => unknown): Promise<void> {
  const { p50, p99 } = await measure(run, { min_cpu_time: cpuNs });
  costs.push({ name, bytes, p50Ns: p50, p99Ns: p99 });
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const plan = {
  bytes: 1700,
  stream: false,
  differsIn: 'query',
  directives: '',
  model: 'gpt-4o-mini',
} as const;
const small = bytesOf(chatBody(plan).replace(NUMBER_PLACEHOLDER, '0123456789012345'));
const large = bytesOf(agentBody(187_000));

for (const [size, body] of [
  ['1.7 KB', small],
  ['187 KB', large],
] as const) {
  const text = Buffer.from(body).toString();
  const document = new JsonDocument();
  await time(`JSON.parse, ${size}`, body.length, () => JSON.parse(text));
  await time(`lossless JSON parse, ${size}`, body.length, () => document.parse(body));
  const pipeline = new Pipeline(optionsFor('openai-chat'));
  const input = inputOf(body, 'openai-chat');
  await time(`whole pipeline, ${size}`, body.length, () => pipeline.prepare(input));
}

const largeMessages = convertedBody(large, 'openai-chat', 'anthropic-messages');
for (const [name, body, vendor, upstreamModel] of [
  ['chat → messages', large, 'anthropic-messages', 'claude-opus-4-8'],
  ['messages → chat', largeMessages, 'openai-chat', 'gpt-4o'],
] as const) {
  const client = vendor === 'openai-chat' ? 'anthropic-messages' : 'openai-chat';
  const convert = requestConversion(client, vendor);
  const document = new JsonDocument();
  document.parse(body);
  // No smaller body has warmed this code.
  for (let run = 0; run < 300; run++) convert(document, { upstreamModel });
  await time(`request conversion, ${name}, 187 KB`, body.length, () => convert(document, { upstreamModel }));
}

const answer = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'gpt-4o-mini',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'Plain words. '.repeat(30) }, finish_reason: 'stop' },
  ],
  usage: {
    prompt_tokens: 420,
    completion_tokens: 96,
    total_tokens: 516,
    prompt_tokens_details: { cached_tokens: 256 },
  },
});
const answerBytes = bytesOf(answer);
await time('usage of an answer', answerBytes.length, () => usageOfBody(answerBytes));

const onTheWire = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: ${answerBytes.length}\r\n\r\n${answer}`,
);
const nobody = { onHead: (): void => {}, onBody: (): void => {}, onEnd: (): void => {} };
const responses = new ResponseParser(65_536);
await time('HTTP/1.1 answer', onTheWire.length, () => {
  responses.reset(nobody, false);
  return responses.push(onTheWire);
});

const event = `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: ' word' }, finish_reason: null }] })}\n\n`;
const one = bytesOf(event);
const twenty = bytesOf(event.repeat(20));
const events = new SseParser({ maxEventBytes: 1_000_000, onEvent: () => {} });
await time('SSE, one event', one.length, () => events.push(one));
await time('SSE, twenty events at once', twenty.length, () => events.push(twenty));

const claims = new ClaimTable(new Uint32Array(new SharedArrayBuffer(4 << 17)), 1);
const hashes = Array.from(
  { length: 1024 },
  (_, index) => new Uint8Array(new Bun.CryptoHasher('sha256').update(String(index)).digest()),
);
let turn = 0;
await time('claim and release', 0, () => {
  const hash = hashes[turn++ & 1023];
  const claim = hash === undefined ? null : claims.claim(hash);
  if (claim?.kind === 'claimed') claims.release(claim.index);
});

const metrics = new WorkerMetrics(
  createMemory({ workers: 2, maxKeys: 1024, metricWords: METRIC_WORDS, labelBytes: MAX_ROWS * LABEL_BYTES }),
  0,
);
await time('count one request', 0, () => {
  const row = metrics.row('openai', 'gpt-4o-mini');
  metrics.status(row, 200, false);
  metrics.times(row, 12, 1, -1);
});

await time('hash of an API key', 0, () => keyHash('sk-tr-0123456789abcdefghijklmnopqrstuvwxyzABCDEF'));

console.log(JSON.stringify(costs));
