import type { Dialect } from '../dialects/types.ts';
import { GatewayError } from '../errors/gateway-error.ts';

/** A failure in the dialect's own shape, with the headers that belong to it. */
export function errorResponse(
  dialect: Dialect,
  error: GatewayError,
  requestId: string,
  headers: readonly (readonly [string, string])[] = [],
): Response {
  const all: [string, string][] = [
    ['content-type', 'application/json'],
    ['x-request-id', requestId],
    ...headers.map(([name, value]): [string, string] => [name, value]),
  ];
  if (error.retryAfterS !== undefined) all.push(['retry-after', String(error.retryAfterS)]);
  if (error.spec.status === 401) all.push(['www-authenticate', 'Bearer']);
  return new Response(dialect.errorBody(error), { status: error.spec.status, headers: all });
}

/** Anything that is not in the catalogue is a defect and says nothing of itself to the client. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('internal_error', 'The gateway failed to handle this request.', { cause: thrown });
}
