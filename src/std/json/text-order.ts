import { BACKSLASH } from './bytes.ts';
import { characterAt, CODE_POINT, LENGTH_SHIFT } from './characters.ts';
import type { JsonDocument } from './document.ts';
import type { IntList } from './int-list.ts';
import { compareStrings } from './keys.ts';

/** A row of so many strings, of so many bytes in all, is sorted by comparing them where they stand. */
const SHORT_ROW = 32;
const SHORT_ROW_BYTES = 32 * 1024;
/** So few strings that begin alike are sorted by insertion. */
const FEW = 8;
/** Memory for so many code units, and so many strings, is kept. */
const KEPT_UNITS = 64 * 1024;
const KEPT_STRINGS = 4 * 1024;

/**
 * Fills `order` with the indices of `nodes` (string nodes) in the order of what they decode to, as {@link compareStrings}
 * says; equal strings keep their order. A node of -1 is no string and comes after all others.
 */
export function orderByText(document: JsonDocument, nodes: IntList, order: IntList): void {
  order.clear();
  const { length } = nodes;
  for (let index = 0; index < length; index++) order.push(index);
  if (isOrdered(document, nodes)) return;
  if (length <= SHORT_ROW && bytesOf(document, nodes) <= SHORT_ROW_BYTES)
    order.sort((one, other) => compareNodes(document, nodes.at(one), nodes.at(other)));
  else sorter.sort(document, nodes, order);
}

function compareNodes(document: JsonDocument, one: number, other: number): number {
  if (one < 0 || other < 0) return Number(one < 0) - Number(other < 0);
  return compareStrings(document, one, other);
}

function isOrdered(document: JsonDocument, nodes: IntList): boolean {
  for (let index = 1; index < nodes.length; index++)
    if (compareNodes(document, nodes.at(index - 1), nodes.at(index)) > 0) return false;
  return true;
}

function bytesOf(document: JsonDocument, nodes: IntList): number {
  let bytes = 0;
  for (let index = 0; index < nodes.length; index++) {
    const node = nodes.at(index);
    if (node >= 0) bytes += document.end(node) - document.start(node);
  }
  return bytes;
}

/**
 * Sorts long rows in time that grows with what is in them: hundreds of thousands of strings compared by twos take seconds.
 *
 * All are decoded once, to code units behind one another. Then they are sorted by the first two units that they do not share, those
 * in which these are the same by the next two, and so on. A string's entry is one number of 64 bits, which the runtime sorts without
 * asking anybody:
 *
 * ```
 *   first unit + 1 (17 bits) | second unit + 1 (17 bits) | index (30 bits)      0 for a unit: the string has ended
 * ```
 */
class TextSorter {
  #units = new Uint16Array(KEPT_UNITS);
  /** Where each string's units begin; the last one says where they end. */
  #starts = new Uint32Array(KEPT_STRINGS + 1);
  #entries = new BigUint64Array(KEPT_STRINGS);
  /** The same memory: low half, high half. */
  #words = new Uint32Array(this.#entries.buffer);
  /** Rows that are still to be sorted: where they begin and end, and how many units all in them share. */
  readonly #rows: number[] = [];

  sort(document: JsonDocument, nodes: IntList, order: IntList): void {
    const { length } = nodes;
    const units = bytesOf(document, nodes);
    if (units > KEPT_UNITS) this.#units = new Uint16Array(units);
    if (length > KEPT_STRINGS) this.#setStrings(length);
    this.#decode(document, nodes);
    let strings = 0;
    for (let index = 0; index < length; index++) if (nodes.at(index) >= 0) this.#words[strings++ * 2] = index;
    this.#rows.push(0, strings, 0);
    while (this.#rows.length > 0) this.#sortRow();
    for (let at = 0; at < strings; at++) order.set(at, this.#index(at));
    for (let index = 0, at = strings; index < length; index++)
      if (nodes.at(index) < 0) order.set(at++, index);
    if (units > KEPT_UNITS) this.#units = new Uint16Array(KEPT_UNITS);
    if (length > KEPT_STRINGS) this.#setStrings(KEPT_STRINGS);
  }

  #setStrings(count: number): void {
    this.#starts = new Uint32Array(count + 1);
    this.#entries = new BigUint64Array(count);
    this.#words = new Uint32Array(this.#entries.buffer);
  }

  #decode(document: JsonDocument, nodes: IntList): void {
    const { bytes } = document;
    const units = this.#units;
    const starts = this.#starts;
    let unit = 0;
    for (let index = 0; index < nodes.length; index++) {
      starts[index] = unit;
      const node = nodes.at(index);
      if (node < 0) continue;
      const end = document.end(node) - 1;
      let at = document.start(node) + 1;
      while (at < end) {
        const byte = bytes[at]!;
        if (byte < 0x80 && byte !== BACKSLASH) {
          units[unit++] = byte;
          at++;
          continue;
        }
        const character = characterAt(bytes, at);
        const code = character & CODE_POINT;
        at += character >>> LENGTH_SHIFT;
        if (code <= 0xffff) units[unit++] = code;
        else {
          units[unit++] = 0xd800 + ((code - 0x10000) >> 10);
          units[unit++] = 0xdc00 + (code & 0x3ff);
        }
      }
    }
    starts[nodes.length] = unit;
  }

  /** Sorts the last row of those to be sorted, and notes the rows in it of strings that are still alike. */
  #sortRow(): void {
    const rows = this.#rows;
    const shared = rows.pop()!;
    const to = rows.pop()!;
    const from = rows.pop()!;
    if (to - from <= FEW) {
      this.#insert(from, to, shared);
      return;
    }
    const depth = this.#sharedUnits(from, to, shared);
    const words = this.#words;
    for (let at = from; at < to; at++) {
      const index = this.#index(at);
      const second = this.#rank(index, depth + 1);
      words[at * 2] = index | (second << 30);
      words[at * 2 + 1] = (this.#rank(index, depth) << 15) | (second >>> 2);
    }
    this.#entries.subarray(from, to).sort();
    let next = from;
    for (let first = from; first < to; first = next) {
      const high = words[first * 2 + 1]!;
      const low = words[first * 2]! >>> 30;
      next = first + 1;
      while (next < to && words[next * 2 + 1] === high && words[next * 2]! >>> 30 === low) next++;
      // Where the second unit is none, they have ended alike and stand in their order.
      if (next - first > 1 && this.#rank(this.#index(first), depth + 1) !== 0)
        rows.push(first, next, depth + 2);
    }
  }

  #index(at: number): number {
    return this.#words[at * 2]! & 0x3fffffff;
  }

  /** A string's unit and one, 0 behind its end. */
  #rank(index: number, offset: number): number {
    const at = this.#starts[index]! + offset;
    return at < this.#starts[index + 1]! ? this.#units[at]! + 1 : 0;
  }

  /** How many units all strings of a row begin with alike; `known`: so many at least. */
  #sharedUnits(from: number, to: number, known: number): number {
    const units = this.#units;
    const starts = this.#starts;
    const one = this.#index(from);
    const start = starts[one]!;
    let shared = starts[one + 1]! - start;
    for (let at = from + 1; at < to && shared > known; at++) {
      const index = this.#index(at);
      const other = starts[index]!;
      shared = Math.min(shared, starts[index + 1]! - other);
      let same = known;
      while (same < shared && units[start + same] === units[other + same]) same++;
      shared = same;
    }
    return shared;
  }

  #insert(from: number, to: number, shared: number): void {
    const words = this.#words;
    for (let at = from; at < to; at++) {
      const index = this.#index(at);
      let into = at;
      while (into > from && this.#comesBefore(index, this.#index(into - 1), shared)) {
        words[into * 2] = words[(into - 1) * 2]!;
        into--;
      }
      words[into * 2] = index;
    }
  }

  /** Both begin with `shared` units that are the same. Equal ones stand in the order of their indices. */
  #comesBefore(one: number, other: number, shared: number): boolean {
    for (let offset = shared; ; offset++) {
      const rank = this.#rank(one, offset);
      const otherRank = this.#rank(other, offset);
      if (rank !== otherRank) return rank < otherRank;
      if (rank === 0) return one < other;
    }
  }
}

const sorter = new TextSorter();
