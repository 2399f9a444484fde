import { MAX_UNKNOWN_FIELDS, tooManyFields } from '../dialects/fields.ts';
import type { JsonDocument } from '../std/json/document.ts';
import { IntList } from '../std/json/int-list.ts';
import { compareStrings, type KeyTable } from '../std/json/keys.ts';
import { orderByText } from '../std/json/text-order.ts';

/**
 * The keys of a typed wrapper (the body, a message, a part) in canonical order: those of a table first, in its order, then
 * the others by their text. No vendor's prompt shows the order of these.
 */
export class WrapperKeys {
  readonly #table: KeyTable;
  /** Key node by place in the table, -1 for one that the object lacks. */
  readonly #known: Int32Array;
  readonly #others = new IntList();
  readonly #order = new IntList();
  readonly #keys = new IntList();
  #inOrder = true;
  #knownCount = 0;

  constructor(table: KeyTable) {
    this.#table = table;
    this.#known = new Int32Array(table.names.length);
  }

  get length(): number {
    return this.#keys.length;
  }

  /** How many of the keys are in the table. They come first. */
  get knownCount(): number {
    return this.#knownCount;
  }

  /** Whether the text itself has the keys in canonical order. */
  get inOrder(): boolean {
    return this.#inOrder;
  }

  /** Key node at a place of the canonical order. */
  key(place: number): number {
    return this.#keys.at(place);
  }

  /** Reads the keys of an object; those of an earlier one are forgotten. */
  read(document: JsonDocument, object: number): void {
    const known = this.#known;
    const others = this.#others;
    const keys = this.#keys;
    for (let rank = 0; rank < known.length; rank++) known[rank] = -1;
    others.clear();
    keys.clear();
    let lastRank = -1;
    let knownInOrder = true;
    let othersInOrder = true;
    const end = document.next(object);
    for (let key = object + 1; key < end; key = document.next(key + 1)) {
      const rank = this.#table.find(document, key);
      if (rank >= 0) {
        known[rank] = key;
        if (rank < lastRank || others.length > 0) knownInOrder = false;
        lastRank = rank;
        continue;
      }
      if (others.length > 0 && compareStrings(document, others.at(others.length - 1), key) > 0)
        othersInOrder = false;
      others.push(key);
      if (others.length > MAX_UNKNOWN_FIELDS) throw tooManyFields();
    }
    for (let rank = 0; rank < known.length; rank++) if (known[rank]! >= 0) keys.push(known[rank]!);
    this.#knownCount = keys.length;
    if (othersInOrder) for (let index = 0; index < others.length; index++) keys.push(others.at(index));
    else {
      orderByText(document, others, this.#order);
      for (let index = 0; index < others.length; index++) keys.push(others.at(this.#order.at(index)));
    }
    this.#inOrder = knownInOrder && othersInOrder;
  }
}
