import { describe, expect, test } from 'bun:test';
import { messagesOverChatAnswers } from './answers.ts';
import { messagesError } from './errors.ts';

const convert = (status: number, body: unknown): { status: number; body: unknown } => {
  const { status: own, body: bytes } = messagesError(
    status,
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  );
  return { status: own, body: JSON.parse(Buffer.from(bytes).toString()) };
};
const said = (more: object = {}): object => ({
  error: { message: 'Some words.', type: null, param: null, code: null, ...more },
});
const told = (type: string, message = 'Some words.', code?: string): object => ({
  type: 'error',
  error: { type, message, ...(code === undefined ? {} : { details: { error_code: code } }) },
});

describe('messagesError', () => {
  test.each([
    [400, 400, 'invalid_request_error'],
    [422, 400, 'invalid_request_error'],
    [402, 402, 'billing_error'],
    [403, 403, 'permission_error'],
    [404, 404, 'not_found_error'],
    [409, 409, 'conflict_error'],
    [413, 413, 'request_too_large'],
    [429, 429, 'rate_limit_error'],
    [500, 500, 'api_error'],
    [502, 502, 'api_error'],
    [503, 529, 'overloaded_error'],
    [504, 504, 'timeout_error'],
    [529, 529, 'overloaded_error'],
  ])('%d is %d %s', (status, own, type) => {
    const expected = { status: own, body: told(type) };
    expect(convert(status, said())).toEqual(expected);
    expect(convert(status, said({ type: 'from_the_future', code: 7 }))).toEqual(expected);
    // The vendor's own code stands where Anthropic's SDK looks for one.
    expect(convert(status, said({ code: 'constructor' }))).toEqual({
      status: own,
      body: told(type, 'Some words.', 'constructor'),
    });
    // Bare, as servers that are only compatible send it.
    expect(convert(status, { object: 'error', message: 'Some words.', type: 'x', code: status })).toEqual(
      expected,
    );
    expect(convert(status, { detail: 'Some words.' })).toEqual(expected);
    expect(convert(status, { error: 'Some words.' })).toEqual(expected);
    expect(convert(status, 'Some words.\n')).toEqual(expected);
  });

  test.each([
    [429, { code: 'insufficient_quota', type: 'insufficient_quota' }, 402, 'billing_error'],
    [429, { code: 'credit_balance_exhausted' }, 402, 'billing_error'],
    [429, { type: 'insufficient_quota' }, 402, 'billing_error'],
    [429, { code: 'rate_limit_exceeded', type: 'tokens' }, 429, 'rate_limit_error'],
    [500, { code: 'server_is_overloaded' }, 529, 'overloaded_error'],
    [503, { code: 'slow_down' }, 529, 'overloaded_error'],
    [400, { code: 'model_not_found' }, 404, 'not_found_error'],
    [400, { code: 'context_length_exceeded', type: 'x' }, 400, 'invalid_request_error'],
    [422, { code: 'context_length_exceeded' }, 400, 'invalid_request_error'],
  ])('%d %j is %d %s', (status, error: { code?: string; type?: string }, own, type) => {
    expect(convert(status, said(error))).toEqual({
      status: own,
      body: told(type, 'Some words.', error.code),
    });
  });

  test('refused credentials are the gateway’s: no 401, and none of the vendor’s words', () => {
    const words = 'Incorrect API key provided: sk-secret';
    for (const [status, body] of [
      [401, said({ message: words, code: 'invalid_api_key' })],
      [401, said({ message: words, type: 'authentication_error' })],
      [401, words],
      [400, said({ message: words, code: 'invalid_api_key' })],
    ] as const) {
      const converted = convert(status, body);
      expect(converted).toMatchObject({
        status: 502,
        body: { error: { type: 'api_error', details: { error_code: 'upstream_credentials' } } },
      });
      expect(JSON.stringify(converted)).not.toContain('secret');
    }
  });

  test('the message keeps its spelling', () => {
    const { body } = messagesError(400, Buffer.from('{"error":{"message":"\\u00e9\\"\\n\\/"}}'));
    expect(Buffer.from(body).toString()).toBe(
      '{"type":"error","error":{"type":"invalid_request_error","message":"\\u00e9\\"\\n\\/"}}',
    );
  });

  test('an error without words', () => {
    for (const body of ['{}', '{"error":{}}', '{"error":null}', '{"error":{"message":7}}'])
      expect(convert(500, body)).toMatchObject({ status: 500, body: { error: { type: 'api_error' } } });
    expect(convert(503, '')).toEqual({
      status: 529,
      body: told('overloaded_error', 'The vendor answered with status 503.'),
    });
  });

  test('retry hints and rate limits are forwarded', () => {
    const header = (name: string, value: string) => messagesOverChatAnswers.header(name, value, 0);
    expect(header('retry-after', '7')).toEqual(['retry-after', '7']);
    expect(header('x-ratelimit-limit-tokens', '5')).toEqual(['anthropic-ratelimit-tokens-limit', '5']);
    expect(header('openai-processing-ms', '7')).toBeNull();
  });
});
