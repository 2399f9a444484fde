import type { CanonicalWriter } from '../../std/json/writer.ts';
import { IntList } from '../../std/json/int-list.ts';
import { MAX_MARKS } from '../cache-mark.ts';

/**
 * The marks of a request that is being written. OpenAI takes any number of breakpoints and uses the latest; Anthropic
 * refuses more than four marks. So the oldest breakpoints go again: the client's own marks are what it asked of Anthropic,
 * and stay.
 */
export class CarriedMarks {
  /** The client's own, wherever they stand. */
  #own = 0;
  /** Where marks begin and end that breakpoints became. They are written in the order of the prompt. */
  readonly #starts = new IntList();
  readonly #ends = new IntList();

  clear(): void {
    this.#own = 0;
    this.#starts.clear();
    this.#ends.clear();
  }

  get any(): boolean {
    return this.#own + this.#starts.length > 0;
  }

  addOwn(): void {
    this.#own++;
  }

  /** A breakpoint's mark has been written, from `start` (its comma) to `end`. */
  addBreakpoint(start: number, end: number): void {
    this.#starts.push(start);
    this.#ends.push(end);
  }

  /** Takes the oldest breakpoints that are too many out of what has been written. */
  trim(writer: CanonicalWriter): void {
    const count = this.#starts.length;
    const left = Math.min(count, Math.max(0, this.#own + count - MAX_MARKS));
    if (left === 0) return;
    const written = writer.view();
    let length = this.#starts.at(0);
    for (let index = 0; index < left; index++) {
      const next = index + 1 < left ? this.#starts.at(index + 1) : written.length;
      written.copyWithin(length, this.#ends.at(index), next);
      length += next - this.#ends.at(index);
    }
    writer.truncate(length);
  }
}
