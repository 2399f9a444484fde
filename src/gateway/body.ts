import { GatewayError } from '../errors/gateway-error.ts';

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(
    'body_too_large',
    `The request body is larger than ${maxBytes} bytes (MAX_BODY_BYTES).`,
  );
}

/** Reading fails only with the client's connection: closed, silent for too long, or broken off by bad framing. */
export function readFailure(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  return new GatewayError('client_closed_request', 'The client left in the middle of its request.', {
    cause,
  });
}

/**
 * The body of a JSON request, whole. Throws a 415 for other content, a 413 past the limit, before the bytes are read;
 * what the promise rejects with goes through {@link readFailure}.
 */
export function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const type = request.headers.get('content-type');
  if (type !== null && !isJson(type)) {
    throw new GatewayError(
      'unsupported_media_type',
      `Content type ${JSON.stringify(type)} is not supported: send application/json.`,
    );
  }
  const encoding = request.headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    throw new GatewayError('unsupported_media_type', 'Compressed request bodies are not supported.');
  }
  const length = request.headers.get('content-length');
  if (length === null) return readUnsized(request, maxBytes);
  if (Number(length) > maxBytes) throw tooLarge(maxBytes);
  return request.bytes();
}

function isJson(type: string): boolean {
  if (type === 'application/json') return true;
  const media = type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return media === 'application/json' || media.endsWith('+json');
}

/** A chunked upload tells no size: count while it comes. */
async function readUnsized(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    size += value.byteLength;
    if (size > maxBytes) {
      void reader.cancel().catch(() => {});
      throw tooLarge(maxBytes);
    }
    chunks.push(value);
  }
}
