import { GatewayError } from '../errors/gateway-error.ts';
import { BodyTimeoutError, BodyTooLargeError, ClientGoneError, type Incoming } from '../server/incoming.ts';
import type { UnfinishedBodies } from '../limits/unfinished-bodies.ts';

/** Counts the body of a key's request while it is coming. */
export interface BodyAccount {
  readonly bodies: UnfinishedBodies;
  /** Of the key. */
  readonly slot: number;
}

/**
 * The body of a JSON request, whole; at once where it has come already. Throws a 415 for other content; what reading it
 * fails with, at once or later, goes through {@link readFailure}.
 */
export function readBody(request: Incoming, maxBytes: number): Uint8Array | Promise<Uint8Array> {
  const { fields } = request;
  const type = fields.get('content-type');
  if (type !== null && !isJson(type)) {
    throw new GatewayError(
      'unsupported_media_type',
      `Content type ${JSON.stringify(type)} is not supported: send application/json.`,
    );
  }
  const encoding = fields.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    throw new GatewayError('unsupported_media_type', 'Compressed request bodies are not supported.');
  }
  return request.readBody(maxBytes);
}

/** {@link readBody} for who waits in any case; rejects with a GatewayError. */
export async function wholeBody(
  request: Incoming,
  maxBytes: number,
  account: BodyAccount | null = null,
): Promise<Uint8Array> {
  try {
    const body = readBody(request, maxBytes);
    if (body instanceof Promise && account !== null)
      request.meterBody(account.bodies.open(request, account.slot));
    return await body;
  } catch (cause) {
    throw readFailure(cause, maxBytes);
  }
}

/** What the client hears when its body could not be read. */
export function readFailure(cause: unknown, maxBytes: number): unknown {
  if (cause instanceof BodyTooLargeError) {
    return new GatewayError(
      'body_too_large',
      `The request body is larger than ${maxBytes} bytes (MAX_BODY_BYTES).`,
    );
  }
  if (cause instanceof BodyTimeoutError) {
    return new GatewayError(
      'body_timeout',
      'The request body took longer than it may (BODY_TIMEOUT, and a second more for every 64 KiB of it).',
      { cause },
    );
  }
  if (cause instanceof ClientGoneError) {
    return new GatewayError('client_closed_request', 'The client left in the middle of its request.', {
      cause,
    });
  }
  return cause;
}

function isJson(type: string): boolean {
  if (type === 'application/json') return true;
  const media = type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return media === 'application/json' || media.endsWith('+json');
}
