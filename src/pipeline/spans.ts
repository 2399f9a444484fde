import { IntList } from '../std/json/int-list.ts';

/** Where each of a row of things lies in a buffer: start and end offsets, refilled for every request. */
export class Spans {
  readonly #starts = new IntList();
  readonly #ends = new IntList();

  get length(): number {
    return this.#starts.length;
  }

  clear(): void {
    this.#starts.clear();
    this.#ends.clear();
  }

  push(start: number, end: number): void {
    this.#starts.push(start);
    this.#ends.push(end);
  }

  start(index: number): number {
    return this.#starts.at(index);
  }

  end(index: number): number {
    return this.#ends.at(index);
  }

  /** Index of the first that starts at or after an offset, the length if none does; they must be in ascending order. */
  firstFrom(offset: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.start(middle) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
