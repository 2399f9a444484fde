import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from '../../std/json/bytes.ts';

const NO_BLANK = /[^ \t\n\r]/;

/**
 * Tells from the fragments of a JSON text when its object (or array) is closed: nothing of it can follow. It does not
 * check what lies between; a text that is no object or array never closes.
 */
export class ArgumentsProgress {
  /** null while there have been blanks only. */
  #isObject: boolean | null = null;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #complete = false;

  get complete(): boolean {
    return this.#complete;
  }

  /** The text begins as an object does. */
  get isObject(): boolean {
    return this.#isObject === true;
  }

  push(text: string): void {
    if (this.#isObject === null) {
      const at = text.search(NO_BLANK);
      if (at >= 0) this.#isObject = text.charCodeAt(at) === OPEN_OBJECT;
    }
    if (this.#complete) return;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === BACKSLASH) this.#escaped = true;
        else if (code === QUOTE) this.#inString = false;
      } else if (code === QUOTE) this.#inString = true;
      else if (code === OPEN_OBJECT || code === OPEN_ARRAY) this.#depth++;
      else if ((code === CLOSE_OBJECT || code === CLOSE_ARRAY) && --this.#depth <= 0) {
        this.#complete = true;
        return;
      }
    }
  }

  /** No more will come: the next call has begun under the same index. */
  close(): void {
    this.#complete = true;
  }
}
