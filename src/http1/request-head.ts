import { HeaderFields } from './fields.ts';
import {
  bodyLengthOf,
  CHUNKED,
  hasToken,
  lineEndAt,
  scanFields,
  SPACE,
  TOKEN,
  UNSAID,
} from './message-head.ts';
import { ProtocolError } from './protocol-error.ts';

const ZERO = 0x30;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const MAX_METHOD_BYTES = 32;

/** A request head (RFC 9112 §3, §5) and what it says of body and connection. */
export interface RequestHead {
  readonly method: string;
  /** The target's path, as it came, without the query. */
  readonly path: string;
  /** The target had a host in it, as for a proxy (§3.2.2). */
  readonly absolute: boolean;
  readonly fields: HeaderFields;
  /** Bytes, or `CHUNKED`. A request that says nothing has none (§6.3). */
  readonly bodyLength: number;
  /** The client will use the connection again (§9.3). */
  readonly keepAlive: boolean;
  /** HTTP/1.0: knows no chunks and no interim answers. */
  readonly http10: boolean;
}

/** A Host field that names no host: it gets an answer of its own (§3.2). */
export class HostError extends ProtocolError {
  override readonly name = 'HostError';
}

const HOST = /^(?:\[[0-9a-fA-F:.]{2,64}\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9a-fA-F]{2})+)(?::(\d{0,5}))?$/;
const MAX_PORT = 65_535;
const ABSOLUTE = /^https?:\/\/[^/?#]+(\/[^?#]*)?/i;
const HASH = 0x23;
const ASTERISK = 0x2a;
const DELETE = 0x7f;

/** The last Host field that was sound: a thread's clients all send the same. */
let soundHost: string | null = null;

/**
 * Reads the head in `bytes[start, end)`, empty line included. A line ends in CR LF and nothing else. Throws
 * {@link ProtocolError}, of which {@link HostError} is one.
 */
export function parseRequestHead(bytes: Buffer, start: number, end: number): RequestHead {
  const text = bytes.toString('latin1', start, end);
  let methodEnd = start;
  while (TOKEN[bytes[methodEnd]!] === 1) methodEnd++;
  if (methodEnd === start || bytes[methodEnd] !== SPACE || methodEnd - start > MAX_METHOD_BYTES)
    throw new ProtocolError('malformed request line');
  const lineEnd = lineEndAt(bytes, methodEnd, 'strict');
  // SP HTTP/1.x CR LF
  const versionAt = lineEnd - 1 - start - 8;
  const targetAt = methodEnd + 1 - start;
  if (versionAt - 1 <= targetAt || text.charCodeAt(versionAt - 1) !== SPACE || !isVersion(text, versionAt))
    throw new ProtocolError('malformed request line');
  const minor = text.charCodeAt(versionAt + 7) - ZERO;
  if (minor !== 0 && minor !== 1) throw new ProtocolError('only HTTP/1.0 and HTTP/1.1 are spoken');
  const http10 = minor === 0;

  const scanned = scanFields(bytes, text, start, lineEnd + 1, 'strict');
  const { connection, offsets } = scanned;
  const fields = new HeaderFields(text, offsets);
  checkHost(fields, http10);
  const length = bodyLengthOf(scanned);
  // §6.1: a 1.0 client cannot mean chunks; who put them there frames the body otherwise.
  if (http10 && length === CHUNKED) throw new ProtocolError('transfer-encoding in HTTP/1.0');
  return {
    method: methodOf(text, methodEnd - start),
    path: pathOf(text, targetAt, versionAt - 1),
    absolute: text.charCodeAt(targetAt) !== SLASH && text.charCodeAt(targetAt) !== ASTERISK,
    fields,
    bodyLength: length === UNSAID ? 0 : length,
    keepAlive:
      connection === ''
        ? !http10
        : !hasToken(connection, 'close') && (!http10 || hasToken(connection, 'keep-alive')),
    http10,
  };
}

/** Those of nearly all requests are constants: a text cut out of the head would keep it alive. */
const METHODS = ['POST', 'GET', 'HEAD', 'OPTIONS'] as const;

function methodOf(text: string, length: number): string {
  for (const method of METHODS) if (method.length === length && text.startsWith(method)) return method;
  return text.slice(0, length);
}

const VERSION = 'HTTP/1.';

function isVersion(text: string, at: number): boolean {
  for (let index = 0; index < VERSION.length; index++)
    if (text.charCodeAt(at + index) !== VERSION.charCodeAt(index)) return false;
  return true;
}

function pathOf(text: string, start: number, end: number): string {
  let query = end;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    // RFC 3986 §2: other bytes must come percent-encoded, and a fragment not at all.
    if (code <= SPACE || code >= DELETE || code === HASH) throw new ProtocolError('malformed request target');
    if (code === QUESTION && query === end) query = at;
  }
  const target = text.slice(start, query);
  // §3.2.2: the absolute form must be taken; `*` and the authority form are for OPTIONS and CONNECT.
  if (target.charCodeAt(0) === SLASH || target === '*') return target;
  const absolute = ABSOLUTE.exec(target);
  if (absolute === null) throw new ProtocolError('malformed request target');
  return absolute[1] ?? '/';
}

function checkHost(fields: HeaderFields, http10: boolean): void {
  const host = fields.get('host');
  if (host === null) {
    if (!http10) throw new HostError('The Host header is missing.');
    return;
  }
  if (host !== soundHost) {
    const match = HOST.exec(host);
    if (match === null || Number(match[1] ?? 0) > MAX_PORT)
      throw new HostError('The Host header does not name a host.');
    soundHost = host;
  }
  if (fields.count('host') > 1) throw new HostError('There is more than one Host header.');
}
