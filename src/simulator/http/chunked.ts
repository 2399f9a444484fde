const CRLF = Buffer.from('\r\n');
/** Longest size line or trailer section taken. */
const MAX_LINE_BYTES = 8192;
const SIZE_LINE = /^([0-9a-fA-F]{1,8})[ \t]*(?:;[\t\x20-\x7e]*)?$/;

/** What is left to do with a chunked request body (RFC 9112 §7.1). */
type ChunkState = 'size' | 'data' | 'data-end' | 'trailer' | 'done';

/** Incremental decoder: `feed` takes what has come, returns the bytes it could not use yet. */
export class ChunkedDecoder {
  readonly parts: Buffer[] = [];
  /** Decoded bytes so far. */
  length = 0;
  #state: ChunkState = 'size';
  #left = 0;

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Null: the framing is broken. */
  feed(input: Buffer): Buffer | null {
    let bytes = input;
    while (this.#state !== 'done') {
      if (this.#state === 'data') {
        if (bytes.length === 0) return bytes;
        const part = bytes.subarray(0, this.#left);
        this.parts.push(part);
        this.length += part.length;
        this.#left -= part.length;
        bytes = bytes.subarray(part.length);
        if (this.#left === 0) this.#state = 'data-end';
        continue;
      }
      const end = bytes.indexOf(CRLF);
      if (end === -1) {
        const tooLong = this.#state === 'data-end' ? bytes.length > 1 : bytes.length > MAX_LINE_BYTES;
        return tooLong ? null : bytes;
      }
      const line = bytes.toString('latin1', 0, end);
      bytes = bytes.subarray(end + 2);
      if (!this.#line(line)) return null;
    }
    return bytes;
  }

  #line(line: string): boolean {
    if (this.#state === 'data-end') {
      this.#state = 'size';
      return line === '';
    }
    if (this.#state === 'trailer') {
      if (line === '') this.#state = 'done';
      return true;
    }
    const size = SIZE_LINE.exec(line);
    if (size === null) return false;
    this.#left = Number.parseInt(size[1] ?? '', 16);
    this.#state = this.#left === 0 ? 'trailer' : 'data';
    return true;
  }
}
