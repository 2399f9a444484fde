import { CLOSE_OBJECT, COMMA, OPEN_OBJECT } from '../../std/json/bytes.ts';
import { characterAt, CODE_POINT, LENGTH_SHIFT } from '../../std/json/characters.ts';
import { JsonDocument, Kind } from '../../std/json/document.ts';
import { CanonicalWriter } from '../../std/json/writer.ts';
import { isWhiteSpace } from '../../std/white-space.ts';
import type { ConvertedRequest } from '../conversion.ts';
import { MAX_UNKNOWN_FIELDS, tooManyFields } from '../fields.ts';
import { wrongType } from './faults.ts';
import { Losses, shownName } from './losses.ts';
import type { Members } from './members.ts';

/** What a conversion adds to its source, as a rule. */
const ADDED_BYTES = 4096;
const NO_DOCUMENT = new JsonDocument();

/** A conversion under way: what is read, what is written, what is lost. Reused by the requests of a thread. */
export class Draft {
  readonly writer = new CanonicalWriter();
  readonly losses = new Losses();
  document = NO_DOCUMENT;

  open(document: JsonDocument): void {
    this.document = document;
    this.writer.reset(document.bytes.byteLength + ADDED_BYTES);
    this.losses.clear();
  }

  /** What has been written and lost, as the receiver's own. */
  result(): ConvertedRequest {
    return { body: this.writer.copy(), warnings: this.losses.warnings, lost: this.losses.lost };
  }

  /** Lets go of the request. */
  close(): void {
    this.document = NO_DOCUMENT;
    this.losses.clear();
  }

  /** A value as the client spelled it. */
  copy(node: number): void {
    this.writer.raw(this.document.bytes, this.document.start(node), this.document.end(node));
  }

  /** `,"name":value`, the value as the client spelled it. */
  member(name: string, node: number): void {
    this.writer.ascii(`,"${name}":`);
    this.copy(node);
  }

  /** An object as the client spelled it, without one of its members. */
  copyWithout(object: number, left: number): void {
    const { document, writer } = this;
    writer.byte(OPEN_OBJECT);
    let first = true;
    const end = document.next(object);
    for (let key = object + 1; key < end; key = document.next(key + 1)) {
      if (key + 1 === left) continue;
      if (!first) writer.byte(COMMA);
      first = false;
      writer.raw(document.bytes, document.start(key), document.end(key + 1));
    }
    writer.byte(CLOSE_OBJECT);
  }

  /** Members that the conversion does not know: each is lost, and named. `path` ends in a dot, or is empty. */
  loseOthers(members: Members, path: string): void {
    const { others } = members;
    if (others.length > MAX_UNKNOWN_FIELDS) throw tooManyFields();
    for (let index = 0; index < others.length; index++) {
      const key = others.at(index);
      const name = `${path}${shownName(this.document.text(key))}`;
      this.losses.lose(this.document, key + 1, name, 'the vendor has no such field; it was left out.');
    }
  }

  /** Whether a string is empty or of white space only, as `String.trim` has it. Looks no further than the first other character. */
  isBlank(node: number): boolean {
    const { document } = this;
    const { bytes } = document;
    const end = document.end(node) - 1;
    let at = document.start(node) + 1;
    while (at < end) {
      const character = characterAt(bytes, at);
      if (!isWhiteSpace(character & CODE_POINT)) return false;
      at += character >>> LENGTH_SHIFT;
    }
    return true;
  }

  isEmpty(node: number): boolean {
    return this.document.end(node) - this.document.start(node) === 2;
  }

  is(node: number, text: string): boolean {
    return this.document.kind(node) === Kind.String && this.document.textEquals(node, text);
  }

  /** Throws unless a value is a string. The path is asked for on failure only. */
  expectString(node: number, path: () => string): void {
    if (this.document.kind(node) !== Kind.String) throw wrongType(this.document, node, path(), 'a string');
  }

  expectBoolean(node: number, path: () => string): void {
    const kind = this.document.kind(node);
    if (kind !== Kind.True && kind !== Kind.False) throw wrongType(this.document, node, path(), 'a boolean');
  }

  expectObject(node: number, path: () => string): void {
    if (this.document.kind(node) !== Kind.Object) throw wrongType(this.document, node, path(), 'an object');
  }

  expectArray(node: number, path: () => string): void {
    if (this.document.kind(node) !== Kind.Array) throw wrongType(this.document, node, path(), 'an array');
  }
}
