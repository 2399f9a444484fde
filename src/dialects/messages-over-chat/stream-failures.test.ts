import { describe, expect, test } from 'bun:test';
import { CONTEXT, dataOf, feed, record } from '../testing/answers.ts';
import { MessagesStream } from './stream.ts';

type Json = Record<string, unknown>;

const DONE = '[DONE]';
const chunk = (delta: string, finish = 'null'): string =>
  `{"id":"chatcmpl-1","model":"gpt-6-sol","choices":[{"index":0,"delta":${delta},"finish_reason":${finish}}]}`;
const say = (raw: string): string => chunk(`{"content":"${raw}"}`);
const finish = (reason: string): string => chunk('{}', `"${reason}"`);
const call = (fragment: Json): string => chunk(JSON.stringify({ tool_calls: [fragment] }));
const begin = (index: number, id: string, args = ''): string =>
  call({ index, id, type: 'function', function: { name: 'look', arguments: args } });
const more = (index: number, args: string): string => call({ index, function: { arguments: args } });
const stream = (): MessagesStream => new MessagesStream(CONTEXT);

describe('a MessagesStream that fails', () => {
  const errorOf = (data: readonly string[]): Json => {
    const one = stream();
    const out = feed(one, [...data, say('later'), DONE]) + one.end();
    expect(one.failed).toBe(true);
    expect(one.comment()).toBe('');
    expect(out).not.toMatch(/later|message_delta|message_stop/);
    expect(out.split('\n\n').at(-2)).toStartWith('event: error\ndata: ');
    return record(JSON.parse(dataOf(out).at(-1)!) as Json);
  };

  test.each([
    ['{"error":{"message":"M\\u0021","type":"server_error","code":null}}', 'api_error'],
    ['{"error":{"message":"M\\u0021","code":"server_is_overloaded"}}', 'overloaded_error'],
    ['{"error":{"message":"M\\u0021","type":"insufficient_quota"}}', 'billing_error'],
    ['{"error":{"message":"M\\u0021","type":"invalid_request_error"}}', 'invalid_request_error'],
    ['{"error":{"message":"M\\u0021","code":429},"choices":[{"delta":{}}]}', 'rate_limit_error'],
    ['{"error":{"message":"M\\u0021","code":502}}', 'api_error'],
    ['{"error":"M\\u0021"}', 'api_error'],
    [
      '{"choices":[{"delta":{"content":""},"finish_reason":"error","error":{"message":"M\\u0021","code":503}}]}',
      'overloaded_error',
    ],
  ])('an error ends the stream: %s', (event, type) => {
    expect(errorOf([say('x'), event])).toMatchObject({ type: 'error', error: { type, message: 'M!' } });
  });

  test('an answer that its vendor broke off ends with an error', () => {
    for (const [reason, type] of [
      ['insufficient_system_resource', 'overloaded_error'],
      ['aborted', 'api_error'],
      ['error', 'api_error'],
    ] as const)
      expect(errorOf([say('x'), finish(reason)])).toMatchObject({ error: { type } });
  });

  test('what cannot be told is a failure, not a gap', () => {
    for (const data of [
      [say('x'), '{"choices":[{"delta":{"content":"y'],
      [call({ index: 0, id: 'a', function: { arguments: '{}' } }), finish('tool_calls')],
      Array.from({ length: 1_100 }, (_, index) => begin(index, `id${index}`)),
    ])
      expect(errorOf(data)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  });

  test('a stream without a reason to stop has failed: no end is made up', () => {
    for (const data of [[], [say('x')], [begin(0, 'a', '{}'), '{"choices":[],"usage":{"prompt_tokens":1}}']])
      for (const last of [[], [DONE]]) {
        const one = stream();
        const out = feed(one, [...data, ...last]) + one.end();
        expect(one.failed).toBe(true);
        expect(out).not.toMatch(/message_delta|message_stop/);
        expect(JSON.parse(dataOf(out).at(-1)!)).toMatchObject({
          type: 'error',
          error: { type: 'api_error' },
        });
      }
  });

  test('what waits is bounded', () => {
    const alternating = Array.from({ length: 600 }, () => [
      say('x'),
      chunk('{"reasoning_content":"y"}'),
    ]).flat();
    expect(errorOf([begin(0, 'a', '{'), ...alternating])).toMatchObject({ error: { type: 'api_error' } });
    const piece = more(1, `"${'x'.repeat(1024 * 1024)}",`);
    expect(
      errorOf([begin(0, 'a', '{'), begin(1, 'b', '['), ...Array.from({ length: 9 }, () => piece)]),
    ).toMatchObject({
      error: { type: 'api_error' },
    });
  });
});
