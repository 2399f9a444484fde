import { GatewayError } from '../errors/gateway-error.ts';

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(
    'body_too_large',
    `The request body is larger than ${maxBytes} bytes (MAX_BODY_BYTES).`,
  );
}

/** The body of a JSON request, whole. A 415 for other content, a 413 past the limit, before the bytes are read. */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
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
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
