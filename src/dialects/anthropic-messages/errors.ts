import type { ErrorCode } from '../../errors/catalogue.ts';
import type { GatewayError } from '../../errors/gateway-error.ts';

/** Anthropic docs, "Errors"; other 4xx are `invalid_request_error`. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** A 503 that no load is to blame for. */
const NOT_OVERLOADED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['no_provider', 'storage_unavailable']);

/** The vendor's type for an HTTP status. */
export const typeOfStatus = (status: number): string =>
  TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');

/**
 * The type under which a failure of the gateway is told. Its status stays the catalogue's own: a 503 stays 503 although
 * the type that fits it goes with 529 at the vendor, because proxies and SDKs know 503, and both are retried alike.
 */
export const typeOfError = (error: GatewayError): string =>
  NOT_OVERLOADED.has(error.code) ? 'api_error' : typeOfStatus(error.spec.status);

/** What an error tells. All but `type` is JSON source, quotes included. */
export interface ToldError {
  readonly type: string;
  readonly message: string;
  /** A code beside the type, where the vendor's SDKs look for one: `details.error_code`. */
  readonly code?: string | null;
  readonly requestId?: string | null;
}

/** Anthropic's error shape, as a body and as the data of an event. */
export function errorText({ type, message, code = null, requestId = null }: ToldError): string {
  const details = code === null ? '' : `,"details":{"error_code":${code}}`;
  const id = requestId === null ? '' : `,"request_id":${requestId}`;
  return `{"type":"error","error":{"type":"${type}","message":${message}${details}}${id}}`;
}

/** The record of a stream that holds it. */
export const errorRecord = (body: string): string => `event: error\ndata: ${body}\n\n`;
