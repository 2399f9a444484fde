import type { Usage } from '../billing/usage.ts';
import type { StreamConversion } from '../dialects/conversion.ts';
import { blankVerdict, type EventVerdict, type StreamReader } from '../dialects/types.ts';
import { SseParser } from '../upstream/sse.ts';
import { RelayBuffer } from './relay-buffer.ts';

const MAX_EVENT_BYTES = 16 * 1024 * 1024;

/**
 * A vendor's stream on its way to clients: whole events, in one piece per read of the socket, judged by the vendor's
 * dialect. In the client's dialect they pass as they came; in another they are told anew by its conversion.
 *
 * An event that is too large throws.
 */
export class StreamRelay {
  readonly #reader: StreamReader;
  readonly #conversion: StreamConversion | null;
  readonly #parser: SseParser;
  readonly #out = new RelayBuffer();
  /** What a conversion has written since the last read. */
  #text = '';
  readonly #verdict: EventVerdict = blankVerdict();
  /** The stream has ended; what still comes has no blank line behind it. */
  #flushing = false;
  #usage: Usage | null = null;
  /** Records so far. */
  events = 0;
  /** The vendor said that this is all, or that it failed. */
  complete = false;

  constructor(reader: StreamReader, conversion: StreamConversion | null) {
    this.#reader = reader;
    this.#conversion = conversion;
    this.#parser = new SseParser({
      maxEventBytes: MAX_EVENT_BYTES,
      onEvent: (bytes, dataStart, dataEnd, eventStart, eventEnd) =>
        this.#event(bytes, dataStart, dataEnd, eventStart, eventEnd),
      // Comments keep connections alive: the client's, too.
      onBlock: (bytes, start, end) => {
        if (conversion === null) this.#out.add(bytes, start, end);
        else this.#text += conversion.comment();
      },
    });
  }

  /** The client has been told of a failure: what still comes is of no use. */
  get failed(): boolean {
    return this.#conversion !== null && this.#conversion.failed;
  }

  /** What the vendor told; of a stream that was cut off or has failed, what can be known of it. */
  get usage(): Usage | null {
    if (this.complete && this.#usage !== null) return this.#usage;
    return this.#reader.usageSoFar?.() ?? this.#usage;
  }

  /** What of `chunk[start, end)` and before can go to clients now; null when nothing can. */
  push(chunk: Uint8Array, start: number, end: number): Uint8Array | null {
    this.#reader.nextChunk();
    const read = asBuffer(chunk);
    this.#out.open(read);
    this.#parser.push(read, start, end);
    return this.#take();
  }

  /** The vendor has ended: what is left. */
  end(): Uint8Array | null {
    this.#reader.nextChunk();
    this.#flushing = true;
    this.#out.open(null);
    this.#parser.end({ flush: true });
    if (this.complete && this.#conversion !== null) this.#text += this.#conversion.end();
    return this.#take();
  }

  #take(): Uint8Array | null {
    if (this.#conversion === null) return this.#out.take();
    const text = this.#text;
    if (text === '') return null;
    this.#text = '';
    return Buffer.from(text);
  }

  #event(bytes: Uint8Array, dataStart: number, dataEnd: number, eventStart: number, eventEnd: number): void {
    const verdict = this.#verdict;
    const buffer = asBuffer(bytes);
    this.#reader.judge(buffer, dataStart, dataEnd, verdict);
    // Some servers leave out the last blank line; a record that was cut off is none.
    if (this.#flushing && !verdict.done && !isJson(bytes.subarray(dataStart, dataEnd))) return;
    this.events++;
    if (verdict.usage !== null) this.#usage = verdict.usage;
    if (verdict.done || verdict.failed || verdict.finished) this.complete = true;
    if (this.#conversion !== null) {
      this.#text += this.#conversion.event(buffer, dataStart, dataEnd);
      return;
    }
    if (verdict.drop) return;
    if (verdict.cutStart === verdict.cutEnd) {
      this.#out.add(bytes, eventStart, eventEnd);
      return;
    }
    this.#out.add(bytes, eventStart, verdict.cutStart);
    this.#out.add(bytes, verdict.cutEnd, eventEnd);
  }
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(bytes));
    return true;
  } catch {
    return false;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
