import { GatewayError } from '../errors/gateway-error.ts';
import type { CountQuestion } from '../pipeline/count-question.ts';
import type { PipelineInput } from '../pipeline/envelope.ts';
import type { PreparedFields } from '../pipeline/prepared.ts';
import type { Preparation, PreparerClient } from '../preparer/client.ts';
import type { Incoming } from '../server/incoming.ts';
import type { UnfinishedBodies } from '../limits/unfinished-bodies.ts';

/** Bodies from this size on are prepared by a thread of their own: a smaller one takes some milliseconds as a rule. */
export const LARGE_BODY_BYTES = 1024 * 1024;

/** Large bodies on their way through the preparer: what they hold counts until then, and who leaves takes his with him. */
export class LargeBodies {
  readonly #preparer: PreparerClient;
  readonly #bodies: UnfinishedBodies;

  constructor(preparer: PreparerClient, bodies: UnfinishedBodies) {
    this.#preparer = preparer;
    this.#bodies = bodies;
  }

  /** @param slot of the key. The body is not the caller's any more. Rejects with a GatewayError. */
  prepare(request: Incoming, slot: number, input: PipelineInput): Promise<PreparedFields> {
    const { byteLength } = input.body;
    return this.#wait(request, slot, byteLength, this.#preparer.prepare(input, slot));
  }

  /** As {@link prepare}, for a request to count tokens. */
  count(request: Incoming, slot: number, body: Uint8Array): Promise<CountQuestion> {
    const { byteLength } = body;
    return this.#wait(request, slot, byteLength, this.#preparer.count(body, slot));
  }

  async #wait<Result>(
    request: Incoming,
    slot: number,
    bytes: number,
    preparation: Preparation<Result>,
  ): Promise<Result> {
    const left = (): void =>
      preparation.cancel(
        new GatewayError('client_closed_request', 'The client left before its request was read.'),
      );
    const kept = this.#bodies.keep(slot, bytes, (error) => preparation.cancel(error));
    const watch = { clientLeft: left };
    request.watch = watch;
    if (request.over) left();
    try {
      return await preparation.result;
    } finally {
      if (request.watch === watch) request.watch = null;
      kept.release();
    }
  }
}
