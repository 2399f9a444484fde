import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { CLAUDE, GPT, startSetting, type Json, type Setting } from './support/anthropic.ts';
import { settledUsd } from './support/money.ts';
import {
  aiAnthropic,
  aiCompatible,
  aiOpenAI,
  anthropicMessages,
  anthropicThreads,
  anthropicToolRunner,
  langChain,
  openaiRunTools,
  type Client,
  type Place,
  type Turn,
} from './support/sdk-talks.ts';

/** Clients as they are installed, each in a conversation of several turns with tools, on all four routes. */

let setting: Setting;
beforeAll(async () => {
  setting = await startSetting();
});
afterAll(async () => setting[Symbol.asyncDispose]());
beforeEach(() => setting.simulator.reset());

const CLIENTS: readonly (readonly [string, Client])[] = [
  ['openai, runTools', openaiRunTools],
  ['@anthropic-ai/sdk, messages', anthropicMessages],
  ['@anthropic-ai/sdk, toolRunner', anthropicToolRunner],
  ['ai, @ai-sdk/openai', aiOpenAI],
  ['ai, @ai-sdk/openai-compatible', aiCompatible],
  ['ai, @ai-sdk/anthropic', aiAnthropic],
  ['@langchain/openai', langChain],
];
const STREAMED = [false, true];
/** Thinks when it is asked to, shows its thoughts, wants them back, and does not forget them with the next question. */
const THINKER = 'claude-sonnet-4-6';
const TURNS = 3;

/** A tool's call and its result as the vendor got them. */
interface Arrived {
  readonly input: unknown;
  readonly result: unknown;
}

interface SentMessage {
  readonly role: string;
  readonly content: string | readonly (Json & { readonly type: string })[] | null;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly arguments: string } }[];
}

/** All calls of a body, each with the result that names it; of either dialect. */
function arrivedIn(body: Uint8Array): Arrived[] {
  const { messages } = JSON.parse(Buffer.from(body).toString()) as {
    readonly messages: readonly SentMessage[];
  };
  const blocks = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []) as Json[]);
  const inputs = new Map<unknown, unknown>();
  const results = new Map<unknown, unknown>();
  for (const { content, role, tool_call_id: id, tool_calls: calls = [] } of messages) {
    for (const call of calls) inputs.set(call.id, JSON.parse(call.function.arguments));
    if (role === 'tool') results.set(id, content);
  }
  for (const block of blocks) {
    if (block['type'] === 'tool_use') inputs.set(block['id'], block['input']);
    if (block['type'] === 'tool_result') results.set(block['tool_use_id'], block['content']);
  }
  expect([...results.keys()]).toEqual([...inputs.keys()]);
  return [...inputs].map(([id, input]) => {
    const result = results.get(id);
    return { input, result: Array.isArray(result) ? (result[0] as Json)['text'] : result };
  });
}

const sumOf = (turns: readonly Turn[], name: 'input' | 'cached' | 'output'): number =>
  turns.flatMap(({ told }) => told).reduce((sum, told) => sum + told[name], 0);

interface Held {
  readonly model: string;
  readonly streamed: boolean;
  readonly calls: number;
  readonly thinking?: boolean;
}

/** Holds a conversation of three questions, each with `calls` calls of the tool, and looks at both of its ends. */
async function hold(client: Client, { calls, model, streamed, thinking = false }: Held): Promise<void> {
  const { id, key } = await setting.gateway.createKey();
  const { simulator } = setting;
  const ran: { input: Place; result: string }[] = [];
  const talk = client({
    url: setting.gateway.url,
    key,
    model,
    streamed,
    thinking,
    // Long enough for either vendor's cache, and like no other test's.
    system: `${crypto.randomUUID()} ${'You tell of the wörld’s weather 🙂 as it is. '.repeat(200)}`,
    weather: (input) => {
      const result = `in ${input.place}: 21 °C 🙂 "${crypto.randomUUID()}" ${'clear, dry, light wind; '.repeat(60)}`;
      ran.push({ input: { ...input }, result });
      return result;
    },
  });
  const turns: Turn[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const directive = calls > 1 ? ` [[sim:tools=${calls}]]` : '';
    const answer = await talk(`Use get_weather, ${turn}.${directive}`);
    expect(answer.text).toContain(`to ${calls} results#`);
    expect(answer.told).toHaveLength(2);
    turns.push(answer);
  }

  expect(ran).toHaveLength(TURNS * calls);
  for (const { input } of ran) {
    expect(input.place).toMatch(/^place \d$/);
    expect(input.days).toBeInteger();
  }
  const requests = simulator.requests();
  const path = model === GPT ? '/v1/chat/completions' : '/v1/messages';
  expect(requests.map((request) => request.path.split('?')[0])).toEqual(
    Array.from({ length: 2 * TURNS }, () => path),
  );
  // What came back from a turn's tools is in the turn's second request, and in all that follow.
  for (const [index, { body }] of requests.entries()) {
    const known = Math.ceil(index / 2) * calls;
    expect(arrivedIn(body)).toEqual(ran.slice(0, known));
  }

  const bill = simulator.stats().bill[model]!;
  expect(bill.requests).toBe(2 * TURNS);
  expect(sumOf(turns, 'input')).toBe(bill.uncachedTokens + bill.cachedTokens + bill.writtenTokens);
  expect(sumOf(turns, 'cached')).toBe(bill.cachedTokens);
  expect(sumOf(turns, 'output')).toBe(bill.outputTokens);
  expect(await settledUsd(setting.gateway, id)).toBeCloseTo(bill.usd!, 8);

  const cached = turns.flatMap(({ told }) => told.map((one) => one.cached));
  expect(cached[0]).toBe(0);
  expect(cached[1]).toBeGreaterThan(1_024);
  expect(cached).toEqual(cached.toSorted((a, b) => a - b));
  // The results of one turn are read from the cache in the next.
  for (let turn = 1; turn < TURNS; turn++) expect(cached[2 * turn]).toBeGreaterThan(cached[2 * turn - 1]!);
}

describe.each(CLIENTS)('%s', (_, client) => {
  const cases = [GPT, CLAUDE].flatMap((model) =>
    STREAMED.flatMap((streamed) => [1, 3].map((calls) => [model, streamed, calls] as const)),
  );
  test.each(cases)('%s, streamed: %p, calls at a time: %i', (model, streamed, calls) =>
    hold(client, { model, streamed, calls }),
  );
});

describe('@anthropic-ai/sdk, toolRunner as it is by default', () => {
  test.each(STREAMED)('on gpt-4o it goes on without a thread, streamed: %p', (streamed) =>
    hold(anthropicThreads, { model: GPT, streamed, calls: 2 }),
  );
});

describe('thinking', () => {
  interface Thought {
    readonly type: string;
    readonly signature?: string;
  }
  /** Signatures in the last request, in order. */
  const signatures = (): string[] => {
    const body = Buffer.from(setting.simulator.bodies().at(-1)!).toString();
    const { messages } = JSON.parse(body) as { readonly messages: readonly SentMessage[] };
    return messages.flatMap(({ content }) =>
      (Array.isArray(content) ? (content as readonly Thought[]) : []).flatMap(({ signature, type }) =>
        type === 'thinking' ? [signature ?? ''] : [],
      ),
    );
  };

  const keepers = CLIENTS.filter(([name]) => name.includes('anthropic'));
  test.each(
    keepers.flatMap(([name, client]) => STREAMED.map((streamed) => [name, streamed, client] as const)),
  )('%s, streamed: %p: all signatures go back', async (_, streamed, client) => {
    await hold(client, { model: THINKER, streamed, calls: 2, thinking: true });
    // Every answer but the last has been sent back with its thought.
    expect(new Set(signatures()).size).toBe(2 * TURNS - 1);
  });

  test.each(STREAMED)('openai, runTools, streamed: %p', async (streamed) => {
    await hold(openaiRunTools, { model: THINKER, streamed, calls: 2, thinking: true });
  });
});

describe('counting tokens with @anthropic-ai/sdk', () => {
  const request = (model: string): Anthropic.MessageCountTokensParams => ({
    model,
    system: 'You count.',
    messages: [{ role: 'user', content: 'How many are these?' }],
    tools: [{ name: 'get', input_schema: { type: 'object' } }],
  });
  test.each([CLAUDE, GPT])('%s', async (model) => {
    const { key } = await setting.gateway.createKey();
    const { messages } = new Anthropic({ apiKey: key, baseURL: setting.gateway.url, maxRetries: 0 });
    const { input_tokens: counted } = await messages.countTokens(request(model));
    const { usage } = await messages.create({ ...request(model), max_tokens: 50, stream: false });
    if (model === CLAUDE) expect(counted).toBe(usage.input_tokens);
    // An estimate, where the vendor has no such call.
    else expect(counted).toBeGreaterThan(0);
  });
});
