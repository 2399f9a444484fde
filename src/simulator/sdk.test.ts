import { describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources/chat/completions';
import { withSimulator } from './testing/client.ts';
import type { Simulator } from './server.ts';

const clientOf = (simulator: Simulator): OpenAI =>
  new OpenAI({ apiKey: 'sk-test', baseURL: `${simulator.url}/v1`, maxRetries: 0 });

const TOOLS: ChatCompletionTool[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' }, days: { type: 'integer' } },
        required: ['city', 'days'],
      },
    },
  },
];

describe('the official SDK', () => {
  for (const model of ['gpt-4o', 'deepseek-flash']) {
    test(`talks with tools (${model})`, () =>
      withSimulator({}, async (simulator) => {
        const client = clientOf(simulator);
        const messages: ChatCompletionMessageParam[] = [
          { role: 'user', content: 'Use get_weather for two places. [[sim:tools=2]]' },
        ];
        const first = await client.chat.completions.create({ model, messages, tools: TOOLS });
        const [choice] = first.choices;
        expect(choice?.finish_reason).toBe('tool_calls');
        const calls = choice!.message.tool_calls!;
        expect(calls.length).toBe(2);
        messages.push(choice!.message);
        for (const call of calls) {
          if (call.type !== 'function') throw new Error('expected a function');
          expect(Object.keys(JSON.parse(call.function.arguments) as object)).toEqual(['city', 'days']);
          messages.push({
            role: 'tool',
            tool_call_id: call.id,
            content: `sunny in ${call.function.arguments}`,
          });
        }
        const second = await client.chat.completions.create({ model, messages, tools: TOOLS });
        expect(second.choices[0]?.finish_reason).toBe('stop');
        expect(second.choices[0]?.message.content).toContain('to 2 results#');
      }));

    test(`puts a streamed tool call together (${model})`, () =>
      withSimulator({}, async (simulator) => {
        const stream = clientOf(simulator).chat.completions.stream({
          model,
          messages: [{ role: 'user', content: 'get_weather please [[sim:tools=2]]' }],
          tools: TOOLS,
          stream_options: { include_usage: true },
        });
        const final = await stream.finalChatCompletion();
        const calls = final.choices[0]?.message.tool_calls ?? [];
        expect(calls.map((call) => call.type === 'function' && call.function.arguments)).toEqual([
          '{"city":"city 0","days":1}',
          '{"city":"city 1","days":2}',
        ]);
        expect(final.usage?.completion_tokens).toBeGreaterThan(0);
      }));
  }

  test('streams text with its usage', () =>
    withSimulator({}, async (simulator) => {
      const stream = await clientOf(simulator).chat.completions.create({
        model: 'gpt-4o',
        messages: [{ role: 'user', content: 'hello' }],
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = '';
      let total = 0;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        total += chunk.usage?.total_tokens ?? 0;
      }
      expect(text).toStartWith('Answer#');
      expect(total).toBeGreaterThan(0);
    }));

  test('knows its errors', () =>
    withSimulator({}, async (simulator) => {
      const failure = async (status: number): Promise<unknown> =>
        clientOf(simulator)
          .chat.completions.create({
            model: 'gpt-4o',
            messages: [{ role: 'user', content: `[[sim:status=${status}]]` }],
          })
          .catch((error: unknown) => error);
      expect(await failure(429)).toBeInstanceOf(OpenAI.RateLimitError);
      expect(await failure(500)).toBeInstanceOf(OpenAI.InternalServerError);
      expect(await failure(401)).toBeInstanceOf(OpenAI.AuthenticationError);
      const models = await clientOf(simulator).models.list();
      expect(models.data.length).toBeGreaterThan(20);
    }));
});
