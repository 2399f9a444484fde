import type { Barrier } from './barrier.ts';
import type { Delays, Sleeper } from './delays.ts';
import type { AnswerWriter } from './dialects/types.ts';
import type { Directives } from './directives.ts';
import { chunkOf, LAST_CHUNK, type Reply } from './http/reply.ts';
import { stampNow } from './stamp.ts';
import { isContent, type Step } from './steps.ts';

export interface StreamPlan {
  readonly reply: Reply;
  readonly steps: Iterator<Step>;
  /** How many answers take turns. */
  readonly choices: number;
  readonly writer: AnswerWriter;
  readonly directives: Directives;
  readonly delays: Delays;
  readonly holds: Barrier;
  /** Goes out with the first events; empty when it has left already. */
  readonly head: string;
  /** The event that a test's `error` directive asks for. */
  readonly errorEvent: () => string;
  /** The last event has been written, or the stream was broken off on purpose. `sentBytes`: UTF-8 bytes of content. */
  readonly onEnd: (complete: boolean, sentBytes: number) => void;
}

/** Events are joined up to this many characters a write, where nothing asks for pauses between them. */
const WRITE_CHARACTERS = 16 * 1024;

/**
 * Sends a streamed answer: makes events only as fast as the client takes them, waits between content chunks, breaks off where a
 * directive says so. A client that leaves ends it, since nothing wakes it any more.
 */
export class StreamSender implements Sleeper {
  readonly #plan: StreamPlan;
  #out: string;
  /** A content step whose time has not come. */
  #held: Step | null = null;
  #contentSent = 0;
  /** Content chunks after which it waits to be released; −1: none, or it was. */
  #holdAt: number;
  #finished = 0;
  #sentBytes = 0;

  constructor(plan: StreamPlan) {
    this.#plan = plan;
    this.#out = plan.head;
    this.#holdAt = plan.directives.hold > 0 ? plan.directives.hold : -1;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Sends until the stream ends or has to wait. */
  run(): void {
    const { reply, steps, directives, delays, holds } = this.#plan;
    while (!reply.closed) {
      if (this.#endedEarly()) return;
      if (this.#contentSent === this.#holdAt) {
        this.#holdAt = -1;
        this.#flush();
        holds.wait(Number.POSITIVE_INFINITY, this);
        return;
      }
      const held = this.#held;
      const step = held ?? (steps.next().value as Step | undefined);
      this.#held = null;
      if (step === undefined) {
        this.#end();
        return;
      }
      if (held === null && directives.interval > 0 && isContent(step)) {
        this.#held = step;
        if (this.#flush()) delays.after(directives.interval, this);
        else reply.onDrain = () => delays.after(directives.interval, this);
        return;
      }
      this.#append(step);
      if (this.#out.length >= WRITE_CHARACTERS && !this.#flush()) {
        reply.onDrain = () => this.run();
        return;
      }
    }
  }

  wake(): void {
    this.run();
  }

  #append(step: Step): void {
    const { writer, choices, directives } = this.#plan;
    if (step.kind === 'finish') this.#finished++;
    const stamped = directives.stamp === 1 && step.kind === 'text';
    const sent = stamped ? { ...step, text: stampNow() + step.text } : step;
    const event = writer.event(sent, this.#finished === choices);
    // An empty chunk would end the body.
    if (event !== '') this.#out += chunkOf(event);
    if (!isContent(step)) return;
    this.#contentSent++;
    this.#sentBytes += Buffer.byteLength(step.text);
  }

  /** A directive ends the stream here. */
  #endedEarly(): boolean {
    const { reply, directives, errorEvent, onEnd } = this.#plan;
    const { break: breakAfter, reset: resetAfter, error: errorAfter } = directives;
    const sent = this.#contentSent;
    if (sent !== breakAfter && sent !== resetAfter && sent !== errorAfter) return false;
    if (sent === errorAfter) this.#out += chunkOf(errorEvent()) + LAST_CHUNK;
    this.#flush();
    if (sent === errorAfter) reply.finish();
    else reply.breakOff(sent === resetAfter);
    onEnd(false, this.#sentBytes);
    return true;
  }

  #end(): void {
    const { reply, writer, onEnd } = this.#plan;
    this.#out += chunkOf(writer.ending()) + LAST_CHUNK;
    this.#flush();
    reply.finish();
    onEnd(true, this.#sentBytes);
  }

  /** False: the client is slow. */
  #flush(): boolean {
    const out = this.#out;
    if (out === '') return true;
    this.#out = '';
    return this.#plan.reply.write(out);
  }
}
