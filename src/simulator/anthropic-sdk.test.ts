import { describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import type { Message, MessageParam, Tool, ToolResultBlockParam } from '@anthropic-ai/sdk/resources/messages';
import { withSimulator } from './testing/client.ts';
import type { Simulator } from './server.ts';

const clientOf = (simulator: Simulator): Anthropic =>
  new Anthropic({ apiKey: 'sk-ant-test', baseURL: simulator.url, maxRetries: 0 });

const TOOLS: Tool[] = [
  {
    name: 'get_weather',
    input_schema: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city', 'days'],
    },
  },
];

const ASK = { model: 'claude-sonnet-4-6', max_tokens: 4000 };

/** Answers every call of a message. */
const resultsOf = (message: Message): ToolResultBlockParam[] =>
  message.content.flatMap((block): ToolResultBlockParam[] =>
    block.type === 'tool_use'
      ? [{ type: 'tool_result', tool_use_id: block.id, content: `sunny in ${JSON.stringify(block.input)}` }]
      : [],
  );

describe("Anthropic's own SDK", () => {
  for (const model of ['claude-sonnet-4-6', 'claude-opus-5', 'claude-opus-5-5']) {
    test(`talks with tools, thinking sent back as it came (${model})`, () =>
      withSimulator({}, async (simulator) => {
        const client = clientOf(simulator);
        const request = { ...ASK, model, tools: TOOLS };
        const messages: MessageParam[] = [
          { role: 'user', content: 'Use get_weather for two places. [[sim:tools=2]]' },
        ];
        for (const stream of [false, true]) {
          const asked = stream
            ? await client.messages.stream({ ...request, messages }).finalMessage()
            : await client.messages.create({ ...request, messages });
          expect(asked.stop_reason).toBe('tool_use');
          const results = resultsOf(asked);
          expect(results.length).toBe(2);
          messages.push({ role: 'assistant', content: asked.content }, { role: 'user', content: results });
          const told = await client.messages.create({ ...request, messages });
          expect(told.stop_reason).toBe('end_turn');
          const said = told.content.at(-1);
          expect(said?.type === 'text' && said.text).toContain('to 2 results#');
          messages.push(
            { role: 'assistant', content: told.content },
            { role: 'user', content: 'get_weather again' },
          );
        }
        expect(simulator.stats().bill[model]?.requests).toBe(4);
      }));
  }

  test('puts a streamed call together', () =>
    withSimulator({}, async (simulator) => {
      const stream = clientOf(simulator).messages.stream({
        ...ASK,
        messages: [{ role: 'user', content: 'get_weather please [[sim:tools=2]]' }],
        tools: TOOLS,
      });
      const inputs: unknown[] = [];
      stream.on('contentBlock', (block) => inputs.push(block.type === 'tool_use' && block.input));
      const final = await stream.finalMessage();
      expect(inputs).toEqual([
        { city: 'city 0', days: 1 },
        { city: 'city 1', days: 2 },
      ]);
      expect(final.usage.output_tokens).toBeGreaterThan(0);
    }));

  test('streams thinking and text', () =>
    withSimulator({}, async (simulator) => {
      const stream = clientOf(simulator).messages.stream({
        ...ASK,
        thinking: { type: 'enabled', budget_tokens: 1024 },
        messages: [{ role: 'user', content: 'hello' }],
      });
      let thinking = '';
      let text = '';
      stream.on('thinking', (delta) => (thinking += delta)).on('text', (delta) => (text += delta));
      const [thought, said] = (await stream.finalMessage()).content;
      expect(thought).toMatchObject({ type: 'thinking', thinking });
      expect(thought?.type === 'thinking' && thought.signature.length).toBeGreaterThan(100);
      expect(said).toMatchObject({ type: 'text', text });
      expect(text).toStartWith('Answer#');
    }));

  test('reads and writes the cache', () =>
    withSimulator({}, async (simulator) => {
      const client = clientOf(simulator);
      const ask = async (content: string): Promise<Message['usage']> => {
        const { usage } = await client.messages.create({
          ...ASK,
          system: [
            {
              type: 'text',
              text: 'a long text. '.repeat(1000),
              cache_control: { type: 'ephemeral', ttl: '1h' },
            },
          ],
          messages: [{ role: 'user', content }],
        });
        return usage;
      };
      const first = await ask('one');
      expect(first.cache_creation?.ephemeral_1h_input_tokens).toBeGreaterThan(1024);
      expect((await ask('two')).cache_read_input_tokens).toBe(first.cache_creation_input_tokens);
    }));

  test('counts tokens and lists models', () =>
    withSimulator({}, async (simulator) => {
      const client = clientOf(simulator);
      const messages: MessageParam[] = [{ role: 'user', content: 'hello' }];
      const counted = await client.messages.countTokens({ model: ASK.model, messages, tools: TOOLS });
      const { usage } = await client.messages.create({ ...ASK, messages, tools: TOOLS });
      expect(usage.input_tokens).toBe(counted.input_tokens);
      const ids: string[] = [];
      for await (const model of client.models.list()) ids.push(model.id);
      expect(ids).toContain('claude-opus-5-5');
    }));

  test('knows its errors, before and in a stream', () =>
    withSimulator({}, async (simulator) => {
      const client = clientOf(simulator);
      const failure = (status: number): Promise<unknown> =>
        client.messages
          .create({ ...ASK, messages: [{ role: 'user', content: `[[sim:status=${status}]]` }] })
          .catch((error: unknown) => error);
      expect(await failure(429)).toBeInstanceOf(Anthropic.RateLimitError);
      expect(await failure(529)).toBeInstanceOf(Anthropic.InternalServerError);
      expect(await failure(401)).toBeInstanceOf(Anthropic.AuthenticationError);
      const refused = client.messages.create({ ...ASK, messages: [] });
      expect(await refused.catch((error: unknown) => error)).toBeInstanceOf(Anthropic.BadRequestError);
      const broken = client.messages.stream({
        ...ASK,
        messages: [{ role: 'user', content: '[[sim:error=2]]' }],
      });
      const error = await broken.finalMessage().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(Anthropic.APIError);
      expect(String(error)).toContain('overloaded_error');
    }));
});
