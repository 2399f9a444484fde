import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../errors/gateway-error.ts';
import { CONTEXT, record } from '../testing/answers.ts';
import { chatAnswer } from './answer.ts';

type Json = Record<string, unknown>;

const textOf = (answer: string | Json): string =>
  Buffer.from(
    chatAnswer(Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer)), CONTEXT),
  ).toString();
const convert = (answer: string | Json): Json => JSON.parse(textOf(answer)) as Json;
const choiceOf = (answer: string | Json): Json => record((convert(answer)['choices'] as Json[])[0]);
const messageOf = (answer: string | Json): Json => record(choiceOf(answer)['message']);

const message = (content: unknown[], more: Json = {}): Json => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-opus-5-5',
  content,
  stop_reason: 'end_turn',
  stop_sequence: null,
  ...more,
});
const hello = { type: 'text', text: 'Hello' };
const call = { type: 'tool_use', id: 'toolu_1', name: 'look', input: {} };

describe('chatAnswer', () => {
  test('a plain answer', () => {
    expect(convert(message([hello], { usage: { input_tokens: 3, output_tokens: 2 } }))).toEqual({
      id: 'msg_1',
      object: 'chat.completion',
      created: CONTEXT.nowS,
      model: 'claude-opus-5-5',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
  });

  test('text blocks are joined without a separator, citations and server tools left out', () => {
    const content = [
      hello,
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } },
      { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] },
      { type: 'text', text: ' there', citations: [{ type: 'web_search_result_location', url: 'u' }] },
      { type: 'from_the_future' },
      null,
    ];
    expect(messageOf(message(content))).toEqual({
      role: 'assistant',
      content: 'Hello there',
      refusal: null,
    });
  });

  test('content is null beside calls when there is no text, else a string', () => {
    expect(messageOf(message([call]))['content']).toBeNull();
    expect(messageOf(message([]))['content']).toBe('');
    expect(messageOf(message([hello, call]))['content']).toBe('Hello');
  });

  test('text keeps its spelling, halves of a surrogate pair in two blocks among it', () => {
    const text = textOf(
      '{"content":[{"type":"text","text":"\\u00e9é\\/\\ud83d"},{"type":"text","text":"\\ude00 \\u2028"}]}',
    );
    expect(text).toContain('"content":"\\u00e9é\\/\\ud83d\\ude00 \\u2028"');
  });

  test('arguments are the source of the input, to the byte', () => {
    const input = '{ "b":1.0, "10" : 1e2,\n"2":12345678901234567890, "é\\u00e9":"\\"\\\\ \\ud83d" }';
    const converted = messageOf(
      `{"content":[{"type":"tool_use","id":"toolu_1","name":"look","input":${input}}],"stop_reason":"tool_use"}`,
    );
    expect(converted['tool_calls']).toEqual([
      { id: 'toolu_1', type: 'function', function: { name: 'look', arguments: input } },
    ]);
  });

  test('a call without input has an empty object, without an id one that is always the same', () => {
    const bare = { type: 'tool_use', name: 'look' };
    const [one, other] = messageOf(message([bare, bare]))['tool_calls'] as Json[];
    expect(one).toMatchObject({ type: 'function', function: { name: 'look', arguments: '{}' } });
    expect(one!['id']).toMatch(/^call_[0-9a-f]{16}$/);
    expect(other!['id']).not.toBe(one!['id']);
    expect(messageOf(message([bare, bare]))['tool_calls']).toEqual([one, other]);
  });

  test('thinking is told, and comes with its signature so that it can come back', () => {
    const thinking = { type: 'thinking', thinking: 'Hm.', signature: 'sig==' };
    const redacted = { type: 'redacted_thinking', data: 'opaque' };
    expect(messageOf(message([thinking, redacted, hello, call]))).toMatchObject({
      content: 'Hello',
      reasoning_content: 'Hm.',
      thinking_blocks: [
        { ...thinking, index: 0 },
        { ...redacted, index: 1 },
      ],
    });
    // Its place counts what comes back: blocks, the text as one, calls.
    const between = [thinking, hello, { type: 'text', text: '' }, hello, call, thinking, call, redacted];
    expect(messageOf(message(between))['thinking_blocks']).toEqual([
      { ...thinking, index: 0 },
      { ...thinking, index: 3 },
      { ...redacted, index: 5 },
    ]);
  });

  test('blank text, which does not come back, has no place among what does', () => {
    const thinking = { type: 'thinking', thinking: 'Hm.', signature: 'sig==' };
    const redacted = { type: 'redacted_thinking', data: 'opaque' };
    const blank = { type: 'text', text: '\n\n' };
    expect(messageOf(message([thinking, blank, redacted, call]))).toMatchObject({
      content: '\n\n',
      thinking_blocks: [
        { ...thinking, index: 0 },
        { ...redacted, index: 1 },
      ],
    });
  });

  test('thinking without a signature is told and not kept; without a text it is kept and not told', () => {
    expect(messageOf(message([{ type: 'thinking', thinking: 'Hm.', signature: '' }, hello]))).toEqual({
      role: 'assistant',
      content: 'Hello',
      refusal: null,
      reasoning_content: 'Hm.',
    });
    const omitted = { type: 'thinking', thinking: '', signature: 'sig' };
    const kept = messageOf(message([omitted, hello]));
    expect(kept['thinking_blocks']).toEqual([{ ...omitted, index: 0 }]);
    expect(kept).not.toContainKey('reasoning_content');
  });

  test.each([
    ['end_turn', 'stop', 'tool_calls'],
    ['stop_sequence', 'stop', 'tool_calls'],
    ['max_tokens', 'length', 'length'],
    ['model_context_window_exceeded', 'length', 'length'],
    ['tool_use', 'stop', 'tool_calls'],
    ['refusal', 'content_filter', 'content_filter'],
    ['pause_turn', 'stop', 'tool_calls'],
    ['from_the_future', 'stop', 'tool_calls'],
    [null, 'stop', 'tool_calls'],
  ])('stop_reason %s is %s, with calls %s', (reason, alone, withCalls) => {
    expect(choiceOf(message([hello], { stop_reason: reason }))['finish_reason']).toBe(alone);
    expect(choiceOf(message([call], { stop_reason: reason }))['finish_reason']).toBe(withCalls);
  });

  test('why the vendor refused is kept', () => {
    const details = { type: 'refusal', category: 'cyber', explanation: 'No.' };
    const refused = choiceOf(message([], { stop_reason: 'refusal', stop_details: details }));
    expect(refused).toMatchObject({ finish_reason: 'content_filter', stop_details: details });
    expect(record(refused['message'])).toMatchObject({ content: '', refusal: null });
    expect(choiceOf(message([hello], { stop_details: null }))).not.toContainKey('stop_details');
  });

  test('usage counts inclusively, and tells no more than the vendor did', () => {
    const usage = {
      input_tokens: 10,
      cache_creation_input_tokens: 200,
      cache_read_input_tokens: 3_000,
      cache_creation: { ephemeral_5m_input_tokens: 150, ephemeral_1h_input_tokens: 50 },
      output_tokens: 40,
      output_tokens_details: { thinking_tokens: 25 },
    };
    expect(convert(message([hello], { usage }))['usage']).toEqual({
      prompt_tokens: 3_210,
      completion_tokens: 40,
      total_tokens: 3_250,
      prompt_tokens_details: { cached_tokens: 3_000, cache_write_tokens: 200 },
      completion_tokens_details: { reasoning_tokens: 25 },
    });
    expect(convert(message([hello]))).not.toContainKey('usage');
    expect(convert(message([hello], { usage: null }))).not.toContainKey('usage');
  });

  test('what the vendor does not say: the model asked for, and an id of its own', () => {
    const bare = convert({ content: [hello] });
    expect(bare['model']).toBe(CONTEXT.model);
    expect(bare['id']).toMatch(/^chatcmpl-[0-9a-f]{16}$/);
    expect(convert({ content: [hello] })).toEqual(bare);
    expect(convert({ id: '', content: [hello] })).toEqual(bare);
    const other = chatAnswer(Buffer.from(JSON.stringify({ content: [hello] })), {
      ...CONTEXT,
      unique: 'other',
    });
    expect((JSON.parse(Buffer.from(other).toString()) as Json)['id']).not.toBe(bare['id']);
  });

  test('what is no message', () => {
    for (const answer of [
      '',
      'null',
      '[]',
      '{}',
      '{"content":"text"}',
      '{"content":[',
      '{"type":"error"}',
      '\xff',
    ])
      try {
        textOf(answer);
        throw new Error(`taken: ${answer}`);
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect((error as GatewayError).code).toBe('upstream_protocol');
      }
  });
});
