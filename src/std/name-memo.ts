/** Longer names are not worth remembering: a client may send any text. */
const MAX_NAME_LENGTH = 256;

/** Remembers what was found for the names that clients send. Bounded: full, it forgets everything. */
export class NameMemo<Found extends object | null> {
  readonly #find: (name: string) => Found;
  readonly #limit: number;
  readonly #found = new Map<string, Found>();

  constructor(limit: number, find: (name: string) => Found) {
    this.#limit = limit;
    this.#find = find;
  }

  get(name: string): Found {
    if (name.length > MAX_NAME_LENGTH) return this.#find(name);
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const found = this.#find(name);
    if (this.#found.size >= this.#limit) this.#found.clear();
    this.#found.set(name, found);
    return found;
  }
}
