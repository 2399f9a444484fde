import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { HumanMessage, ToolMessage, type AIMessageChunk, type BaseMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, jsonSchema, streamText, tool, type LanguageModel } from 'ai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { CLAUDE, GPT, startSetting, type Setting } from './support/anthropic.ts';

let setting: Setting;

beforeAll(async () => {
  setting = await startSetting();
});
afterAll(async () => setting[Symbol.asyncDispose]());
beforeEach(() => setting.simulator.reset());

const SKY = 'the sky over Kraków is clear 🙂';
const SCHEMA = {
  type: 'object',
  properties: { place: { type: 'string' }, days: { type: 'integer' } },
  required: ['place', 'days'],
} as const;
const question = (calls: number): string =>
  `Use get_weather. ${calls > 1 ? `[[sim:tools=${calls}]] ` : ''}${crypto.randomUUID()}`;

/** The vendor was asked twice, and the second time with every result. */
function expectTurns(calls: number): void {
  const bodies = setting.simulator.requests().map(({ body }) => Buffer.from(body).toString());
  expect(bodies).toHaveLength(2);
  expect(bodies[0]).not.toContain(SKY);
  expect(bodies[1]!.split(SKY)).toHaveLength(calls + 1);
}

/** Each ends with the text of the answer that follows the tools' results. */
type Model = (name: string) => LanguageModel;
const AI_SDK: readonly (readonly [string, () => Model])[] = [
  [
    'openai',
    () => {
      const openai = createOpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey: setting.key });
      return (id) => openai.chat(id);
    },
  ],
  [
    'openai-compatible',
    () => {
      const settings = { name: 'tr', baseURL: `${setting.gateway.url}/v1`, apiKey: setting.key };
      const compatible = createOpenAICompatible(settings);
      return (id) => compatible.chatModel(id);
    },
  ],
  ['anthropic', () => createAnthropic({ baseURL: `${setting.gateway.url}/v1`, apiKey: setting.key })],
];
const cases = AI_SDK.flatMap(([name, model]) =>
  [GPT, CLAUDE].flatMap((id) => [1, 3].map((calls) => [name, id, calls, model] as const)),
);

describe('the Vercel AI SDK', () => {
  const options = (calls: number) => ({
    tools: {
      get_weather: tool({
        description: 'Weather of a place',
        inputSchema: jsonSchema<{ place: string; days: number }>(SCHEMA),
        execute: ({ place, days }) => {
          expect(place).toBeString();
          expect(days).toBeInteger();
          return SKY;
        },
      }),
    },
    prompt: question(calls),
    maxRetries: 0,
    stopWhen: ({ steps }: { steps: readonly unknown[] }) => steps.length >= 4,
  });

  test.each(cases)('%s on %s, %i calls, whole', async (_, id, calls, model) => {
    const { text, steps } = await generateText({ model: model()(id), ...options(calls) });
    expect(steps.map(({ toolResults }) => toolResults.length)).toEqual([calls, 0]);
    expect(text).toContain(`to ${calls} results#`);
    expectTurns(calls);
  });

  test.each(cases)('%s on %s, %i calls, streamed', async (_, id, calls, model) => {
    const result = streamText({ model: model()(id), ...options(calls) });
    let text = '';
    for await (const piece of result.textStream) text += piece;
    expect((await result.steps).map(({ toolResults }) => toolResults.length)).toEqual([calls, 0]);
    expect(text).toContain(`to ${calls} results#`);
    expectTurns(calls);
  });
});

describe('LangChain', () => {
  const each = [GPT, CLAUDE].flatMap((id) =>
    [1, 3].flatMap((calls) => [false, true].map((streamed) => [id, calls, streamed] as const)),
  );
  test.each(each)('%s, %i calls, streamed: %p', async (id, calls, streamed) => {
    const model = new ChatOpenAI({
      model: id,
      apiKey: setting.key,
      maxRetries: 0,
      configuration: { baseURL: `${setting.gateway.url}/v1` },
    }).bindTools([{ type: 'function', function: { name: 'get_weather', parameters: SCHEMA } }]);
    // Not its `streaming: true`, which fetches a tokenizer from outside to count tokens.
    const ask = async (): Promise<AIMessageChunk> => {
      if (!streamed) return model.invoke(messages);
      let answer: AIMessageChunk | undefined;
      for await (const piece of await model.stream(messages)) answer = answer?.concat(piece) ?? piece;
      if (answer === undefined) throw new Error('an empty stream');
      return answer;
    };
    const messages: BaseMessage[] = [new HumanMessage(question(calls))];
    const asked = await ask();
    expect(asked.tool_calls).toHaveLength(calls);
    messages.push(asked);
    for (const call of asked.tool_calls ?? [])
      messages.push(new ToolMessage({ tool_call_id: call.id ?? '', content: SKY }));
    expect((await ask()).text).toContain(`to ${calls} results#`);
    expectTurns(calls);
  });
});
