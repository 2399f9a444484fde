import type { ByteSink } from '../dedup/shared-response.ts';

/** Up to here a loop moves bytes faster than a call of the runtime's. */
const MOVED_BY_LOOP = 256;

/**
 * Gathers the byte ranges of one read that go to clients, as one range.
 *
 * What was read belongs to the relay, so its ranges are moved together where they lie, over what does not go to clients
 * (`x` below):
 *
 * ```
 *   read:  {event 1}xx{event 2}x{event 3}      ▶      {event 1}{event 2}{event 3}…
 * ```
 *
 * Ranges of other buffers, which their owner uses again, are copied. Nothing is kept between two reads, so that one does
 * for all streams of a thread.
 */
export class RelayBuffer {
  #read: Uint8Array | null = null;
  #bytes: Uint8Array | null = null;
  #start = 0;
  #end = 0;
  readonly #parts: Uint8Array[] = [];

  /** Begins a read: from now on ranges of this buffer may come; nobody else looks at what lies before the newest one. */
  open(read: Uint8Array | null): void {
    this.#read = read;
    this.#bytes = null;
    this.#parts.length = 0;
  }

  /** Ranges of one buffer come in their order. Valid until {@link take}. */
  add(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    if (this.#bytes === bytes) {
      if (this.#end === start) {
        this.#end = end;
        return;
      }
      if (bytes === this.#read) {
        this.#moveUp(bytes, start, end);
        return;
      }
    }
    if (this.#bytes !== null) this.#parts.push(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** Hands over everything that was added, if anything was. */
  take(sink: ByteSink): void {
    const bytes = this.#bytes;
    if (bytes === null) return;
    const read = this.#read;
    this.#bytes = this.#read = null;
    if (bytes === read && this.#parts.length === 0) {
      sink.append(bytes, this.#start, this.#end);
      return;
    }
    this.#parts.push(bytes.subarray(this.#start, this.#end));
    const whole = Buffer.concat(this.#parts);
    this.#parts.length = 0;
    sink.append(whole, 0, whole.length);
  }

  #moveUp(bytes: Uint8Array, start: number, end: number): void {
    let to = this.#end;
    if (end - start > MOVED_BY_LOOP) {
      bytes.copyWithin(to, start, end);
      to += end - start;
    } else for (let from = start; from < end; from++) bytes[to++] = bytes[from]!;
    this.#end = to;
  }
}
