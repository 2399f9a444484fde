import { GatewayError } from '../errors/gateway-error.ts';
import { Kind, type JsonDocument } from '../std/json/document.ts';
import { KeyTable } from '../std/json/keys.ts';

/** What a kind of value is called in messages, by {@link Kind}. */
export const KIND_NAMES = [
  'null',
  'a boolean',
  'a boolean',
  'a number',
  'a string',
  'an array',
  'an object',
] as const;

/** Bounds what sorting and naming the unknown fields of a crafted body can cost; no vendor has a hundredth of this. */
export const MAX_UNKNOWN_FIELDS = 1024;

/** The body, a message or a part has more unknown fields than {@link MAX_UNKNOWN_FIELDS}. */
export const tooManyFields = (): GatewayError =>
  new GatewayError(
    'invalid_value',
    `The request body, a message or a content part has more than ${MAX_UNKNOWN_FIELDS} fields that no vendor knows.`,
  );

/** What a field may be: a set of kinds (bit per {@link Kind}) and the vendor's words for it. */
export interface FieldType {
  readonly kinds: number;
  readonly words: string;
  /** A number without a fraction; that is checked where the kind fits. */
  readonly whole: boolean;
}

export const fieldType = (words: string, ...kinds: readonly Kind[]): FieldType => ({
  kinds: kinds.reduce<number>((set, kind) => set | (1 << kind), 0),
  words,
  whole: false,
});

export const wholeNumber = (words: string): FieldType => ({
  ...fieldType(words, Kind.Number),
  whole: true,
});

/** How a dialect says what is wrong with a request. `path` names the field, as that dialect writes paths. */
export interface Wording {
  wrongType(path: string, expected: string, found: string): GatewayError;
  missing(path: string): GatewayError;
  /** A whole number outside of `[least, Number.MAX_SAFE_INTEGER]`; `value` is its source. */
  outOfRange(path: string, least: number, value: string): GatewayError;
}

/** Throws unless the node is of the type or null; null is answered as false. The path is asked for on failure only. */
export function checkType(
  document: JsonDocument,
  node: number,
  expected: FieldType,
  wording: Wording,
  path: () => string,
): boolean {
  const kind = document.kind(node);
  if (kind === Kind.Null) return false;
  if ((expected.kinds & (1 << kind)) === 0) throw wording.wrongType(path(), expected.words, KIND_NAMES[kind]);
  if (expected.whole && !Number.isInteger(Number(document.source(node))))
    throw wording.wrongType(path(), expected.words, 'a decimal number');
  return true;
}

/**
 * The top-level fields of a request whose type is known and never changes meaning. Null is allowed for all but the
 * required ones; a field that is not in the table passes unread.
 */
export class BodyFields {
  readonly #table: KeyTable;
  readonly #types: readonly FieldType[];
  readonly #required: readonly number[];
  readonly #wording: Wording;
  /** Value node by index into the table, -1 when absent. */
  readonly #given: Int32Array;

  constructor(types: Readonly<Record<string, FieldType>>, required: readonly string[], wording: Wording) {
    this.#table = new KeyTable(Object.keys(types));
    this.#types = Object.values(types);
    this.#required = required.map((name) => this.#table.names.indexOf(name));
    this.#wording = wording;
    this.#given = new Int32Array(this.#types.length);
  }

  /** Reads and checks the fields of a body. Throws the dialect's error for the first that is at fault. */
  read(document: JsonDocument): void {
    const given = this.#given.fill(-1);
    const end = document.next(0);
    for (let key = 1; key < end; key = document.next(key + 1)) {
      const index = this.#table.find(document, key);
      if (index < 0) continue;
      const type = this.#types[index]!;
      const name = (): string => this.#table.names[index]!;
      given[index] = key + 1;
      if (!checkType(document, key + 1, type, this.#wording, name) && this.#required.includes(index))
        throw this.#wording.wrongType(name(), type.words, KIND_NAMES[Kind.Null]);
    }
    for (const index of this.#required)
      if (given[index]! < 0) throw this.#wording.missing(this.#table.names[index]!);
  }

  /** Index of a field, to ask for it by. */
  index(name: string): number {
    return this.#table.names.indexOf(name);
  }

  /** Value node, -1 when absent; may be null. */
  given(index: number): number {
    return this.#given[index]!;
  }

  /** Value node, -1 when absent or null. */
  node(document: JsonDocument, index: number): number {
    const node = this.#given[index]!;
    return node >= 0 && document.kind(node) !== Kind.Null ? node : -1;
  }

  flag(document: JsonDocument, index: number): boolean {
    const node = this.#given[index]!;
    return node >= 0 && document.kind(node) === Kind.True;
  }

  /** A whole number from `least` on; null when absent or null. */
  count(document: JsonDocument, index: number, least: number): number | null {
    const node = this.node(document, index);
    if (node < 0) return null;
    const source = document.source(node);
    const value = Number(source);
    if (value >= least && value <= Number.MAX_SAFE_INTEGER) return value;
    throw this.#wording.outOfRange(this.#table.names[index]!, least, source.slice(0, 32));
  }
}
