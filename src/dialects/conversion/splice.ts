import { GatewayError } from '../../errors/gateway-error.ts';
import { BACKSLASH, QUOTE, SHORT_ESCAPES } from '../../std/json/bytes.ts';
import { JsonDocument, Kind } from '../../std/json/document.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from '../../std/json/errors.ts';
import { CanonicalWriter } from '../../std/json/writer.ts';
import type { Draft } from './draft.ts';
import { invalid } from './faults.ts';

const checked = new JsonDocument();
const canonical = new CanonicalWriter();

/**
 * Writes the JSON object that a string node holds as text (the `arguments` of a call), digit by digit as it stands there;
 * the empty string is an object without members. Throws GatewayError for text that is no JSON object: it is not guessed
 * at, and not repaired.
 */
export function writeHeldObject(draft: Draft, node: number, path: () => string): void {
  const { document, writer } = draft;
  if (draft.isEmpty(node)) {
    writer.ascii('{}');
    return;
  }
  const start = writer.length;
  writeDecoded(writer, document.bytes, document.start(node) + 1, document.end(node) - 1);
  try {
    checked.parse(writer.view(start));
    if (checked.kind(0) !== Kind.Object) throw invalid(path(), 'it must hold a JSON object.');
  } catch (error) {
    throw asFault(error, path);
  } finally {
    checked.release();
  }
}

function asFault(error: unknown, path: () => string): unknown {
  if (error instanceof JsonDuplicateKeyError) {
    return new GatewayError('duplicate_key', `The JSON held by '${path()}' has a ${error.message}.`, {
      param: path(),
    });
  }
  if (error instanceof JsonSyntaxError)
    return invalid(path(), `it does not hold valid JSON: ${error.message}.`);
  return error;
}

/** Writes a value of the document as the text of a JSON string: the canonical form, which has no whitespace. */
export function writeAsText(draft: Draft, node: number): void {
  const { document, writer } = draft;
  writer.byte(QUOTE);
  if (document.canonical(node))
    writeEncoded(writer, document.bytes, document.start(node), document.end(node));
  else {
    canonical.reset(document.end(node) - document.start(node));
    canonical.node(document, node);
    writeEncoded(writer, canonical.view(), 0, canonical.length);
  }
  writer.byte(QUOTE);
}

/** Canonical JSON has no control characters: quotes and backslashes are all there is to escape. */
function writeEncoded(writer: CanonicalWriter, bytes: Uint8Array, start: number, end: number): void {
  let run = start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte !== QUOTE && byte !== BACKSLASH) continue;
    writer.raw(bytes, run, at);
    writer.byte(BACKSLASH);
    run = at;
  }
  writer.raw(bytes, run, end);
}

/**
 * Writes what the inside of a JSON string, `bytes[start, end)`, decodes to. What it decodes to is JSON itself, where half
 * of a surrogate pair can only stand in a string and has no UTF-8: it stays an escape.
 */
function writeDecoded(writer: CanonicalWriter, bytes: Uint8Array, start: number, end: number): void {
  let run = start;
  let at = start;
  while (at < end) {
    if (bytes[at] !== BACKSLASH) {
      at++;
      continue;
    }
    if (at > run) writer.raw(bytes, run, at);
    const short = SHORT_ESCAPES[bytes[at + 1]!]!;
    if (short !== 0) {
      writer.byte(short);
      at += 2;
    } else at = writeCodePoint(writer, bytes, at);
    run = at;
  }
  writer.raw(bytes, run, end);
}

/** Writes the character of the `\u` escape at `at`, or of the two that are a pair, and answers the index after it. */
function writeCodePoint(writer: CanonicalWriter, bytes: Uint8Array, at: number): number {
  const code = codeUnit(bytes, at + 2);
  if (code < 0xd800 || code > 0xdfff) {
    writer.utf8(String.fromCharCode(code));
    return at + 6;
  }
  const paired = code < 0xdc00 && bytes[at + 6] === BACKSLASH && bytes[at + 7] === 0x75;
  const low = paired ? codeUnit(bytes, at + 8) : 0;
  if (low >= 0xdc00 && low <= 0xdfff) {
    writer.utf8(String.fromCharCode(code, low));
    return at + 12;
  }
  writer.raw(bytes, at, at + 6);
  return at + 6;
}

const codeUnit = (bytes: Uint8Array, at: number): number =>
  Number.parseInt(String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!), 16);
