/** What Anthropic takes as the id of a call. */
const FITTING = /^[a-zA-Z0-9_-]+$/;
const HASH_DIGITS = 24;
const MAX_SHOWN = 64;

/**
 * The id of a tool call as Anthropic takes it: the client's own where it fits, else a hash of it, so that a call and its
 * result keep naming each other in every turn.
 */
export const toolId = (text: string): string => (FITTING.test(text) ? text : hashedId(text));

/**
 * The id of a tool call as vendors of the other dialect take it: in any characters, as it was they who made it and some
 * read it (Kimi: `functions.f:0`), but no longer than `maxLength` of them.
 */
export const shortId = (text: string, maxLength: number): string =>
  text.length <= maxLength ? text : hashedId(text);

/** Stands between the vendor's id and what makes it unique. */
const UNIQUE = '_tr_';
const UNIQUE_DIGITS = 12;
const MADE_UNIQUE = new RegExp(`${UNIQUE}[0-9a-f]{${UNIQUE_DIGITS}}$`);
/** A part of an id that is long enough to be made by chance, and no word: with less of it some answers have the same. */
const BY_CHANCE = /(?=[a-zA-Z]*\d|[a-z]+[A-Z]|[A-Z]+[a-z]+[A-Z])[a-zA-Z0-9]{8}/;
/** A name that is shorter may stand in anything. */
const MIN_NAME = 3;

/**
 * The id of a call for a client: the vendor's own, made unique where answers may share it (`call_0`, `functions.look:0`): agents
 * take a call whose id they know for one that they have made. {@link originalId} takes it back.
 *
 * @param id as text
 * @param name of the tool, which says nothing about the id
 * @param place the same for the same call of the same answer alone
 */
export function uniqueId(id: string, name: string, place: string): string {
  const rest = name.length < MIN_NAME ? id : id.replaceAll(name, ' ');
  return BY_CHANCE.test(rest) ? id : `${id}${UNIQUE}${hashOf(place).slice(0, UNIQUE_DIGITS)}`;
}

/** The id of the nth call that has it, of those that have results; {@link originalId} takes it back. */
export const repeatedId = (id: string, times: number): string =>
  times > 1 ? `${id}${UNIQUE}${hashOf(`${id} ${times}`).slice(0, UNIQUE_DIGITS)}` : id;

/** The vendor's own id of one that was made unique; any other as it is. */
export const originalId = (text: string): string => text.replace(MADE_UNIQUE, '');

const hashedId = (text: string): string => `call_${hashOf(text).slice(0, HASH_DIGITS)}`;

/**
 * SHA-256 in hexadecimal digits. Text that is not well-formed is told apart too. In one call: to make a hasher first takes several
 * times as long, which shows in a body of a hundred thousand ids.
 */
export const hashOf = (text: string): string =>
  Bun.SHA256.hash(text.isWellFormed() ? text : JSON.stringify(text), 'hex');

/** So many ids are compared one by one: it takes less time than hashing them. */
const FEW = 8;

/** Calls that want a result: both vendors refuse a conversation in which one has none. */
export class OpenCalls {
  readonly #few: string[] = [];
  /** All of them, once there have been more than {@link FEW}, until none is left. */
  readonly #many = new Set<string>();

  /** Id of a call that has no result, cut to be shown; undefined when all have theirs. */
  get unanswered(): string | undefined {
    const [id] = this.#many.size > 0 ? this.#many : this.#few;
    return id?.slice(0, MAX_SHOWN);
  }

  clear(): void {
    this.#few.length = 0;
    this.#many.clear();
  }

  /** Notes a call; false when one with its id is open already. */
  add(id: string): boolean {
    if (this.#many.size === 0) {
      if (this.#few.includes(id)) return false;
      if (this.#few.length < FEW) {
        this.#few.push(id);
        return true;
      }
      for (const one of this.#few) this.#many.add(one);
      this.#few.length = 0;
    }
    const { size } = this.#many;
    return this.#many.add(id).size > size;
  }

  /** Whether a call of that id waits for its result. */
  has(id: string): boolean {
    return this.#many.size > 0 ? this.#many.has(id) : this.#few.includes(id);
  }

  /** Notes a result; false when no call of that id waits for one. */
  answer(id: string): boolean {
    if (this.#many.size > 0) return this.#many.delete(id);
    const index = this.#few.indexOf(id);
    if (index < 0) return false;
    this.#few.splice(index, 1);
    return true;
  }
}
