/**
 * The one table of everything that can go wrong, as clients see it.
 *
 * `source` says who caused it, `retryable` whether the same request may succeed later, `type` and `code` are what the
 * OpenAI error shape carries. A test holds this table against docs/errors.md.
 */
export type ErrorSource = 'client' | 'gateway' | 'upstream';

export interface ErrorSpec {
  readonly status: number;
  readonly source: ErrorSource;
  readonly retryable: boolean;
  readonly type: string;
}

const client = (status: number, type = 'invalid_request_error'): ErrorSpec => ({
  status,
  source: 'client',
  retryable: false,
  type,
});

export const ERRORS = {
  invalid_json: client(400),
  duplicate_key: client(400),
  invalid_type: client(400),
  invalid_value: client(400),
  missing_field: client(400),
  unsupported_value: client(400),
  thread_unsupported_request: client(400),
  malformed_http: client(400),
  passthrough_alias: client(400),
  invalid_api_key: client(401, 'authentication_error'),
  admin_token_invalid: client(401, 'authentication_error'),
  insufficient_quota: client(402, 'insufficient_quota'),
  model_not_allowed: client(403, 'permission_error'),
  passthrough_not_allowed: client(403, 'permission_error'),
  model_not_found: client(404),
  not_found: client(404),
  method_not_allowed: client(405),
  body_timeout: { status: 408, source: 'client', retryable: true, type: 'invalid_request_error' },
  bodies_over_budget: { status: 408, source: 'client', retryable: true, type: 'invalid_request_error' },
  conflict: client(409),
  body_too_large: client(413),
  unsupported_media_type: client(415),
  headers_too_large: client(431),
  client_closed_request: client(499),
  rate_limit_exceeded: { status: 429, source: 'client', retryable: true, type: 'rate_limit_error' },
  too_many_requests_in_flight: { status: 429, source: 'gateway', retryable: true, type: 'rate_limit_error' },
  internal_error: { status: 500, source: 'gateway', retryable: true, type: 'server_error' },
  upstream_credentials: { status: 502, source: 'upstream', retryable: false, type: 'server_error' },
  upstream_connect_failed: { status: 502, source: 'upstream', retryable: true, type: 'server_error' },
  upstream_closed: { status: 502, source: 'upstream', retryable: true, type: 'server_error' },
  upstream_protocol: { status: 502, source: 'upstream', retryable: true, type: 'server_error' },
  upstream_too_large: { status: 502, source: 'upstream', retryable: false, type: 'server_error' },
  no_provider: { status: 503, source: 'gateway', retryable: true, type: 'server_error' },
  storage_unavailable: { status: 503, source: 'gateway', retryable: true, type: 'server_error' },
  preparation_unavailable: { status: 503, source: 'gateway', retryable: true, type: 'server_error' },
  shutting_down: { status: 503, source: 'gateway', retryable: true, type: 'server_error' },
  follower_too_slow: { status: 503, source: 'gateway', retryable: true, type: 'server_error' },
  loop_detected: { status: 508, source: 'gateway', retryable: false, type: 'server_error' },
  upstream_timeout: { status: 504, source: 'upstream', retryable: true, type: 'server_error' },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;
