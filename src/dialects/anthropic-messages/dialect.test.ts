import { describe, expect, test } from 'bun:test';
import { ERRORS, type ErrorCode } from '../../errors/catalogue.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import { dialectOf } from '../registry.ts';
import { anthropicMessages } from './dialect.ts';
import { typeOfError, typeOfStatus } from './errors.ts';

/** Anthropic docs, "Errors". */
const TYPES = [
  'invalid_request_error',
  'authentication_error',
  'billing_error',
  'permission_error',
  'not_found_error',
  'conflict_error',
  'request_too_large',
  'rate_limit_error',
  'api_error',
  'timeout_error',
  'overloaded_error',
];
const error = new GatewayError('insufficient_quota', 'Used "up"\n\ud83d.');

describe('anthropic-messages', () => {
  test('is in the registry', () => {
    expect(dialectOf('anthropic-messages')).toBe(anthropicMessages);
    expect(anthropicMessages.path).toBe('/messages');
  });

  test('every failure has one of the types that clients know', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[])
      expect(TYPES).toContain(typeOfError(new GatewayError(code, 'x')));
  });

  test.each([
    ['invalid_json', 'invalid_request_error'],
    ['malformed_http', 'invalid_request_error'],
    ['client_closed_request', 'invalid_request_error'],
    ['invalid_api_key', 'authentication_error'],
    ['insufficient_quota', 'billing_error'],
    ['model_not_allowed', 'permission_error'],
    ['model_not_found', 'not_found_error'],
    ['conflict', 'conflict_error'],
    ['body_too_large', 'request_too_large'],
    ['rate_limit_exceeded', 'rate_limit_error'],
    ['too_many_requests_in_flight', 'rate_limit_error'],
    ['internal_error', 'api_error'],
    ['upstream_closed', 'api_error'],
    ['shutting_down', 'overloaded_error'],
    ['no_provider', 'api_error'],
    ['storage_unavailable', 'api_error'],
    ['upstream_timeout', 'timeout_error'],
  ] as const)('%s is %s', (code, type) => {
    expect(typeOfError(new GatewayError(code, 'x'))).toBe(type);
  });

  test('529 is overloaded, as 503 is', () => {
    expect(typeOfStatus(529)).toBe('overloaded_error');
    expect(typeOfStatus(418)).toBe('invalid_request_error');
    expect(typeOfStatus(599)).toBe('api_error');
  });

  test('a body in the vendor’s shape, with the request id where it is known', () => {
    expect(JSON.parse(anthropicMessages.errorBody(error))).toEqual({
      type: 'error',
      error: {
        type: 'billing_error',
        message: 'Used "up"\n\ud83d.',
        details: { error_code: 'insufficient_quota' },
      },
    });
    expect(JSON.parse(anthropicMessages.errorBody(error, 'req"1'))).toMatchObject({ request_id: 'req"1' });
  });

  test('a record of a stream', () => {
    const record = anthropicMessages.errorEvent(error, 'req_1');
    expect(record).toBe(`event: error\ndata: ${anthropicMessages.errorBody(error, 'req_1')}\n\n`);
    expect(record.split('\n')).toHaveLength(4);
  });
});
