import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../errors/gateway-error.ts';
import { CONTEXT } from '../testing/answers.ts';
import { messagesAnswer } from './answer.ts';

type Json = Record<string, unknown>;

const textOf = (answer: string | Json): string =>
  Buffer.from(
    messagesAnswer(Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer)), CONTEXT),
  ).toString();
const convert = (answer: string | Json): Json => JSON.parse(textOf(answer)) as Json;

const completion = (message: Json, finish: string | null = 'stop', more: Json = {}): Json => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'deepseek-flash',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
  ...more,
});
const contentOf = (message: Json): unknown => convert(completion(message))['content'];
const call = (more: Json = {}): Json => ({
  id: 'call_1chance00',
  type: 'function',
  function: { name: 'look', arguments: '{}' },
  ...more,
});
const thrown = (answer: string | Json): GatewayError => {
  try {
    textOf(answer);
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error('no GatewayError');
};

test('calls without a word are none', () => {
  const stub = { name: '', arguments: '' };
  expect(contentOf({ content: 'x', function_call: stub, tool_calls: [{ function: stub }] })).toEqual([
    { type: 'text', text: 'x' },
  ]);
});

describe('messagesAnswer', () => {
  test('a plain answer, DeepSeek’s blank lines before it', () => {
    const usage = { prompt_tokens: 100, completion_tokens: 5, prompt_cache_hit_tokens: 64 };
    expect(convert(`\n\n${JSON.stringify(completion({ content: 'Hello' }, 'stop', { usage }))}`)).toEqual({
      id: 'chatcmpl-1',
      type: 'message',
      role: 'assistant',
      model: 'deepseek-flash',
      content: [{ type: 'text', text: 'Hello' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      stop_details: null,
      usage: {
        input_tokens: 36,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 64,
        output_tokens: 5,
      },
    });
  });

  test('thinking first, then text, then calls', () => {
    const two = call({ id: 'call_2chance00' });
    expect(contentOf({ content: 'x', reasoning_content: 'Hm.', tool_calls: [call(), two] })).toEqual([
      { type: 'thinking', thinking: 'Hm.', signature: '' },
      { type: 'text', text: 'x' },
      { type: 'tool_use', id: 'call_1chance00', name: 'look', input: {} },
      { type: 'tool_use', id: 'call_2chance00', name: 'look', input: {} },
    ]);
  });

  test('empty and absent text make no block', () => {
    for (const message of [{ content: '' }, { content: null }, {}, { content: '', reasoning_content: '' }])
      expect(contentOf(message)).toEqual([]);
  });

  test('reasoning of other servers; what is told twice is told once', () => {
    const thinking = [{ type: 'thinking', thinking: 'Hm.', signature: '' }];
    const details = [
      { type: 'reasoning.text', text: 'H', signature: 'sig' },
      { type: 'reasoning.encrypted', data: 'opaque' },
      { type: 'reasoning.summary', summary: 'm.' },
    ];
    expect(contentOf({ reasoning: 'Hm.' })).toEqual(thinking);
    expect(contentOf({ reasoning: 'Hm.', reasoning_details: details })).toEqual(thinking);
    expect(contentOf({ reasoning_content: 'Hm.', reasoning: 'Hm.' })).toEqual(thinking);
    expect(contentOf({ reasoning: null, reasoning_details: details })).toEqual(thinking);
  });

  test('content in parts', () => {
    expect(
      contentOf({ content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }, { type: 'x' }] }),
    ).toEqual([{ type: 'text', text: 'ab' }]);
  });

  test('text keeps its spelling', () => {
    const text = textOf(
      '{"choices":[{"message":{"content":"\\u00e9é\\/\\ud83d\\ude00\\ud83d"},"finish_reason":"stop"}]}',
    );
    expect(text).toContain('"text":"\\u00e9é\\/\\ud83d\\ude00\\ud83d"');
  });

  test('input is what the arguments spell, to the byte', () => {
    const input = '{ "b":1.0, "10" : 1e2,\n"2":12345678901234567890, "é\\u00e9":"\\"\\\\", "b":-0 }';
    const answer = `{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"look","arguments":${JSON.stringify(input)}}}]}}]}`;
    expect(textOf(answer)).toContain(`"input":${input}}`);
  });

  test('half of a surrogate pair in arguments is written as the escape that it needs', () => {
    const answer = String.raw`{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"look","arguments":"{\"a\":\"\ud83d\",\"b\":\"\\ud83d\",\"c\":\"\ud83d\ude00\"}"}}]}}]}`;
    expect(textOf(answer)).toContain('"input":{"a":"\\ud83d","b":"\\ud83d","c":"😀"}}');
  });

  test('no arguments are an empty object; what is no JSON is told as it is, not repaired', () => {
    const inputOf = (text: unknown): unknown =>
      (contentOf({ tool_calls: [call({ function: { name: 'look', arguments: text } })] }) as Json[])[0]![
        'input'
      ];
    expect(inputOf('')).toEqual({});
    expect(inputOf(' \n')).toEqual({});
    expect(inputOf(undefined)).toEqual({});
    expect(inputOf('{"a":[1,2')).toEqual({ INVALID_JSON: '{"a":[1,2' });
    expect(inputOf('{}{"a":1}')).toEqual({ INVALID_JSON: '{}{"a":1}' });
    expect(inputOf('\\\ud83d')).toEqual({ INVALID_JSON: '\\\ud83d' });
    // The client sends it back, where anything but an object is refused.
    expect(inputOf(' null')).toEqual({});
    for (const text of ['[1]', '"x"', '7', 'true', '[{}]'])
      expect(inputOf(text)).toEqual({ INVALID_JSON: text });
    // An object where a string should be.
    expect(inputOf({ a: 1 })).toEqual({ a: 1 });
  });

  test('a function call of old', () => {
    const answer = convert(completion({ content: null, function_call: call()['function'] }, 'function_call'));
    expect(answer).toMatchObject({
      content: [{ type: 'tool_use', name: 'look', input: {} }],
      stop_reason: 'tool_use',
    });
    expect((answer['content'] as Json[])[0]!['id']).toMatch(/^toolu_[0-9a-f]{16}$/);
    expect(contentOf({ content: 'x', function_call: null, tool_calls: null })).toHaveLength(1);
  });

  test('calls without an id get one each, always the same', () => {
    const bare = { tool_calls: [call({ id: '' }), call({ id: undefined })] };
    const ids = (contentOf(bare) as Json[]).map((block) => block['id']);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^toolu_[0-9a-f]{16}$/);
    expect((contentOf(bare) as Json[]).map((block) => block['id'])).toEqual(ids);
  });

  test.each([
    ['stop', 'end_turn', 'tool_use'],
    ['tool_calls', 'end_turn', 'tool_use'],
    ['function_call', 'end_turn', 'tool_use'],
    ['length', 'max_tokens', 'max_tokens'],
    ['content_filter', 'refusal', 'refusal'],
    ['from_the_future', 'end_turn', 'tool_use'],
    ['', 'end_turn', 'tool_use'],
    [null, 'end_turn', 'tool_use'],
  ])('finish_reason %s is %s, with calls %s', (finish, alone, withCalls) => {
    expect(convert(completion({ content: 'x' }, finish))['stop_reason']).toBe(alone);
    expect(convert(completion({ tool_calls: [call()] }, finish))['stop_reason']).toBe(withCalls);
  });

  test('a refusal is text, and the reason', () => {
    expect(convert(completion({ content: null, refusal: 'No.' }))).toMatchObject({
      content: [{ type: 'text', text: 'No.' }],
      stop_reason: 'refusal',
    });
  });

  test('an answer that its vendor broke off is none', () => {
    for (const reason of ['insufficient_system_resource', 'aborted', 'error']) {
      const error = thrown(completion({ content: 'x' }, reason));
      expect(error.code).toBe('upstream_closed');
      expect(error.message).toContain(reason);
    }
  });

  test('usage counts exclusively; what is not told is null', () => {
    const usageOf = (usage: unknown): unknown =>
      convert(completion({ content: 'x' }, 'stop', { usage }))['usage'];
    expect(
      usageOf({
        prompt_tokens: 100,
        completion_tokens: 30,
        prompt_tokens_details: { cached_tokens: 64, cache_write_tokens: 10 },
        completion_tokens_details: { reasoning_tokens: 20 },
      }),
    ).toEqual({
      input_tokens: 26,
      cache_creation_input_tokens: 10,
      cache_read_input_tokens: 64,
      output_tokens: 30,
      output_tokens_details: { thinking_tokens: 20 },
    });
    expect(usageOf({ prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: null })).toEqual({
      input_tokens: 5,
      cache_creation_input_tokens: null,
      cache_read_input_tokens: null,
      output_tokens: 1,
    });
    for (const none of [null, undefined, 7])
      expect(usageOf(none)).toEqual({ input_tokens: 0, output_tokens: 0 });
  });

  test('the choice with index 0 counts, wherever it stands', () => {
    const choices = [
      null,
      { index: 1, message: { content: 'no' } },
      { index: 0, message: { content: 'yes' } },
    ];
    expect(convert({ choices })['content']).toEqual([{ type: 'text', text: 'yes' }]);
  });

  test('what the vendor does not say: the model asked for, and an id that is always the same', () => {
    const bare = convert({ choices: [{ message: { content: 'x' } }] });
    expect(bare).toMatchObject({ model: CONTEXT.model, id: expect.stringMatching(/^msg_[0-9a-f]{16}$/) });
    expect(convert({ choices: [{ message: { content: 'x' } }] })).toEqual(bare);
  });

  test('what is no completion', () => {
    for (const answer of [
      '',
      'null',
      '[]',
      '{}',
      '{"choices":[]}',
      '{"choices":[1]}',
      '{"choices":[{}]}',
      '{"choices":',
    ])
      expect(thrown(answer).code).toBe('upstream_protocol');
    expect(thrown({ error: { message: 'No such model.' } }).message).toContain('No such model.');
    for (const name of [undefined, '', 7])
      expect(thrown(completion({ tool_calls: [call({ function: { name } })] })).code).toBe(
        'upstream_protocol',
      );
  });
});
