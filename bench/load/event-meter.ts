/** Told of each event: when the upstream sent it, in µs since the epoch, or 0 where it does not say. */
export type EventListener = (stampUs: number) => void;

const STAMP_MARK = '"@';
const STAMP_DIGITS = 16;
const DONE = 'data: [DONE]';

/**
 * Counts the events of one stream and reads the send time that the simulator, asked by `[[sim:stamp=1]]`, writes into each as its
 * content (`"content":"@1795527175598339 …"`, µs since the epoch). Events may be split anywhere.
 */
export class EventMeter {
  readonly #listener: EventListener;
  #carry = '';
  #done = false;
  #failed = false;
  /** All events, the closing `[DONE]` not among them. */
  events = 0;
  /** Those that say when they were sent. */
  stamped = 0;

  constructor(listener: EventListener) {
    this.#listener = listener;
  }

  /** The stream has said `[DONE]`. */
  get done(): boolean {
    return this.#done;
  }

  /** The stream carried an error event. */
  get failed(): boolean {
    return this.#failed;
  }

  reset(): void {
    this.#carry = '';
    this.#done = false;
    this.#failed = false;
    this.events = 0;
    this.stamped = 0;
  }

  push(bytes: Buffer, from: number, to: number): void {
    const slice = bytes.toString('latin1', from, to);
    const text = this.#carry === '' ? slice : this.#carry + slice;
    let start = 0;
    for (;;) {
      const end = text.indexOf('\n\n', start);
      if (end < 0) break;
      this.#readEvent(text, start, end);
      start = end + 2;
    }
    this.#carry = start === text.length ? '' : text.slice(start);
  }

  #readEvent(text: string, start: number, end: number): void {
    if (text.startsWith(DONE, start)) {
      this.#done = true;
      return;
    }
    if (text.startsWith('data: {"error"', start)) this.#failed = true;
    if (!text.startsWith('data:', start)) return;
    this.events++;
    const mark = text.indexOf(STAMP_MARK, start);
    const stamped = mark >= 0 && mark < end;
    const stampUs = stamped ? Number(text.slice(mark + 2, mark + 2 + STAMP_DIGITS)) || 0 : 0;
    if (stampUs > 0) this.stamped++;
    this.#listener(stampUs);
  }
}
