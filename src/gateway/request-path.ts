import { GatewayError } from '../errors/gateway-error.ts';

/**
 * Path of the request's target, as it came. Bun leaves the URL relative when the Host field names no host; a request with
 * such a field is refused (RFC 9112 §3.2).
 */
export function pathOf(request: Request): string {
  const url = URL.parse(request.url);
  if (url !== null) return url.pathname;
  throw new GatewayError('invalid_value', 'The Host header does not name a host.', { param: 'host' });
}
