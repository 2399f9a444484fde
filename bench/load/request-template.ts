const encoder = new TextEncoder();

/** Stands in a body where the request's own number goes. */
export const NUMBER_PLACEHOLDER = '################';
/** Each load process numbers its requests from its seed times this. */
export const NUMBERS_PER_SEED = 10_000_000_000;
/** Beyond it numbers would not be whole any more. */
export const MAX_SEED = Math.floor(Number.MAX_SAFE_INTEGER / NUMBERS_PER_SEED) - 1;
const NUMBER_DIGITS = NUMBER_PLACEHOLDER.length;
const ZERO = 0x30;

export interface RequestTemplateOptions {
  readonly host: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  /** Length of the client keys that go into the `authorization` header, 0 for none. */
  readonly keyBytes: number;
}

/** A whole HTTP/1.1 request, laid out once; each use rewrites only its number and its key in place. */
export class RequestTemplate {
  readonly bytes: Uint8Array;
  readonly #numberAt: readonly number[];
  readonly #keyAt: number;

  constructor(options: RequestTemplateOptions) {
    const body = encoder.encode(options.body);
    let head = `POST ${options.path} HTTP/1.1\r\nhost: ${options.host}\r\n`;
    for (const [name, value] of options.headers) head += `${name}: ${value}\r\n`;
    this.#keyAt = -1;
    if (options.keyBytes > 0) {
      head += 'authorization: Bearer ';
      this.#keyAt = head.length;
      head += `${'k'.repeat(options.keyBytes)}\r\n`;
    }
    head += `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    const headBytes = encoder.encode(head);
    this.bytes = new Uint8Array(headBytes.length + body.length);
    this.bytes.set(headBytes);
    this.bytes.set(body, headBytes.length);
    const numberAt: number[] = [];
    const view = Buffer.from(this.bytes.buffer);
    for (let at = view.indexOf(NUMBER_PLACEHOLDER); at >= 0;) {
      numberAt.push(at);
      at = view.indexOf(NUMBER_PLACEHOLDER, at + NUMBER_DIGITS);
    }
    this.#numberAt = numberAt;
  }

  /** Writes a number of at most 16 digits wherever the body has its placeholder. */
  setNumber(number: number): void {
    for (let index = 0; index < this.#numberAt.length; index++)
      writeNumber(this.bytes, this.#numberAt[index] ?? 0, number);
  }

  /** Copies a client key, found at `from` in `keys`, into the `authorization` header. */
  setKey(keys: Uint8Array, from: number, length: number): void {
    if (this.#keyAt >= 0) this.bytes.set(keys.subarray(from, from + length), this.#keyAt);
  }
}

/** Writes a number as 16 digits over what is there. */
export function writeNumber(bytes: Uint8Array, at: number, number: number): void {
  let rest = number;
  for (let digit = NUMBER_DIGITS - 1; digit >= 0; digit--) {
    const next = Math.floor(rest / 10);
    bytes[at + digit] = ZERO + (rest - next * 10);
    rest = next;
  }
}
