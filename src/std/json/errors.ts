/** The text is not JSON: where (byte offset) and why. */
export class JsonSyntaxError extends Error {
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(`${reason} at byte ${offset}`);
    this.name = 'JsonSyntaxError';
    this.offset = offset;
  }
}

/** An object names a key twice. Parsers differ on which one wins, so neither is taken. */
export class JsonDuplicateKeyError extends Error {
  readonly key: string;
  readonly offset: number;

  constructor(key: string, offset: number) {
    super(`duplicate key ${JSON.stringify(key)} at byte ${offset}`);
    this.name = 'JsonDuplicateKeyError';
    this.key = key;
    this.offset = offset;
  }
}
