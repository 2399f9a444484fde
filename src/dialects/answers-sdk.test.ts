import { describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { answerConversion } from './answer-conversions.ts';
import { CONTEXT, converted } from './testing/answers.ts';

/** What the vendors' own SDKs make of converted answers: each client hears its own dialect. */

const chatOverMessagesAnswers = answerConversion('openai-chat', 'anthropic-messages')!;
const messagesOverChatAnswers = answerConversion('anthropic-messages', 'openai-chat')!;

const answering =
  (body: string | Uint8Array, status = 200, type = 'text/event-stream') =>
  async (): Promise<Response> =>
    new Response(Buffer.from(body), { status, headers: { 'content-type': type } });

const openAi = (...answer: Parameters<typeof answering>): OpenAI =>
  new OpenAI({ apiKey: 'sk', maxRetries: 0, fetch: answering(...answer) });
const anthropic = (...answer: Parameters<typeof answering>): Anthropic =>
  new Anthropic({ apiKey: 'sk', maxRetries: 0, fetch: answering(...answer) });
/** What a call is rejected with. */
async function raised(run: PromiseLike<unknown>): Promise<unknown> {
  try {
    return { resolved: await run };
  } catch (error) {
    return error;
  }
}
const CHAT = { model: 'm', messages: [{ role: 'user' as const, content: 'hi' }] };
const MESSAGES = { ...CHAT, max_tokens: 100 };

const MESSAGE_EVENTS = [
  '{"type":"message_start","message":{"id":"msg_1","model":"claude","content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1}}}',
  '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}',
  '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}',
  '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}',
  '{"type":"content_block_stop","index":0}',
  '{"type":"ping"}',
  '{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}',
  '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\\ud83d"}}',
  '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\\ude00!"}}',
  '{"type":"content_block_stop","index":1}',
  '{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}',
  '{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\\"q\\":"}}',
  '{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}',
  '{"type":"content_block_stop","index":2}',
  '{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"look","input":{}}}',
  '{"type":"content_block_stop","index":3}',
  '{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":9}}',
  '{"type":"message_stop"}',
];
const chunk = (delta: object, finish: string | null = null): string =>
  JSON.stringify({ id: 'chatcmpl-1', model: 'gpt', choices: [{ index: 0, delta, finish_reason: finish }] });
const CHAT_CHUNKS = [
  chunk({ role: 'assistant', content: null, reasoning_content: '' }),
  chunk({ reasoning_content: 'Hm.' }),
  chunk({ content: '\ud83d' }),
  chunk({ content: '\ude00!' }),
  chunk({ tool_calls: [{ index: 0, id: 'call_1chance00', function: { name: 'look', arguments: '{"q":' } }] }),
  chunk({ tool_calls: [{ index: 1, id: 'call_2chance00', function: { name: 'look', arguments: '' } }] }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: '1}' } }] }),
  chunk({}, 'tool_calls'),
  '{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":7}}}',
  '[DONE]',
];
const ERROR_EVENT = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}';
const ERROR_CHUNK = '{"error":{"message":"Overloaded","type":"server_error","code":"server_is_overloaded"}}';

const chatText = (events: readonly string[]): string =>
  converted(chatOverMessagesAnswers.stream(CONTEXT), events);
const messagesText = (chunks: readonly string[]): string =>
  converted(messagesOverChatAnswers.stream(CONTEXT), chunks);

const CALLS = [
  { id: 'toolu_1', function: { name: 'look', arguments: '{"q":1}' } },
  { id: 'toolu_2', function: { name: 'look', arguments: '{}' } },
];
const USAGE = {
  prompt_tokens: 12,
  completion_tokens: 9,
  total_tokens: 21,
  prompt_tokens_details: { cached_tokens: 7 },
};

test('who speaks as the vendor does needs no conversion', () => {
  expect(answerConversion('openai-chat', 'openai-chat')).toBeNull();
  expect(answerConversion('anthropic-messages', 'anthropic-messages')).toBeNull();
});

describe('OpenAI’s SDK on a Messages answer', () => {
  test('streamed', async () => {
    const done = await openAi(chatText(MESSAGE_EVENTS)).chat.completions.stream(CHAT).finalChatCompletion();
    expect(done).toMatchObject({ id: 'msg_1', model: 'claude', usage: USAGE });
    expect(done.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: '😀!',
        tool_calls: CALLS,
        thinking_blocks: [{ type: 'thinking', thinking: 'Hm.', signature: 'sig', index: 0 }],
      },
    });
  });

  test('whole', async () => {
    const message = {
      id: 'msg_1',
      model: 'claude',
      content: [
        { type: 'text', text: '😀!' },
        { type: 'tool_use', id: 'toolu_1', name: 'look', input: { q: 1 } },
        { type: 'tool_use', id: 'toolu_2', name: 'look', input: {} },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 9 },
    };
    const body = chatOverMessagesAnswers.body(Buffer.from(JSON.stringify(message)), CONTEXT);
    const done = await openAi(body, 200, 'application/json').chat.completions.create(CHAT);
    expect(done).toMatchObject({
      usage: USAGE,
      choices: [{ finish_reason: 'tool_calls', message: { content: '😀!', tool_calls: CALLS } }],
    });
  });

  test('a failure in the middle is raised', async () => {
    const text = chatText([...MESSAGE_EVENTS.slice(0, 9), ERROR_EVENT]);
    const run = openAi(text).chat.completions.stream(CHAT).finalChatCompletion();
    expect(await raised(run)).toMatchObject({ message: 'Overloaded' });
  });

  test('a refusal is of the right class', async () => {
    const { status, body } = chatOverMessagesAnswers.error(
      429,
      Buffer.from(ERROR_EVENT.replace('overloaded', 'rate_limit')),
    );
    const run = openAi(body, status, 'application/json').chat.completions.create(CHAT);
    const error = await raised(run);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ message: '429 Overloaded', code: 'rate_limit_exceeded' });
  });
});

const CONTENT = [
  { type: 'thinking', thinking: 'Hm.', signature: '' },
  { type: 'text', text: '😀!' },
  { type: 'tool_use', id: 'call_1chance00', name: 'look', input: { q: 1 } },
  { type: 'tool_use', id: 'call_2chance00', name: 'look', input: {} },
];
const MESSAGE_USAGE = { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 9 };

describe('Anthropic’s SDK on a Chat Completions answer', () => {
  test('streamed', async () => {
    const done = await anthropic(messagesText(CHAT_CHUNKS)).messages.stream(MESSAGES).finalMessage();
    expect(done).toMatchObject({
      id: 'chatcmpl-1',
      model: 'gpt',
      content: CONTENT,
      stop_reason: 'tool_use',
      stop_sequence: null,
      stop_details: null,
      usage: MESSAGE_USAGE,
    });
  });

  test('whole', async () => {
    const completion = {
      id: 'chatcmpl-1',
      model: 'gpt',
      choices: [
        {
          index: 0,
          message: {
            content: '😀!',
            reasoning_content: 'Hm.',
            tool_calls: [
              { id: 'call_1chance00', type: 'function', function: { name: 'look', arguments: '{"q":1}' } },
              { id: 'call_2chance00', type: 'function', function: { name: 'look', arguments: '' } },
            ],
          },
          finish_reason: 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 12, completion_tokens: 9, prompt_tokens_details: { cached_tokens: 7 } },
    };
    const body = messagesOverChatAnswers.body(Buffer.from(JSON.stringify(completion)), CONTEXT);
    const done = await anthropic(body, 200, 'application/json').messages.create(MESSAGES);
    expect(done).toMatchObject({ content: CONTENT, stop_reason: 'tool_use', usage: MESSAGE_USAGE });
  });

  test('a failure in the middle is raised', async () => {
    const text = messagesText([...CHAT_CHUNKS.slice(0, 4), ERROR_CHUNK]);
    const run = anthropic(text).messages.stream(MESSAGES).finalMessage();
    expect(await raised(run)).toMatchObject({ type: 'overloaded_error' });
  });

  test('a refusal is of the right class', async () => {
    const { status, body } = messagesOverChatAnswers.error(503, Buffer.from(ERROR_CHUNK));
    const run = anthropic(body, status, 'application/json').messages.create(MESSAGES);
    const error = await raised(run);
    expect(error).toBeInstanceOf(Anthropic.InternalServerError);
    expect(error).toMatchObject({
      status: 529,
      type: 'overloaded_error',
      apiMessage: 'Overloaded',
      errorCode: 'server_is_overloaded',
    });
  });
});
