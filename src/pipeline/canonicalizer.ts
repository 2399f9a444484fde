import { MESSAGE_KEYS, PART_KEYS } from '../dialects/openai-chat/request.ts';
import type { JsonDocument } from '../std/json/document.ts';
import { KeyTable } from '../std/json/keys.ts';
import type { CanonicalWriter } from '../std/json/writer.ts';
import { CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT } from '../std/json/bytes.ts';
import type { Envelope, Stage } from './envelope.ts';
import { WrapperKeys } from './wrapper-keys.ts';

const BODY_KEYS = new KeyTable(['model']);

/** What the body's fixed texts add to its source at most, the model's name apart. */
const FIXED_BYTES = 64;

/**
 * Canonicalizer: the body in one spelling. Key order of typed wrappers (the body, messages, parts), whitespace and escape
 * style are normalised; everything inside tool definitions, schemas, arguments and content keeps its order and text.
 *
 * The body's order is `model`, the rest alphabetically, `messages` last (one host's cache is known to want them after
 * the tools). `model` is the resolved name. While writing it notes where tools and messages come to lie, so that later
 * stages hash and mark the bytes that are sent. In byte-exact mode those are the client's own.
 */
export function canonicalizer(): Stage {
  const bodyKeys = new WrapperKeys(BODY_KEYS);
  const messages = new MessageWriter();
  return {
    name: 'canonicalizer',
    run(envelope) {
      const { document, canonical, input, request, route, sent } = envelope;
      if (input.passthrough) {
        locateAsGiven(envelope);
        return;
      }
      canonical.reset(input.body.byteLength + route.upstreamModel.length * 6 + FIXED_BYTES);
      canonical.ascii('{"model":');
      canonical.string(route.upstreamModel);
      envelope.additionsAt = canonical.length;
      envelope.streamOptionsStart = -1;
      sent.tools.clear();
      sent.toolsStart = 0;
      sent.toolsEnd = 0;
      bodyKeys.read(document, 0);
      // The only known key is the model's, which is written already.
      for (let place = bodyKeys.knownCount; place < bodyKeys.length; place++) {
        const key = bodyKeys.key(place);
        const value = key + 1;
        if (value === request.messagesNode) continue;
        const start = canonical.length;
        canonical.byte(COMMA);
        if (value === request.toolsNode) writeTools(envelope, key);
        else canonical.member(document, key);
        if (value === request.streamOptionsNode) {
          envelope.streamOptionsStart = start;
          envelope.streamOptionsEnd = canonical.length;
        }
      }
      canonical.ascii(',"messages":[');
      messages.write(envelope);
      canonical.ascii(']}');
      sent.bytes = canonical.view();
    },
  };
}

function locateAsGiven({ blocks, document, input, request, sent }: Envelope): void {
  sent.bytes = Buffer.from(input.body.buffer, input.body.byteOffset, input.body.byteLength);
  sent.toolsStart = request.toolsNode < 0 ? 0 : document.start(request.toolsNode);
  sent.toolsEnd = request.toolsNode < 0 ? 0 : document.end(request.toolsNode);
  sent.tools.clear();
  for (let index = 0; index < blocks.tools.length; index++) {
    const tool = blocks.tools.at(index);
    sent.tools.push(document.start(tool), document.end(tool));
  }
  sent.messages.clear();
  for (let index = 0; index < request.messages.length; index++) {
    const message = request.messages.at(index);
    sent.messages.push(document.start(message), document.end(message));
  }
}

function writeTools({ document, canonical, blocks, sent }: Envelope, key: number): void {
  canonical.node(document, key);
  canonical.byte(COLON);
  sent.toolsStart = canonical.length;
  canonical.byte(OPEN_ARRAY);
  for (let index = 0; index < blocks.tools.length; index++) {
    if (index > 0) canonical.byte(COMMA);
    const start = canonical.length;
    canonical.node(document, blocks.tools.at(index));
    sent.tools.push(start, canonical.length);
  }
  canonical.byte(CLOSE_ARRAY);
  sent.toolsEnd = canonical.length;
}

/** Writes the messages of a body. */
class MessageWriter {
  readonly #messageKeys = new WrapperKeys(MESSAGE_KEYS);
  readonly #partKeys = new WrapperKeys(PART_KEYS);

  write({ document, canonical, request, sent }: Envelope): void {
    const { messages, ordered, parts } = request;
    sent.messages.clear();
    // A row of messages that are canonical as they stand, with one comma between them, is copied as one slice.
    let rowStart = -1;
    let rowEnd = -1;
    for (let index = 0; index < messages.length; index++) {
      const message = messages.at(index);
      const start = document.start(message);
      const settled =
        ordered.at(index) === 1 &&
        document.canonical(message) &&
        this.#partsOrdered(document, parts.at(index));
      if (settled && rowStart >= 0 && start === rowEnd + 1) {
        rowEnd = document.end(message);
        const at = canonical.length + start - rowStart;
        sent.messages.push(at, at + rowEnd - start);
        continue;
      }
      if (rowStart >= 0) canonical.slice(document, rowStart, rowEnd);
      if (index > 0) canonical.byte(COMMA);
      const at = canonical.length;
      if (settled) {
        rowStart = start;
        rowEnd = document.end(message);
        sent.messages.push(at, at + rowEnd - start);
      } else {
        rowStart = -1;
        this.#writeMessage(document, canonical, message, parts.at(index));
        sent.messages.push(at, canonical.length);
      }
    }
    if (rowStart >= 0) canonical.slice(document, rowStart, rowEnd);
  }

  #partsOrdered(document: JsonDocument, parts: number): boolean {
    if (parts < 0) return true;
    const end = document.next(parts);
    for (let part = parts + 1; part < end; part = document.next(part)) {
      this.#partKeys.read(document, part);
      if (!this.#partKeys.inOrder) return false;
    }
    return true;
  }

  #writeMessage(document: JsonDocument, canonical: CanonicalWriter, message: number, parts: number): void {
    const keys = this.#messageKeys;
    keys.read(document, message);
    canonical.byte(OPEN_OBJECT);
    for (let place = 0; place < keys.length; place++) {
      const key = keys.key(place);
      if (place > 0) canonical.byte(COMMA);
      if (key + 1 === parts) this.#writeParts(document, canonical, parts);
      else canonical.member(document, key);
    }
    canonical.byte(CLOSE_OBJECT);
  }

  /** The content member of a message, the key with it: a value's key is the node before it. */
  #writeParts(document: JsonDocument, canonical: CanonicalWriter, parts: number): void {
    const keys = this.#partKeys;
    canonical.node(document, parts - 1);
    canonical.byte(COLON);
    canonical.byte(OPEN_ARRAY);
    const end = document.next(parts);
    for (let part = parts + 1; part < end; part = document.next(part)) {
      if (part !== parts + 1) canonical.byte(COMMA);
      keys.read(document, part);
      canonical.byte(OPEN_OBJECT);
      for (let place = 0; place < keys.length; place++) {
        if (place > 0) canonical.byte(COMMA);
        canonical.member(document, keys.key(place));
      }
      canonical.byte(CLOSE_OBJECT);
    }
    canonical.byte(CLOSE_ARRAY);
  }
}
