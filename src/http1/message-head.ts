import { ProtocolError } from './protocol-error.ts';

export const LF = 0x0a;
export const CR = 0x0d;
export const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** `bodyLength` of a chunked body. */
export const CHUNKED = -1;
/** `bodyLength` of a message that says nothing of its body. */
export const UNSAID = -2;

/** Bytes of a field name and of a method: RFC 9110 §5.6.2 `token`. */
export const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  TOKEN[char.charCodeAt(0)] = 1;

/** Bytes of a line but for its end: whatever cannot be mistaken for one, and what may stand there (RFC 9110 §5.5). */
const LENIENT_LINE = new Uint8Array(256).fill(1);
LENIENT_LINE[0] = 0;
LENIENT_LINE[CR] = 0;
LENIENT_LINE[LF] = 0;
const STRICT_LINE = new Uint8Array(256).fill(1).fill(0, 0, SPACE);
STRICT_LINE[TAB] = 1;
STRICT_LINE[0x7f] = 0;

/**
 * How a peer's head is read. `lenient`: a LF alone ends a line, and control characters are let through; good enough for a
 * vendor. `strict`: from a client neither, since servers disagree about them and requests are smuggled in between.
 */
export type Reading = 'lenient' | 'strict';

/** The fields of a head (RFC 9112 §5), and those that frame its message, each as a list that begins with a comma. */
export interface ScannedFields {
  /** Four per field, counted from the head's start: name start, name end, value start, value end. */
  readonly offsets: readonly number[];
  readonly connection: string;
  readonly lengths: string;
  readonly encodings: string;
}

/**
 * Where a head ends that begins before `from`: behind its empty line, or -1. A bare LF ends a line too (§2.2).
 *
 * A plain loop: a head is a few hundred bytes, and a search by the runtime, one a line, costs more to call than to do.
 */
export function findHeadEnd(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    if (bytes[at] !== LF) continue;
    const next = bytes[at + 1];
    if (next === LF && at + 1 < to) return at + 2;
    if (next === CR && at + 2 < to && bytes[at + 2] === LF) return at + 3;
  }
  return -1;
}

/**
 * Reads the field lines from `from` up to the empty line. `text` is the head from `start` on, in latin1.
 *
 * Throws {@link ProtocolError}.
 */
export function scanFields(
  bytes: Uint8Array,
  text: string,
  start: number,
  from: number,
  reading: Reading,
): ScannedFields {
  const offsets: number[] = [];
  let connection = '';
  let lengths = '';
  let encodings = '';
  let lineStart = from;
  while (!isEmptyLine(bytes, lineStart)) {
    let nameEnd = lineStart;
    while (TOKEN[bytes[nameEnd]!] === 1) nameEnd++;
    // §5.1, §5.2: no white space before the colon, no folded lines.
    if (nameEnd === lineStart || bytes[nameEnd] !== COLON) throw new ProtocolError('malformed header field');
    const lineEnd = lineEndAt(bytes, nameEnd, reading);
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
  if (reading === 'strict' && bytes[lineStart] === LF)
    throw new ProtocolError('a head that does not end in CR LF');
  return { offsets, connection, lengths, encodings };
}

/** The LF that ends the line. A zero byte, or a CR anywhere but before it, is no part of a head (§2.2, §5.5). */
export function lineEndAt(bytes: Uint8Array, from: number, reading: Reading): number {
  const strict = reading === 'strict';
  const line = strict ? STRICT_LINE : LENIENT_LINE;
  let at = from;
  while (line[bytes[at]!] === 1) at++;
  if (bytes[at] === CR) at++;
  else if (strict)
    throw new ProtocolError('a control character in the head, or a line that does not end in CR LF');
  if (bytes[at] !== LF) throw new ProtocolError('a bare CR or a zero byte in the head');
  return at;
}

/** Whether a list of field values holds a token (RFC 9110 §5.6.1), whatever its case. */
export function hasToken(list: string, token: string): boolean {
  if (list === '') return false;
  return list
    .toLowerCase()
    .split(',')
    .some((one) => one.trim() === token);
}

const DIGITS = /^\d{1,15}$/;

/** How long a message's body is: bytes, {@link CHUNKED} or {@link UNSAID} (§6.3). Throws {@link ProtocolError}. */
export function bodyLengthOf({ lengths, encodings }: ScannedFields): number {
  if (encodings !== '') {
    // §6.3: a message with both is a smuggling attempt or a broken peer.
    if (lengths !== '') throw new ProtocolError('both transfer-encoding and content-length');
    if (encodings.toLowerCase() !== ',chunked') throw new ProtocolError('unknown transfer-encoding');
    return CHUNKED;
  }
  if (lengths === '') return UNSAID;
  let length = lengths.slice(1);
  if (length.includes(',')) {
    // §6.3: repeated equal lengths may be taken as one.
    const [first = '', ...others] = length.split(',').map((one) => one.trim());
    length = others.every((other) => other === first) ? first : '';
  }
  if (!DIGITS.test(length)) throw new ProtocolError('malformed content-length');
  return Number(length);
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
