import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import {
  ask,
  CHAT,
  CLAUDE,
  eventsOf,
  GPT,
  lastSent,
  MESSAGES,
  saidIn,
  saidInStream,
  startSetting,
  WAYS,
  type Json,
  type Said,
  type Setting,
} from './support/anthropic.ts';

let setting: Setting;
beforeAll(async () => {
  setting = await startSetting();
});
afterAll(() => setting[Symbol.asyncDispose]());
afterEach(() => setting.simulator.reset());

async function good(path: string, body: Json, headers: Record<string, string> = {}): Promise<string> {
  const response = await setting.post(path, body, headers);
  const text = await response.text();
  expect(`${response.status} ${text}`).toStartWith('200 ');
  return text;
}

const lastRead = (): Json => JSON.parse(lastSent(setting.simulator)) as Json;

/** Both forms of the answer, which must say the same. */
async function saidBothWays(path: string, body: Json): Promise<Said> {
  const whole = saidIn(path, await good(path, body));
  const streamed = saidInStream(path, await good(path, { ...body, stream: true }));
  expect(streamed).toEqual(whole);
  return whole;
}

const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const toolFor = (path: string): Json =>
  path === MESSAGES
    ? { name: 'weather', description: 'The weather.', input_schema: SCHEMA }
    : { type: 'function', function: { name: 'weather', description: 'The weather.', parameters: SCHEMA } };

/** The assistant's turn that made calls, and their results, as a client of the path writes them. */
function turnsOf(path: string, said: Said, result: string): Json[] {
  if (path === MESSAGES)
    return [
      { role: 'assistant', content: said.calls.map((call) => ({ type: 'tool_use', ...call })) },
      {
        role: 'user',
        content: said.calls.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: result })),
      },
    ];
  return [
    {
      role: 'assistant',
      content: null,
      tool_calls: said.calls.map(({ id, input, name }) => ({
        id,
        type: 'function',
        function: { name, arguments: JSON.stringify(input) },
      })),
    },
    ...said.calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: result })),
  ];
}

describe.each(WAYS)('$name', ({ model, path }) => {
  test('answers in the dialect of its client, whole and streamed', async () => {
    const said = await saidBothWays(path, ask(model, 'Say something.'));
    expect(said.text).toMatch(/\S/);
    expect(said.finish).toBe(path === MESSAGES ? 'end_turn' : 'stop');
    const sent = setting.simulator.requests();
    expect(new Set(sent.map((one) => one.path))).toEqual(
      new Set([model === CLAUDE ? '/v1/messages' : '/v1/chat/completions']),
    );
  });

  test('a stream has every event of its dialect, in order', async () => {
    const response = await setting.post(path, ask(model, 'Stream this.', { stream: true }));
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    const events = eventsOf(await response.text());
    if (path === CHAT) {
      expect(events.at(-1)!.data).toBe('[DONE]');
      // The client has not asked for usage.
      expect(events.some(({ data }) => data.includes('"usage":{'))).toBe(false);
      return;
    }
    const names = events.map(({ event }) => event).filter((name) => name !== 'ping');
    expect([names[0], names[1]]).toEqual(['message_start', 'content_block_start']);
    expect(names.slice(-3)).toEqual(['content_block_stop', 'message_delta', 'message_stop']);
  });

  test('tools over several turns', async () => {
    const messages: Json[] = [{ role: 'user', content: 'Use weather for Rome and Oslo. [[sim:tools=2]]' }];
    const tools = [toolFor(path)];
    for (let turn = 0; turn < 3; turn++) {
      const said = await saidBothWays(path, ask(model, '', { messages, tools }));
      expect(said.calls).toHaveLength(2);
      expect(said.finish).toBe(path === MESSAGES ? 'tool_use' : 'tool_calls');
      for (const call of said.calls) {
        expect(call).toMatchObject({ name: 'weather' });
        expect(Object.keys(call.input)).toEqual(['city']);
      }
      expect(new Set(said.calls.map(({ id }) => id)).size).toBe(2);
      messages.push(...turnsOf(path, said, `result ${turn}: sunny`));
      const after = await saidBothWays(path, ask(model, '', { messages, tools }));
      expect(after.calls).toEqual([]);
      expect(after.text).toMatch(/\S/);
      messages.push(
        { role: 'assistant', content: after.text },
        { role: 'user', content: `Use weather again, ${turn}.` },
      );
    }
  });

  test('has the headers of an answer', async () => {
    const response = await setting.post(path, ask(model, 'Headers?'));
    await response.text();
    const field = (name: string): string | null => response.headers.get(name);
    expect(field('x-tokenrouter-provider')).toBe(model === CLAUDE ? 'anthropic' : 'openai');
    expect(field('x-tokenrouter-prefix-hash')).toMatch(/^[0-9a-f]+$/);
    expect(Number(field('x-tokenrouter-cost-usd'))).toBeGreaterThan(0);
    expect(field('request-id')).toBe(path === MESSAGES ? field('x-request-id') : null);
  });
});

describe('thinking', () => {
  const BUDGET = { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 4000 };
  const MODEL = 'claude-sonnet-4-5';

  for (const stream of [false, true])
    test(`goes back and forth with its signature between Anthropic's own${stream ? ', streamed' : ''}`, async () => {
      const body = ask(MODEL, 'Use weather for Rome.', { ...BUDGET, tools: [toolFor(MESSAGES)] });
      const text = await good(MESSAGES, { ...body, stream });
      const said = stream ? saidInStream(MESSAGES, text) : saidIn(MESSAGES, text);
      expect(said.signature).toMatch(/\S/);
      const [assistant, results] = turnsOf(MESSAGES, said, 'sunny');
      const thought = { type: 'thinking', thinking: said.thinking, signature: said.signature };
      const messages = [
        ...(body['messages'] as Json[]),
        { ...assistant, content: [thought, ...(assistant!['content'] as Json[])] },
        results!,
      ];
      await good(MESSAGES, { ...body, messages });
      expect(JSON.stringify(lastRead()['messages'])).toContain(JSON.stringify(said.signature));
      // The vendor notices what was touched: the test would fail, were the signature lost.
      const broken = JSON.stringify({ ...body, messages }).replace(said.signature, `A${said.signature}`);
      expect((await setting.post(MESSAGES, broken)).status).toBe(400);
    });

  for (const stream of [false, true])
    test(`goes through Chat Completions as thinking_blocks${stream ? ', streamed' : ''}`, async () => {
      const body = ask(MODEL, 'Use weather for Rome.', { ...BUDGET, tools: [toolFor(CHAT)] });
      const text = await good(CHAT, { ...body, stream });
      const said = stream ? saidInStream(CHAT, text) : saidIn(CHAT, text);
      expect(said.signature).toMatch(/\S/);
      expect(said.thinking).toMatch(/\S/);
      const [assistant, ...results] = turnsOf(CHAT, said, 'sunny');
      const thought = { type: 'thinking', thinking: said.thinking, signature: said.signature };
      const messages = [
        ...(body['messages'] as Json[]),
        { ...assistant, reasoning_content: said.thinking, thinking_blocks: [thought] },
        ...results,
      ];
      await good(CHAT, { ...body, messages });
      const [, turn] = lastRead()['messages'] as readonly { readonly content: readonly Json[] }[];
      expect(turn!.content[0]).toEqual(thought);
    });
});

describe('the rest of the surface', () => {
  test('paths without /v1, and base URLs with and without it, are the same', async () => {
    await good('/messages', ask(CLAUDE, 'no prefix'));
    await using other = await startSetting({}, '/v1');
    const response = await other.post(MESSAGES, ask(CLAUDE, 'prefix'));
    expect(response.status).toBe(200);
    const paths = [...setting.simulator.requests(), ...other.simulator.requests()].map(({ path }) => path);
    expect(paths).toEqual(['/v1/messages', '/v1/messages']);
  });

  test('warnings are told on whole and streamed answers', async () => {
    for (const stream of [false, true]) {
      const fromChat = await setting.post(CHAT, ask(CLAUDE, `seed ${stream}`, { seed: 7, stream }));
      await fromChat.text();
      expect(fromChat.headers.get('x-tokenrouter-warning')).toContain('seed');
      const fromMessages = await setting.post(MESSAGES, ask(GPT, `top ${stream}`, { top_k: 7, stream }));
      await fromMessages.text();
      expect(fromMessages.headers.get('x-tokenrouter-warning')).toContain('top_k');
      const same = await setting.post(MESSAGES, ask(CLAUDE, `none ${stream}`, { stream }));
      await same.text();
      expect(same.headers.get('x-tokenrouter-warning')).toBeNull();
    }
  });

  test('six breakpoints of an OpenAI client: Claude gets the four marks that it takes', async () => {
    const content = Array.from({ length: 6 }, (_, index) => ({
      type: 'text',
      text: `${index} ${'long '.repeat(3000)}`,
      prompt_cache_breakpoint: { mode: 'explicit' },
    }));
    const tools = [{ ...toolFor(CHAT), cache_control: { type: 'ephemeral' } }];
    for (const more of [{}, { tools }]) {
      await good(CHAT, { model: CLAUDE, messages: [{ role: 'user', content }], ...more });
      const sent = lastRead();
      expect(JSON.stringify(sent).match(/"cache_control"/g)).toHaveLength(4);
      const blocks = (sent['messages'] as { content: Json[] }[])[0]!.content;
      const marked = blocks.map((block) => 'cache_control' in block);
      expect(marked).toEqual([false, false, !('tools' in more), true, true, true]);
    }
  });

  test("GET /v1/models has Anthropic's shape for its clients and OpenAI's for others", async () => {
    const get = async (path: string, headers: Record<string, string>): Promise<Json> => {
      const response = await fetch(`${setting.gateway.url}${path}`, { headers });
      expect(response.status).toBe(200);
      return (await response.json()) as Json;
    };
    const anthropic = { 'x-api-key': setting.key, 'anthropic-version': '2023-06-01' };
    const list = await get('/v1/models', anthropic);
    const ids = (list['data'] as readonly Json[]).map((one) => one['id']);
    expect(ids).toContain(CLAUDE);
    expect(list).toMatchObject({ has_more: false, first_id: ids[0], last_id: ids.at(-1) });
    expect(await get(`/v1/models/${CLAUDE}`, anthropic)).toMatchObject({ type: 'model', id: CLAUDE });
    const other = await get('/v1/models', { authorization: `Bearer ${setting.key}` });
    expect(other['object']).toBe('list');
    expect((other['data'] as readonly Json[]).map((one) => one['id'])).toEqual(ids);
  });

  test('a body of 20 MB goes through, image and all', async () => {
    const data = Buffer.alloc(15 * 1024 * 1024, 'an image has no structure').toString('base64');
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } };
    const body = ask(CLAUDE, [{ type: 'text', text: 'What is this?' }, image]);
    await good(MESSAGES, body);
    const sent = Buffer.from(setting.simulator.bodies().at(-1)!);
    expect(sent.includes(data)).toBe(true);
    await good(CHAT, {
      ...ask(CLAUDE, [
        { type: 'text', text: 'And this?' },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
      ]),
    });
    expect(Buffer.from(setting.simulator.bodies().at(-1)!).includes(data)).toBe(true);
  }, 60_000);

  test("the vendor's keep-alives reach clients while they wait", async () => {
    const content = 'Wait. [[sim:delay=200]] [[sim:keepalive=4]]';
    const pings = async (path: string, model: string): Promise<string> => {
      const response = await setting.post(path, ask(model, content, { stream: true }));
      return await response.text();
    };
    const own = await pings(MESSAGES, CLAUDE);
    expect(own.split('event: ping\n').length).toBeGreaterThan(4);
    const chat = await pings(CHAT, CLAUDE);
    expect(chat.split('\n\n').filter((record) => record.startsWith(':')).length).toBeGreaterThan(3);
    expect(chat).not.toContain('event: ping');
    const messages = await pings(MESSAGES, GPT);
    expect(messages.split('event: ping\n').length).toBeGreaterThan(3);
    expect(saidInStream(MESSAGES, messages).text).toMatch(/\S/);
  });
});
