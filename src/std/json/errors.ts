/** The text is not JSON: where (byte offset) and why. */
export class JsonSyntaxError extends Error {
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(`${reason} at byte ${offset}`);
    this.name = 'JsonSyntaxError';
    this.offset = offset;
  }
}

/** Longer keys are cut in messages. */
const MAX_SHOWN = 128;

/** An object names a key twice. Parsers differ on which one wins, so neither is taken. */
export class JsonDuplicateKeyError extends Error {
  readonly key: string;
  readonly offset: number;

  constructor(key: string, offset: number) {
    const shown = key.slice(0, MAX_SHOWN);
    super(`duplicate key ${JSON.stringify(shown)} at byte ${offset}`);
    this.name = 'JsonDuplicateKeyError';
    this.key = shown;
    this.offset = offset;
  }
}
