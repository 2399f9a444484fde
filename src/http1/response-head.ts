import { HeaderFields } from './fields.ts';
import { bodyLengthOf, CR, hasToken, LF, lineEndAt, scanFields, SPACE, UNSAID } from './message-head.ts';
import { ProtocolError } from './protocol-error.ts';

const ZERO = 0x30;
const NINE = 0x39;

/** `bodyLength` of a body that ends with the connection. */
export const UNTIL_CLOSE = UNSAID;

/** A response head (RFC 9112 §4, §5) and what it says of the body's framing (§6.3). */
export interface ResponseHead {
  readonly status: number;
  readonly headers: HeaderFields;
  /** Bytes, or `CHUNKED` or {@link UNTIL_CLOSE}; as if for a request whose response has a body. */
  readonly bodyLength: number;
  /** The server will keep the connection open, if the body does not end with it (§9.3). */
  readonly persistent: boolean;
}

const PREFIX = Buffer.from('HTTP/1.');
const VERSION_AT = PREFIX.length;
const STATUS_AT = VERSION_AT + 2;
const STATUS_END = STATUS_AT + 3;

/** Whether the bytes can be the start of a response; fewer than the version's are judged as far as they go. */
export function looksLikeHttp(bytes: Uint8Array, start: number, end: number): boolean {
  const length = Math.min(end - start, PREFIX.length);
  for (let index = 0; index < length; index++) if (bytes[start + index] !== PREFIX[index]) return false;
  return true;
}

/** Reads the head in `bytes[start, end)`, empty line included. Throws {@link ProtocolError}. */
export function parseHead(bytes: Buffer, start: number, end: number): ResponseHead {
  const text = bytes.toString('latin1', start, end);
  const status = statusOf(bytes, start);
  const fields = scanFields(bytes, text, start, lineEndAt(bytes, start, 'lenient') + 1, 'lenient');
  const { connection, encodings, offsets } = fields;
  const http10 = bytes[start + VERSION_AT] === ZERO;
  return {
    status,
    headers: new HeaderFields(text, offsets),
    bodyLength: bodyLengthOf(fields),
    // §6.1: chunked from an HTTP/1.0 server is read once and the connection not trusted any further.
    persistent:
      !hasToken(connection, 'close') && (!http10 || (encodings === '' && hasToken(connection, 'keep-alive'))),
  };
}

/** `HTTP/1.x SP 3DIGIT [SP reason]` (§4); a missing reason may come without its space. */
function statusOf(bytes: Uint8Array, start: number): number {
  const after = bytes[start + STATUS_END];
  if (
    !looksLikeHttp(bytes, start, start + VERSION_AT) ||
    !isDigit(bytes[start + VERSION_AT]!) ||
    bytes[start + VERSION_AT + 1] !== SPACE ||
    (after !== SPACE && after !== CR && after !== LF)
  )
    throw new ProtocolError('malformed status line');
  let status = 0;
  for (let at = start + STATUS_AT; at < start + STATUS_END; at++) {
    if (!isDigit(bytes[at]!)) throw new ProtocolError('malformed status line');
    status = status * 10 + bytes[at]! - ZERO;
  }
  if (status < 100) throw new ProtocolError('malformed status line');
  return status;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
