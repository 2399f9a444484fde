import type { ErrorCode } from '../errors/catalogue.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { UpstreamFailure } from '../upstream/failure.ts';

const CODES: Readonly<Record<UpstreamFailure['kind'], ErrorCode>> = {
  connect: 'upstream_connect_failed',
  tls: 'upstream_connect_failed',
  connect_timeout: 'upstream_timeout',
  first_byte_timeout: 'upstream_timeout',
  idle_timeout: 'upstream_timeout',
  total_timeout: 'upstream_timeout',
  closed: 'upstream_closed',
  protocol: 'upstream_protocol',
  aborted: 'client_closed_request',
  pool_full: 'too_many_requests_in_flight',
};

/** Failures after which the vendor cannot have worked on the request. */
export const NEVER_SENT: ReadonlySet<UpstreamFailure['kind']> = new Set([
  'connect',
  'tls',
  'connect_timeout',
  'pool_full',
]);

/** A call that failed on its way, as clients are told. */
export const toldFailure = (failure: UpstreamFailure): GatewayError =>
  new GatewayError(
    CODES[failure.kind],
    `The vendor could not be reached or did not finish: ${failure.message}`,
  );

/** The vendor's 401 and 403 speak of the gateway's key, its 402 of the gateway's balance: not the client's doing. */
export const isOfCredentials = (status: number): boolean =>
  status === 401 || status === 402 || status === 403;

/** What the vendor refused the gateway itself for. Its words may quote the gateway's key: they stay here. */
export const refusedCredentials = (): GatewayError =>
  new GatewayError('upstream_credentials', "The vendor refused the gateway's own credentials or balance.");

/** 200 is the only success there is; beyond 599 nothing is defined (RFC 9110 §15). */
export const isNoAnswer = (status: number): boolean =>
  status < 200 || (status > 200 && status < 400) || status > 599;

/** The status of a vendor's answer as clients see it. */
export function clientStatus(status: number): number {
  if (isOfCredentials(status)) return 502;
  return status === 422 ? 400 : status;
}
