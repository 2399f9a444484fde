/**
 * A message head's fields: the head's text and where each field lies in it.
 *
 * ```
 *   text:    …\r\nContent-Type:  text/event-stream \r\n…
 *   offsets:      ▲           ▲  ▲                ▲        four per field: name start, name end, value start, value end
 * ```
 * A call reads a few of some twenty fields, so names and values become strings only when asked for.
 */
export class HeaderFields {
  readonly #text: string;
  readonly #offsets: readonly number[];

  constructor(text: string, offsets: readonly number[]) {
    this.#text = text;
    this.#offsets = offsets;
  }

  /** From names and values, for transports that get them apart. */
  static of(fields: Iterable<readonly [string, string]>): HeaderFields {
    const offsets: number[] = [];
    let text = '';
    for (const [name, value] of fields) {
      const start = text.length;
      text += name + value;
      offsets.push(start, start + name.length, start + name.length, text.length);
    }
    return new HeaderFields(text, offsets);
  }

  /** Value of the first field of that name (lower case), without the white space around it; null when there is none. */
  get(name: string): string | null {
    const at = this.#find(name, 0);
    return at < 0 ? null : this.#value(at);
  }

  /** Values of all fields of that name (lower case), in order. */
  all(name: string): string[] {
    const values: string[] = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 4)) values.push(this.#value(at));
    return values;
  }

  /** Names of all fields, in lower case and in order. */
  names(): string[] {
    const names: string[] = [];
    for (let at = 0; at < this.#offsets.length; at += 4)
      names.push(this.#text.slice(this.#offsets[at], this.#offsets[at + 1]).toLowerCase());
    return names;
  }

  /** Number of fields of that name (lower case). */
  count(name: string): number {
    let count = 0;
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 4)) count++;
    return count;
  }

  #value(at: number): string {
    return this.#text.slice(this.#offsets[at + 2], this.#offsets[at + 3]);
  }

  #find(name: string, from: number): number {
    const offsets = this.#offsets;
    for (let at = from; at < offsets.length; at += 4) {
      const start = offsets[at]!;
      if (offsets[at + 1]! - start === name.length && this.#matches(name, start)) return at;
    }
    return -1;
  }

  #matches(name: string, start: number): boolean {
    const text = this.#text;
    for (let index = 0; index < name.length; index++) {
      const code = text.charCodeAt(start + index);
      if ((code >= 0x41 && code <= 0x5a ? code | 0x20 : code) !== name.charCodeAt(index)) return false;
    }
    return true;
  }
}

const UNSAFE = /[^\t\x20-\x7e\x80-\xff]/;
const ALL_UNSAFE = /[^\t\x20-\x7e\x80-\xff]/g;

/** One field line. What could end it early, or is no byte, becomes a question mark. */
export function fieldLine(name: string, value: string): string {
  return `${name}: ${UNSAFE.test(value) ? value.replace(ALL_UNSAFE, '?') : value}\r\n`;
}
