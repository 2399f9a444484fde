import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import type { BetaMessageParam, BetaUsage } from '@anthropic-ai/sdk/resources/beta/messages';
import type {
  Message,
  MessageParam,
  ToolResultBlockParam,
  Usage as MessageUsage,
} from '@anthropic-ai/sdk/resources/messages';
import {
  HumanMessage,
  SystemMessage,
  ToolMessage,
  type AIMessageChunk,
  type BaseMessage,
  type UsageMetadata,
} from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import {
  generateText,
  jsonSchema,
  streamText,
  tool as aiTool,
  type LanguageModel,
  type LanguageModelUsage,
  type ModelMessage,
} from 'ai';
import OpenAI from 'openai';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import type { CompletionUsage } from 'openai/resources/completions';

/** What the tool of a talk is asked. */
export interface Place {
  readonly place: string;
  readonly days: number;
}

/** What one answer told of its tokens, in the terms of no client. */
export interface Told {
  /** Cached ones included. */
  readonly input: number;
  readonly cached: number;
  readonly output: number;
}

export interface Turn {
  readonly text: string;
  /** One for each answer, in order. */
  readonly told: readonly Told[];
}

/** What a talk is held with. */
export interface TalkSettings {
  /** Without a path. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly streamed: boolean;
  /** Let the model think aloud, by as much as such a client calls little. */
  readonly thinking: boolean;
  readonly system: string;
  /** `get_weather`. */
  readonly weather: (place: Place) => string;
}

/** Says one thing to the model, runs the tools it calls for, ends with its answer; what was said before is remembered. */
export type Talk = (question: string) => Promise<Turn>;
export type Client = (settings: TalkSettings) => Talk;

const DESCRIPTION = 'Weather of a place';
const SCHEMA = {
  type: 'object',
  properties: { place: { type: 'string' }, days: { type: 'integer' } },
  required: ['place', 'days'],
} as const;
/** More than the least budget for thinking. */
const MAX_TOKENS = 4_000;

const ofChat = (usage: CompletionUsage): Told => ({
  input: usage.prompt_tokens,
  cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
  output: usage.completion_tokens,
});

/** `openai`, its loop over tools. */
export const openaiRunTools: Client = ({ key, model, streamed, system, thinking, url, weather }) => {
  const { completions } = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 }).chat;
  const messages: ChatCompletionMessageParam[] = [{ role: 'system', content: system }];
  return async (question) => {
    messages.push({ role: 'user', content: question });
    const get = {
      type: 'function' as const,
      function: {
        name: 'get_weather',
        description: DESCRIPTION,
        parameters: SCHEMA as unknown as Record<string, unknown>,
        parse: (text: string) => JSON.parse(text) as Place,
        function: weather,
      },
    };
    const request = {
      model,
      messages,
      tools: [get],
      ...(thinking ? { reasoning_effort: 'low' as const, max_completion_tokens: MAX_TOKENS } : {}),
    };
    const runner = streamed
      ? completions.runTools({ ...request, stream: true, stream_options: { include_usage: true } })
      : completions.runTools(request);
    const text = (await runner.finalContent()) ?? '';
    const told = runner.allChatCompletions().flatMap(({ usage }) => (usage ? [ofChat(usage)] : []));
    messages.splice(0, messages.length, ...runner.messages);
    return { text, told };
  };
};

const ofMessages = (usage: MessageUsage | BetaUsage): Told => ({
  input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
  cached: usage.cache_read_input_tokens ?? 0,
  output: usage.output_tokens,
});

const textIn = (content: readonly { readonly type: string; readonly text?: string }[]): string =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('');

const anthropicOf = ({ key, url }: TalkSettings): Anthropic =>
  new Anthropic({ apiKey: key, baseURL: url, maxRetries: 0 });

const thinkingOf = (thinking: boolean): { thinking?: { type: 'enabled'; budget_tokens: number } } =>
  thinking ? { thinking: { type: 'enabled', budget_tokens: 1_024 } } : {};

/** `@anthropic-ai/sdk`, the loop over tools written by hand, as its documents show it. */
export const anthropicMessages: Client = (settings) => {
  const { model, streamed, system, thinking, weather } = settings;
  const client = anthropicOf(settings);
  const messages: MessageParam[] = [];
  const ask = (): Promise<Message> => {
    const request = {
      model,
      system,
      messages,
      max_tokens: MAX_TOKENS,
      tools: [
        {
          name: 'get_weather',
          description: DESCRIPTION,
          input_schema: { ...SCHEMA, required: [...SCHEMA.required] },
        },
      ],
      ...thinkingOf(thinking),
    };
    return streamed
      ? client.messages.stream(request).finalMessage()
      : client.messages.create({ ...request, stream: false });
  };
  return async (question) => {
    messages.push({ role: 'user', content: question });
    const told: Told[] = [];
    for (;;) {
      const { content, stop_reason: reason, usage } = await ask();
      told.push(ofMessages(usage));
      messages.push({ role: 'assistant', content });
      if (reason !== 'tool_use') return { text: textIn(content), told };
      const results = content.flatMap((block): ToolResultBlockParam[] =>
        block.type === 'tool_use'
          ? [{ type: 'tool_result', tool_use_id: block.id, content: weather(block.input as Place) }]
          : [],
      );
      messages.push({ role: 'user', content: results });
    }
  };
};

/** `@anthropic-ai/sdk`, its own loop over tools; `threaded`: it asks the vendor to keep the conversation, as it does by default. */
const toolRunner =
  (threaded: boolean): Client =>
  (settings) => {
    const { model, streamed, system, thinking, weather } = settings;
    const client = anthropicOf(settings);
    let messages: BetaMessageParam[] = [];
    return async (question) => {
      messages.push({ role: 'user', content: question });
      const runner = client.beta.messages.toolRunner({
        model,
        system,
        messages,
        max_tokens: MAX_TOKENS,
        stream: streamed,
        ...(threaded ? {} : { thread: false }),
        tools: [
          betaTool({ name: 'get_weather', description: DESCRIPTION, inputSchema: SCHEMA, run: weather }),
        ],
        ...thinkingOf(thinking),
      });
      const told: Told[] = [];
      for await (const answer of runner) {
        const { usage } = 'finalMessage' in answer ? await answer.finalMessage() : answer;
        told.push(ofMessages(usage));
      }
      const { content } = await runner.done();
      messages = [...runner.params.messages];
      if (messages.at(-1)?.role !== 'assistant') messages.push({ role: 'assistant', content });
      return { text: textIn(content), told };
    };
  };

export const anthropicToolRunner = toolRunner(false);
export const anthropicThreads = toolRunner(true);

const ofAiSdk = ({ inputTokenDetails, inputTokens = 0, outputTokens = 0 }: LanguageModelUsage): Told => ({
  input: inputTokens,
  cached: inputTokenDetails.cacheReadTokens ?? 0,
  output: outputTokens,
});

/** The Vercel AI SDK with the provider that `modelOf` makes. */
const aiSdk =
  (modelOf: (settings: TalkSettings) => LanguageModel): Client =>
  (settings) => {
    const { streamed, system, thinking, weather } = settings;
    const messages: ModelMessage[] = [];
    return async (question) => {
      messages.push({ role: 'user', content: question });
      const request = {
        model: modelOf(settings),
        instructions: system,
        messages,
        maxOutputTokens: MAX_TOKENS,
        maxRetries: 0,
        tools: {
          get_weather: aiTool({
            description: DESCRIPTION,
            inputSchema: jsonSchema<Place>(SCHEMA),
            execute: weather,
          }),
        },
        stopWhen: ({ steps }: { readonly steps: readonly unknown[] }) => steps.length >= 4,
        ...(thinking
          ? {
              providerOptions: { anthropic: { thinking: { type: 'enabled' as const, budgetTokens: 1_024 } } },
            }
          : {}),
      };
      if (!streamed) {
        const { responseMessages, steps, text } = await generateText(request);
        messages.push(...responseMessages);
        return { text, told: steps.map(({ usage }) => ofAiSdk(usage)) };
      }
      const result = streamText(request);
      await result.consumeStream();
      messages.push(...(await result.responseMessages));
      return { text: await result.text, told: (await result.steps).map(({ usage }) => ofAiSdk(usage)) };
    };
  };

export const aiOpenAI = aiSdk(({ key, model, url }) =>
  createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model),
);
export const aiCompatible = aiSdk(({ key, model, url }) =>
  createOpenAICompatible({ name: 'tr', baseURL: `${url}/v1`, apiKey: key, includeUsage: true }).chatModel(
    model,
  ),
);
export const aiAnthropic = aiSdk(({ key, model, url }) =>
  createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
);

const ofLangChain = (usage: UsageMetadata | undefined): Told => ({
  input: usage?.input_tokens ?? 0,
  cached: usage?.input_token_details?.cache_read ?? 0,
  output: usage?.output_tokens ?? 0,
});

/** `@langchain/openai`. */
export const langChain: Client = ({ key, model, streamed, system, url, weather }) => {
  const chat = new ChatOpenAI({
    model,
    apiKey: key,
    maxRetries: 0,
    configuration: { baseURL: `${url}/v1` },
  }).bindTools([
    { type: 'function', function: { name: 'get_weather', description: DESCRIPTION, parameters: SCHEMA } },
  ]);
  const messages: BaseMessage[] = [new SystemMessage(system)];
  // Not its `streaming: true`, which fetches a tokenizer from outside to count tokens.
  const ask = async (): Promise<AIMessageChunk> => {
    if (!streamed) return chat.invoke(messages);
    let answer: AIMessageChunk | undefined;
    for await (const piece of await chat.stream(messages)) answer = answer?.concat(piece) ?? piece;
    if (answer === undefined) throw new Error('an empty stream');
    return answer;
  };
  return async (question) => {
    messages.push(new HumanMessage(question));
    const told: Told[] = [];
    for (;;) {
      const answer = await ask();
      messages.push(answer);
      told.push(ofLangChain(answer.usage_metadata));
      const calls = answer.tool_calls ?? [];
      if (calls.length === 0) return { text: answer.text, told };
      for (const { args, id = '' } of calls)
        messages.push(new ToolMessage({ tool_call_id: id, content: weather(args as Place) }));
    }
  };
};
