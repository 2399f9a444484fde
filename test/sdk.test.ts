import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import type {
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionMessageParam,
  ChatCompletionTool,
} from 'openai/resources/chat/completions';
import type { Simulator } from '../src/simulator/server.ts';
import type { Gateway } from './support/gateway.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let client: OpenAI;
let key: string;

const clientWith = (apiKey: string, options: object = {}): OpenAI =>
  new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0, ...options });

beforeAll(async () => {
  stage = await startStage({
    simulator: { record: true },
    vendors: ['openai', 'deepseek'],
    env: { UPSTREAM_FIRST_BYTE_TIMEOUT: '300ms' },
  });
  ({ simulator, gateway, key } = stage);
  client = clientWith(key);
});
afterAll(() => stage[Symbol.asyncDispose]());

const TOOLS: ChatCompletionTool[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Weather of a place',
      parameters: {
        type: 'object',
        properties: { place: { type: 'string' }, days: { type: 'integer' } },
        required: ['place', 'days'],
      },
    },
  },
  {
    type: 'function',
    function: { name: 'sum', parameters: { type: 'object', properties: { a: { type: 'number' } } } },
  },
];
const MODELS = ['gpt-4o', 'deepseek-flash'];
const opening = (): ChatCompletionMessageParam[] => [
  { role: 'system', content: 'You are helpful.' },
  { role: 'user', content: `Use get_weather for Kraków — 天気 🙂 ${crypto.randomUUID()}` },
];
const hi = (content = 'hi'): Pick<ChatCompletionCreateParamsNonStreaming, 'model' | 'messages'> => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: `${content} ${crypto.randomUUID()}` }],
});

describe('the official SDK', () => {
  test.each(MODELS)('a conversation with a tool, whole answers: %s', async (model) => {
    const messages = opening();
    const first = await client.chat.completions.create({ model, messages, tools: TOOLS });
    expect(first.choices[0]?.finish_reason).toBe('tool_calls');
    const call = first.choices[0]?.message.tool_calls?.[0];
    if (call?.type !== 'function') throw new Error('no function call');
    expect(call.function.name).toBe('get_weather');
    expect(Object.keys(JSON.parse(call.function.arguments) as object).toSorted()).toEqual(['days', 'place']);
    messages.push(first.choices[0]!.message, {
      role: 'tool',
      tool_call_id: call.id,
      content: '{"sky":"clear"}',
    });
    const second = await client.chat.completions.create({ model, messages, tools: TOOLS });
    expect(second.choices[0]?.finish_reason).toBe('stop');
    expect(second.choices[0]?.message.content).toContain('to 1 results#');
    expect(second.usage?.total_tokens).toBeGreaterThan(0);
  });

  test.each(MODELS)('the same, streamed: %s', async (model) => {
    const messages = opening();
    const first = client.chat.completions.stream({ model, messages, tools: TOOLS });
    // The SDK keeps of a message what it knows; DeepSeek's thinking, which must come back, is not among it.
    let reasoning = '';
    first.on('chunk', ({ choices: [choice] }) => {
      reasoning += (choice?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
    });
    const pieces: string[] = [];
    first.on('tool_calls.function.arguments.delta', ({ arguments_delta }) => pieces.push(arguments_delta));
    const call = (await first.finalMessage()).tool_calls?.[0];
    if (call?.type !== 'function') throw new Error('no function call');
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join('')).toBe(call.function.arguments);
    expect(Object.keys(JSON.parse(call.function.arguments) as object).toSorted()).toEqual(['days', 'place']);

    expect(reasoning !== '').toBe(model.startsWith('deepseek'));
    const said = {
      ...(await first.finalMessage()),
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    };
    messages.push(said, {
      role: 'tool',
      tool_call_id: call.id,
      content: '{"sky":"clear"}',
    });
    const second = client.chat.completions.stream({ model, messages, tools: TOOLS });
    const content: string[] = [];
    second.on('content.delta', ({ delta }) => content.push(delta));
    const final = await second.finalChatCompletion();
    expect(final.choices[0]?.finish_reason).toBe('stop');
    expect(content.length).toBeGreaterThan(1);
    expect(content.join('')).toBe(final.choices[0]?.message.content ?? '');
    expect(final.choices[0]?.message.content).toContain('to 1 results#');
    // Nobody asked for it, although the gateway did.
    expect(final.usage ?? null).toBeNull();
  });

  test('streamed and whole say the same', async () => {
    const request = hi('say the same');
    const whole = await client.chat.completions.create(request);
    const streamed = await client.chat.completions.stream(request).finalContent();
    expect(streamed).toBe(whole.choices[0]?.message.content ?? '');
  });

  test('parallel tool calls, streamed', async () => {
    const stream = client.chat.completions.stream({
      model: 'gpt-4o',
      tools: TOOLS,
      messages: [{ role: 'user', content: `get_weather and add [[sim:tools=3]] ${crypto.randomUUID()}` }],
    });
    const calls = (await stream.finalMessage()).tool_calls ?? [];
    expect(calls).toHaveLength(3);
    expect(new Set(calls.map((call) => call.id)).size).toBe(3);
  });

  test('usage of a stream that is asked for', async () => {
    const stream = await client.chat.completions.create({
      ...hi(),
      stream: true,
      stream_options: { include_usage: true },
    });
    const usages: unknown[] = [];
    for await (const piece of stream) if (piece.usage) usages.push(piece.usage);
    expect(usages).toHaveLength(1);
    expect(usages[0]).toMatchObject({ prompt_tokens: expect.any(Number) as number });
  });

  test('several choices', async () => {
    const answer = await client.chat.completions.create({ ...hi(), n: 3 });
    expect(answer.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
  });

  test('leaving a stream early ends the call at the vendor', async () => {
    const before = simulator.stats().aborted;
    const stream = await client.chat.completions.create({
      ...hi('[[sim:interval=10]] [[sim:chunks=2000]]'),
      stream: true,
    });
    for await (const piece of stream) if (piece.choices.length > 0) break;
    while (simulator.stats().aborted === before) await Bun.sleep(5);
    expect(simulator.stats().aborted).toBe(before + 1);
  });

  test("the answer's headers, with the SDK's own request id", async () => {
    const { data, response, request_id } = await client.chat.completions.create(hi()).withResponse();
    expect(data.object).toBe('chat.completion');
    expect(request_id).toBe(response.headers.get('x-request-id'));
    expect(response.headers.get('x-tokenrouter-provider')).toBe('openai');
  });

  test('models: a list, and one', async () => {
    const list = await client.models.list();
    const ids = list.data.map((model) => model.id);
    expect(ids).toContain('gpt-4o');
    expect(ids).toContain('deepseek-flash');
    expect(await client.models.retrieve('gpt-4o')).toMatchObject({
      id: 'gpt-4o',
      object: 'model',
      owned_by: 'openai',
    });
    const paged: string[] = [];
    for await (const model of client.models.list()) paged.push(model.id);
    expect(paged).toEqual(ids);
  });
});

describe("errors are the SDK's own classes", () => {
  type Thrown = InstanceType<typeof OpenAI.APIError>;
  const failure = (call: PromiseLike<unknown>): Promise<Thrown> =>
    Promise.resolve(call).then(
      () => {
        throw new Error('it did not fail');
      },
      (error: unknown) => error as Thrown,
    );

  test('AuthenticationError', async () => {
    const error = await failure(clientWith('sk-tr-wrong').chat.completions.create(hi()));
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
      type: 'authentication_error',
      param: null,
    });
    expect(error.message).toContain('not known');
    expect(error.requestID).toMatch(/\S/);
  });

  test('BadRequestError names the field', async () => {
    const error = await failure(
      client.chat.completions.create({ ...hi(), temperature: 'hot' as unknown as number }),
    );
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: 'invalid_type', param: 'temperature' });
  });

  test('NotFoundError', async () => {
    expect(await failure(client.chat.completions.create({ ...hi(), model: 'nobody' }))).toBeInstanceOf(
      OpenAI.NotFoundError,
    );
    expect(await failure(client.models.retrieve('nobody'))).toBeInstanceOf(OpenAI.NotFoundError);
    // An endpoint that is not here.
    const error = await failure(client.embeddings.create({ model: 'x', input: 'y' }));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error.code).toBe('not_found');
  });

  test('PermissionDeniedError', async () => {
    const { key } = await gateway.createKey({ allowed_models: ['o3'] });
    expect(await failure(clientWith(key).chat.completions.create(hi()))).toBeInstanceOf(
      OpenAI.PermissionDeniedError,
    );
  });

  test('a quota that is used up is a 402', async () => {
    const { key } = await gateway.createKey({ quota_usd: 0 });
    const error = await failure(clientWith(key).chat.completions.create(hi()));
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error).toMatchObject({ status: 402, code: 'insufficient_quota', type: 'insufficient_quota' });
  });

  test("RateLimitError, the gateway's own and the vendor's", async () => {
    const { key } = await gateway.createKey({ rpm: 1 });
    const limited = clientWith(key);
    await limited.chat.completions.create(hi());
    expect(await failure(limited.chat.completions.create(hi()))).toBeInstanceOf(OpenAI.RateLimitError);
    const error = await failure(client.chat.completions.create(hi('[[sim:status=429]]')));
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error.message).toContain('simulated failure 429');
  });

  test('InternalServerError', async () => {
    for (const status of [500, 503]) {
      const error = await failure(client.chat.completions.create(hi(`[[sim:status=${status}]]`)));
      expect(error).toBeInstanceOf(OpenAI.InternalServerError);
      expect(error.status).toBe(status);
    }
    const late = await failure(client.chat.completions.create(hi('[[sim:delay=60000]]')));
    expect(late).toMatchObject({ status: 504, code: 'upstream_timeout' });
    const gone = await failure(client.chat.completions.create(hi('[[sim:break=0]]')));
    expect(gone).toMatchObject({ status: 502, code: 'upstream_closed' });
  });

  test.each([
    ['[[sim:break=3]]', 'upstream_closed', /did not finish/],
    ['[[sim:error=3]]', null, /simulated failure in the stream/],
  ])('a stream that fails is thrown where it is read: %s', async (directive, code, message) => {
    const stream = await client.chat.completions.create({ ...hi(directive), stream: true });
    const pieces: unknown[] = [];
    const error = await failure(
      (async () => {
        for await (const piece of stream) pieces.push(piece);
      })(),
    );
    expect(pieces.length).toBeGreaterThanOrEqual(3);
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error.code ?? null).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('what may be tried again is tried again', async () => {
    const before = simulator.stats().received;
    const error = await failure(
      clientWith(key, { maxRetries: 1 }).chat.completions.create(hi('[[sim:status=503]]')),
    );
    expect(error.status).toBe(503);
    expect(simulator.stats().received).toBe(before + 2);
    await failure(clientWith(key, { maxRetries: 1 }).chat.completions.create(hi('[[sim:status=400]]')));
    expect(simulator.stats().received).toBe(before + 3);
  });
});
