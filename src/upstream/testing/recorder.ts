import type { UpstreamHandler } from '../call.ts';
import type { UpstreamFailure } from '../failure.ts';
import type { HeaderFields } from '../../http1/fields.ts';

/** Keeps everything a call tells. */
export class Recorder implements UpstreamHandler {
  status = 0;
  headers: HeaderFields | null = null;
  bodyBytes = 0;
  readonly pieces: Uint8Array[] = [];
  /** Names of the methods called; runs of `body` count once. */
  readonly order: string[] = [];
  failure: UpstreamFailure | null = null;
  readonly #done = Promise.withResolvers<'end' | UpstreamFailure['kind']>();
  readonly #keep: boolean;

  /** `keep`: the body's bytes too. */
  constructor(keep = true) {
    this.#keep = keep;
  }

  /** `end`, or the kind of failure. */
  get done(): Promise<'end' | UpstreamFailure['kind']> {
    return this.#done.promise;
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString();
  }

  onHead(status: number, headers: HeaderFields): void {
    this.order.push('head');
    this.status = status;
    this.headers = headers;
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    if (this.order.at(-1) !== 'body') this.order.push('body');
    this.bodyBytes += end - start;
    if (this.#keep) this.pieces.push(chunk.slice(start, end));
  }

  onEnd(): void {
    this.order.push('end');
    this.#done.resolve('end');
  }

  onError(failure: UpstreamFailure): void {
    this.order.push('error');
    this.failure = failure;
    this.#done.resolve(failure.kind);
  }
}

const DEADLINE_MS = 20_000;

/** Resolves when the condition holds; looks after every turn of the event loop. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const untilMs = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > untilMs) throw new Error(`never came true: ${what}`);
    await Bun.sleep(1);
  }
}
