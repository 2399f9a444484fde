import { GatewayError } from '../../errors/gateway-error.ts';
import { BACKSLASH, QUOTE } from '../../std/json/bytes.ts';
import { JsonDocument, Kind } from '../../std/json/document.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from '../../std/json/errors.ts';
import { CanonicalWriter } from '../../std/json/writer.ts';
import type { Draft } from './draft.ts';

const checked = new JsonDocument();
const canonical = new CanonicalWriter();

/**
 * Writes the JSON object that a string node holds as text (the `arguments` of a call), digit by digit as it stands there;
 * blanks and null are an object without members. Text that is no JSON object is not guessed at, and not repaired: it is told as
 * Anthropic has its users tell it, as in answers (docs, "Fine-grained tool streaming"): a conversation in which a model once
 * broke off a call goes on. Throws GatewayError for a key that is there twice.
 */
export function writeHeldObject(draft: Draft, node: number, path: () => string): void {
  const { document, writer } = draft;
  if (draft.isEmpty(node)) {
    writer.ascii('{}');
    return;
  }
  const start = writer.length;
  writer.decoded(document.bytes, document.start(node) + 1, document.end(node) - 1);
  if (isHeldObject(writer.view(start), path)) return;
  const blank = /^\s*(?:null)?\s*$/.test(writer.text(start));
  writer.truncate(start);
  if (blank) writer.ascii('{}');
  else {
    writer.ascii('{"INVALID_JSON":');
    draft.copy(node);
    writer.ascii('}');
  }
}

function isHeldObject(text: Uint8Array, path: () => string): boolean {
  try {
    checked.parse(text);
    return checked.kind(0) === Kind.Object;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return false;
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
