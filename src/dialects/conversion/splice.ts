import { GatewayError } from '../../errors/gateway-error.ts';
import { BACKSLASH, QUOTE } from '../../std/json/bytes.ts';
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
  writer.decoded(document.bytes, document.start(node) + 1, document.end(node) - 1);
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
