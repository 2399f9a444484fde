import { MARK_KEY } from '../dialects/cache-mark.ts';
import type { RequestShape } from '../dialects/request-facts.ts';
import { CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT } from '../std/json/bytes.ts';
import { Kind, type JsonDocument } from '../std/json/document.ts';
import type { CanonicalWriter } from '../std/json/writer.ts';
import type { BlockNotes } from './block-notes.ts';
import type { Envelope } from './envelope.ts';
import { WrapperKeys } from './wrapper-keys.ts';

/** Writes the messages of a dialect's bodies, and a system prompt that is a field of its own. */
export class MessageWriter {
  readonly #shape: RequestShape;
  readonly #notes: BlockNotes;
  readonly #messageKeys: WrapperKeys;
  /** By depth: blocks may have blocks in them. */
  readonly #blockKeys: WrapperKeys[] = [];

  constructor(shape: RequestShape, notes: BlockNotes) {
    this.#shape = shape;
    this.#notes = notes;
    this.#messageKeys = new WrapperKeys(shape.messageKeys);
  }

  /** The messages with commas between them. */
  write(envelope: Envelope): void {
    const { document, canonical, request, sent } = envelope;
    const { messages, ordered } = request;
    const notes = this.#notes;
    sent.messages.clear();
    // A row of messages that are canonical as they stand, with one comma between them, is copied as one slice.
    let rowStart = -1;
    let rowEnd = -1;
    for (let index = 0; index < messages.length; index++) {
      const message = messages.at(index);
      const start = document.start(message);
      const settled = ordered.at(index) === 1 && document.canonical(message);
      if (settled && rowStart >= 0 && start === rowEnd + 1) {
        rowEnd = document.end(message);
        const at = canonical.length + start - rowStart;
        sent.messages.push(at, at + rowEnd - start);
        notes.copied(document, index, at - start);
        continue;
      }
      if (rowStart >= 0) canonical.slice(document, rowStart, rowEnd);
      if (index > 0) canonical.byte(COMMA);
      const at = canonical.length;
      if (settled) {
        rowStart = start;
        rowEnd = document.end(message);
        sent.messages.push(at, at + rowEnd - start);
        notes.copied(document, index, at - start);
      } else {
        rowStart = -1;
        this.#writeMessage(envelope, index);
        sent.messages.push(at, canonical.length);
      }
    }
    if (rowStart >= 0) canonical.slice(document, rowStart, rowEnd);
  }

  /** The system prompt, a string or blocks, with its key. */
  writeSystem({ canonical, document, request, sent }: Envelope, key: number): void {
    const { systemNode } = request;
    canonical.node(document, key);
    canonical.byte(COLON);
    sent.systemStart = canonical.length;
    this.#writeContent(document, canonical, systemNode);
    sent.systemEnd = canonical.length;
  }

  #writeMessage({ canonical, document, request }: Envelope, index: number): void {
    const message = request.messages.at(index);
    const parts = request.parts.at(index);
    const keys = this.#messageKeys;
    keys.read(document, message);
    canonical.byte(OPEN_OBJECT);
    for (let place = 0; place < keys.length; place++) {
      const key = keys.key(place);
      const value = key + 1;
      if (place > 0) canonical.byte(COMMA);
      if (value !== parts && !this.#notes.awaits(value)) {
        canonical.member(document, key);
        continue;
      }
      canonical.node(document, key);
      canonical.byte(COLON);
      this.#writeContent(document, canonical, value);
    }
    canonical.byte(CLOSE_OBJECT);
    this.#notes.endMessage(index, canonical.length);
  }

  /** A string or an array of blocks. */
  #writeContent(document: JsonDocument, canonical: CanonicalWriter, content: number): void {
    if (document.kind(content) === Kind.Array) {
      this.#writeBlocks(document, canonical, content, 0);
      return;
    }
    const start = canonical.length;
    canonical.node(document, content);
    this.#notes.wrote(document, content, start, canonical.length);
  }

  #writeBlocks(document: JsonDocument, canonical: CanonicalWriter, array: number, depth: number): void {
    canonical.byte(OPEN_ARRAY);
    const end = document.next(array);
    for (let block = array + 1; block < end; block = document.next(block)) {
      if (block !== array + 1) canonical.byte(COMMA);
      const start = canonical.length;
      if (document.kind(block) === Kind.Object) this.#writeBlock(document, canonical, block, depth);
      else canonical.node(document, block);
      if (depth === 0) this.#notes.wrote(document, block, start, canonical.length);
    }
    canonical.byte(CLOSE_ARRAY);
  }

  #writeBlock(document: JsonDocument, canonical: CanonicalWriter, block: number, depth: number): void {
    const keys = (this.#blockKeys[depth] ??= new WrapperKeys(this.#shape.blockKeys));
    keys.read(document, block);
    canonical.byte(OPEN_OBJECT);
    let first = true;
    for (let place = 0; place < keys.length; place++) {
      const key = keys.key(place);
      const value = key + 1;
      const kind = document.kind(value);
      if (kind === Kind.Null && this.#shape.nullMarks && document.textEquals(key, MARK_KEY)) continue;
      const start = canonical.length;
      if (!first) canonical.byte(COMMA);
      if (kind === Kind.Array && this.#nests(document, block, key)) {
        canonical.node(document, key);
        canonical.byte(COLON);
        this.#writeBlocks(document, canonical, value, depth + 1);
      } else canonical.member(document, key);
      if (kind !== Kind.String) this.#notes.wroteMember(value, start, canonical.length, first);
      first = false;
    }
    canonical.byte(CLOSE_OBJECT);
  }

  #nests(document: JsonDocument, block: number, key: number): boolean {
    const { nestingTypes } = this.#shape;
    if (nestingTypes.length === 0 || !document.textEquals(key, 'content')) return false;
    const type = document.member(block, 'type');
    return (
      type >= 0 &&
      document.kind(type) === Kind.String &&
      nestingTypes.some((name) => document.textEquals(type, name))
    );
  }
}
