import type { Dialect } from '../dialects/types.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Incoming } from '../server/incoming.ts';
import { fieldLine } from '../http1/fields.ts';

/** An answer in one piece. */
export interface WholeAnswer {
  readonly status: number;
  /** Field lines with their ends. */
  readonly fields: string;
  readonly body: string;
}

export const JSON_TYPE = fieldLine('content-type', 'application/json');

export function answerWith(request: Incoming, { status, fields, body }: WholeAnswer): void {
  request.send(status, fields, body);
}

export function jsonAnswer(body: unknown, status = 200, fields = ''): WholeAnswer {
  return { status, fields: JSON_TYPE + fields, body: JSON.stringify(body) };
}

/** A failure in the dialect's own shape, with the fields that belong to it. */
export function errorAnswer(
  dialect: Dialect,
  error: GatewayError,
  requestId: string,
  fields = '',
): WholeAnswer {
  let all = JSON_TYPE + fieldLine('x-request-id', requestId) + fields;
  all += dialect.headers.requestIdLine(requestId);
  if (error.retryAfterS !== undefined) all += fieldLine('retry-after', String(error.retryAfterS));
  // SDKs try again after any 408, 409, 429 and 5xx: here each try would end alike.
  if (!error.spec.retryable && error.spec.status >= 408) all += 'x-should-retry: false\r\n';
  if (error.spec.status === 401) all += fieldLine('www-authenticate', 'Bearer');
  return { status: error.spec.status, fields: all, body: dialect.errorBody(error, requestId) };
}

/** Anything that is not in the catalogue is a defect and says nothing of itself to the client. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('internal_error', 'The gateway failed to handle this request.', { cause: thrown });
}
