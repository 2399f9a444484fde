import { ProtocolError } from '../failure.ts';
import { UpstreamHeaders } from './headers.ts';

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;

/** `bodyLength` of a chunked body. */
export const CHUNKED = -1;
/** `bodyLength` of a body that ends with the connection. */
export const UNTIL_CLOSE = -2;

/** A response head (RFC 9112 §4, §5) and what it says of the body's framing (§6.3). */
export interface ResponseHead {
  readonly status: number;
  readonly headers: UpstreamHeaders;
  /** Bytes, or {@link CHUNKED} or {@link UNTIL_CLOSE}; as if for a request whose response has a body. */
  readonly bodyLength: number;
  /** The server will keep the connection open, if the body does not end with it (§9.3). */
  readonly persistent: boolean;
}

/** Bytes of a field name: RFC 9110 §5.6.2 `token`. */
const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  TOKEN[char.charCodeAt(0)] = 1;

/** Bytes of a line but for its end. */
const LINE = new Uint8Array(256).fill(1);
LINE[0] = 0;
LINE[CR] = 0;
LINE[LF] = 0;

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

/** Where a head ends that begins before `from`: behind its empty line, or -1. A bare LF ends a line too (§2.2). */
export function findHeadEnd(bytes: Uint8Array, from: number, to: number): number {
  let lineEnd = bytes.indexOf(LF, from);
  while (lineEnd >= 0 && lineEnd + 1 < to) {
    const next = bytes[lineEnd + 1];
    if (next === LF) return lineEnd + 2;
    if (next === CR && lineEnd + 2 < to && bytes[lineEnd + 2] === LF) return lineEnd + 3;
    lineEnd = bytes.indexOf(LF, lineEnd + 1);
  }
  return -1;
}

/** Reads the head in `bytes[start, end)`, empty line included. Throws {@link ProtocolError}. */
export function parseHead(bytes: Buffer, start: number, end: number): ResponseHead {
  const text = bytes.toString('latin1', start, end);
  const status = statusOf(bytes, start);
  const offsets: number[] = [];
  let connection = '';
  let lengths = '';
  let encodings = '';
  let lineStart = lineEndAt(bytes, start) + 1;
  while (!isEmptyLine(bytes, lineStart)) {
    let nameEnd = lineStart;
    while (TOKEN[bytes[nameEnd]!] === 1) nameEnd++;
    // §5.1, §5.2: no white space before the colon, no folded lines.
    if (nameEnd === lineStart || bytes[nameEnd] !== COLON) throw new ProtocolError('malformed header field');
    const lineEnd = lineEndAt(bytes, nameEnd);
    let valueStart = nameEnd + 1;
    let valueEnd = bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    while (valueStart < valueEnd && isBlank(bytes[valueStart]!)) valueStart++;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
    offsets.push(lineStart - start, nameEnd - start, valueStart - start, valueEnd - start);
    switch (nameEnd - lineStart) {
      case 10:
        if (isName(bytes, lineStart, 'connection'))
          connection += `,${text.slice(valueStart - start, valueEnd - start)}`;
        break;
      case 14:
        if (isName(bytes, lineStart, 'content-length'))
          lengths += `,${text.slice(valueStart - start, valueEnd - start)}`;
        break;
      case 17:
        if (isName(bytes, lineStart, 'transfer-encoding'))
          encodings += `,${text.slice(valueStart - start, valueEnd - start)}`;
        break;
      default:
    }
    lineStart = lineEnd + 1;
  }
  const http10 = bytes[start + VERSION_AT] === ZERO;
  return {
    status,
    headers: new UpstreamHeaders(text, offsets),
    bodyLength: bodyLengthOf(lengths, encodings),
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

/** The LF that ends the line. A zero byte, or a CR anywhere but before it, is no part of a head (§2.2, §5.5). */
function lineEndAt(bytes: Uint8Array, from: number): number {
  let at = from;
  while (LINE[bytes[at]!] === 1) at++;
  if (bytes[at] === CR) at++;
  if (bytes[at] !== LF) throw new ProtocolError('a bare CR or a zero byte in the response head');
  return at;
}

function isEmptyLine(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF);
}

function isName(bytes: Uint8Array, start: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    // Names compared here are letters and hyphens, which OR 0x20 leaves alone or lowers.
    if ((bytes[start + index]! | 0x20) !== name.charCodeAt(index)) return false;
  }
  return true;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function hasToken(list: string, token: string): boolean {
  if (list === '') return false;
  return list
    .toLowerCase()
    .split(',')
    .some((one) => one.trim() === token);
}

const DIGITS = /^\d{1,15}$/;

/** Lists begin with a comma, one per field. */
function bodyLengthOf(lengths: string, encodings: string): number {
  if (encodings !== '') {
    // §6.3: a message with both is a smuggling attempt or a broken server.
    if (lengths !== '') throw new ProtocolError('both transfer-encoding and content-length');
    if (encodings.toLowerCase() !== ',chunked') throw new ProtocolError('unknown transfer-encoding');
    return CHUNKED;
  }
  if (lengths === '') return UNTIL_CLOSE;
  let length = lengths.slice(1);
  if (length.includes(',')) {
    // §6.3: repeated equal lengths may be taken as one.
    const [first = '', ...others] = length.split(',').map((one) => one.trim());
    length = others.every((other) => other === first) ? first : '';
  }
  if (!DIGITS.test(length)) throw new ProtocolError('malformed content-length');
  return Number(length);
}
