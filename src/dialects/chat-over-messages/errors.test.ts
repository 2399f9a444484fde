import { describe, expect, test } from 'bun:test';
import { chatOverMessagesAnswers } from './answers.ts';
import { chatError } from './errors.ts';

const convert = (status: number, body: unknown): { status: number; body: unknown } => {
  const { status: own, body: bytes } = chatError(
    status,
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  );
  return { status: own, body: JSON.parse(Buffer.from(bytes).toString()) };
};
const said = (type: string, message = 'Some words.'): object => ({ type: 'error', error: { type, message } });
const told = (type: string, code: string | null, message = 'Some words.'): object => ({
  error: { message, type, param: null, code },
});

describe('chatError', () => {
  test.each([
    [400, 'invalid_request_error', 400, 'invalid_request_error', null],
    [422, 'invalid_request_error', 400, 'invalid_request_error', null],
    [402, 'billing_error', 429, 'insufficient_quota', 'insufficient_quota'],
    [403, 'permission_error', 403, 'permission_error', null],
    [404, 'not_found_error', 404, 'invalid_request_error', 'model_not_found'],
    [409, 'conflict_error', 409, 'invalid_request_error', null],
    [413, 'request_too_large', 413, 'invalid_request_error', null],
    [429, 'rate_limit_error', 429, 'rate_limit_error', 'rate_limit_exceeded'],
    [500, 'api_error', 500, 'server_error', null],
    [502, 'api_error', 502, 'server_error', null],
    [504, 'timeout_error', 504, 'server_error', null],
    [529, 'overloaded_error', 503, 'server_error', 'server_is_overloaded'],
  ])('%d %s is %d %s %s', (status, type, ownStatus, ownType, code) => {
    const expected = { status: ownStatus, body: told(ownType, code) };
    expect(convert(status, said(type))).toEqual(expected);
    // The status says as much where there is no type that is known.
    expect(convert(status, said('from_the_future'))).toEqual(expected);
    expect(convert(status, { error: { message: 'Some words.' } })).toEqual(expected);
  });

  test('refused credentials are the gateway’s: no 401, and none of the vendor’s words', () => {
    const expected = { status: 502, body: { error: { type: 'server_error', code: 'upstream_credentials' } } };
    for (const body of [
      said('authentication_error', 'invalid x-api-key sk-ant-secret'),
      'sk-ant-secret',
      {},
    ]) {
      const converted = convert(401, body);
      expect(converted).toMatchObject(expected);
      expect(JSON.stringify(converted)).not.toContain('secret');
    }
  });

  test('a prompt that is too long has a code', () => {
    for (const message of [
      'prompt is too long: 210000 tokens > 200000 maximum',
      'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length',
    ])
      expect(convert(400, said('invalid_request_error', message))).toEqual({
        status: 400,
        body: told('invalid_request_error', 'context_length_exceeded', message),
      });
  });

  test('a limit on spending is told as one, though the vendor calls it a bad request', () => {
    for (const message of [
      'You have reached your specified API usage limits. You will regain access on 2026-12-01.',
      'You have reached your specified workspace API usage limits.',
      'Your credit balance is too low to access the Anthropic API.',
    ])
      expect(convert(400, said('invalid_request_error', message))).toEqual({
        status: 429,
        body: told('insufficient_quota', 'insufficient_quota', message),
      });
  });

  test('the vendor’s own code is told where OpenAI has none for it', () => {
    const body = (type: string, code: string): object => ({
      error: { type, message: 'Some words.', details: { error_code: code } },
    });
    expect(convert(400, body('invalid_request_error', 'organization_on_hold'))).toEqual({
      status: 400,
      body: told('invalid_request_error', 'organization_on_hold'),
    });
    expect(convert(429, body('rate_limit_error', 'ramp_limit_exceeded'))).toMatchObject({
      body: { error: { code: 'rate_limit_exceeded' } },
    });
    expect(convert(400, body('invalid_request_error', 'enforced_spend_limit_reached'))).toEqual({
      status: 429,
      body: told('insufficient_quota', 'insufficient_quota'),
    });
  });

  test('message and request id keep their spelling', () => {
    const body =
      '{"error":{"type":"api_error","message":"\\u00e9\\"\\n"},"request_id":"req_\\/1","type":"error"}';
    expect(Buffer.from(chatError(500, Buffer.from(body)).body).toString()).toBe(
      '{"error":{"message":"\\u00e9\\"\\n","type":"server_error","param":null,"code":null},"request_id":"req_\\/1"}',
    );
  });

  test('what is no JSON is told as text', () => {
    expect(convert(502, ' <h1>Bad "Gateway"</h1>\n')).toEqual({
      status: 502,
      body: told('server_error', null, '<h1>Bad "Gateway"</h1>'),
    });
    expect(convert(529, '')).toMatchObject({
      status: 503,
      body: { error: { message: 'The vendor answered with status 529.' } },
    });
    expect(convert(400, '{"error":')).toMatchObject({
      status: 400,
      body: { error: { message: '{"error":' } },
    });
    expect(convert(400, '["x"]')).toMatchObject({ status: 400, body: { error: { message: '["x"]' } } });
    expect(JSON.stringify(convert(500, 'x'.repeat(100_000))).length).toBeLessThan(1_200);
  });

  test('an error without words', () => {
    for (const error of [null, 'text', {}, { message: 7, type: 7 }, { type: 'constructor' }])
      expect(convert(500, { error })).toMatchObject({
        status: 500,
        body: { error: { type: 'server_error', code: null } },
      });
  });

  test('retry hints and rate limits are forwarded', () => {
    const header = (name: string, value: string) => chatOverMessagesAnswers.header(name, value, 0);
    expect(header('retry-after', '7')).toEqual(['retry-after', '7']);
    expect(header('anthropic-ratelimit-requests-limit', '50')).toEqual(['x-ratelimit-limit-requests', '50']);
    expect(header('server', 'x')).toBeNull();
  });
});
