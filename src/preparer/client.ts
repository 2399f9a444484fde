import { GatewayError } from '../errors/gateway-error.ts';
import type { CountQuestion } from '../pipeline/count-question.ts';
import type { PipelineInput } from '../pipeline/envelope.ts';
import type { PreparedFields } from '../pipeline/prepared.ts';
import { alone, errorOf, movable, type Order, type Product, type Reply, type Work } from './protocol.ts';

/** What a body may wait for its turn and be worked on. */
const DEADLINE_MS = 60_000;

/** A large body that is being worked on, or waits for that. */
export interface Preparation<Result> {
  /** Rejects with a GatewayError, or with what {@link cancel} was given. */
  readonly result: Promise<Result>;
  /** It is not wanted any more; nothing happens where it is done. */
  cancel(error: GatewayError): void;
}

/**
 * The preparer thread as a proxy thread sees it.
 *
 * ```
 *   prepare ─► queue of its key ─┐
 *   prepare ─► queue of its key ─┼─ one of each in turn, one at a time ─► port ─► preparer
 *   prepare ─► queue of its key ─┘◄──────────────────────────── reply ────────────┘
 * ```
 *
 * What waits lies here, so that a preparer that ends takes no more than one body of each proxy thread with it, and one key's bodies
 * do not wait for all of another's. The queues are bounded by the memory that bodies may take.
 *
 * Not `PortCalls`: the deadline runs from the queue on, and the next body's turn comes with the reply even where nobody waits for
 * this one any more.
 */
export class PreparerClient {
  readonly #deadlineMs: number;
  readonly #firstId: number;
  /** By key, in the order in which they have their turns. */
  readonly #queues = new Map<number, Job[]>();
  #port: MessagePort | null = null;
  #running: Job | null = null;
  #count = 0;

  /** @param firstId unlike those of the thread's predecessors: a reply to one of them must find nobody. */
  constructor(firstId: number, deadlineMs = DEADLINE_MS) {
    this.#firstId = firstId;
    this.#deadlineMs = deadlineMs;
  }

  /** Bodies that wait or are worked on. */
  get size(): number {
    let size = this.#running === null ? 0 : 1;
    for (const queue of this.#queues.values()) size += queue.length;
    return size;
  }

  /** A preparer has started: from now on work goes there. What its predecessor had is lost. */
  connect(port: MessagePort): void {
    this.#port?.close();
    this.#port = port;
    port.onmessage = (event: MessageEvent<Reply>) => this.#settle(event.data);
    const lost = this.#running;
    this.#running = null;
    lost?.fail(
      new GatewayError(
        'preparation_unavailable',
        'The thread that prepares large requests has ended: send the request again.',
        { retryAfterS: 1 },
      ),
    );
    this.#next();
  }

  /** Prepares a request of the key `owner`. Its body is not the caller's any more. */
  prepare(input: PipelineInput, owner: number): Preparation<PreparedFields> {
    return this.#ask({ kind: 'chat', input: { ...input, body: alone(input.body) } }, owner);
  }

  /** Reads a request to count tokens. Its body is not the caller's any more. */
  count(body: Uint8Array, owner: number): Preparation<CountQuestion> {
    return this.#ask({ kind: 'count', body: alone(body) }, owner);
  }

  close(): void {
    const stopping = new GatewayError('shutting_down', 'The gateway is stopping.');
    for (const queue of this.#queues.values()) for (const job of queue) job.fail(stopping);
    this.#queues.clear();
    this.#running?.fail(stopping);
    this.#running = null;
    this.#port?.close();
    this.#port = null;
  }

  #ask<Result extends Product>(work: Work, owner: number): Preparation<Result> {
    const { promise, reject, resolve } = Promise.withResolvers<Product>();
    const job = new Job(this.#firstId + this.#count++, work, owner, resolve, reject);
    const cancel = (error: GatewayError): void => this.#cancel(job, error);
    job.timer = setTimeout(
      () =>
        cancel(
          new GatewayError(
            'preparation_unavailable',
            'Too many large requests are being prepared: send the request again later.',
            { retryAfterS: 5 },
          ),
        ),
      this.#deadlineMs,
    );
    const queue = this.#queues.get(owner);
    if (queue === undefined) this.#queues.set(owner, [job]);
    else queue.push(job);
    this.#next();
    return { result: promise as Promise<Result>, cancel };
  }

  /** Hands the next one over, of the key whose turn it is. */
  #next(): void {
    if (this.#running !== null || this.#port === null) return;
    for (const [owner, queue] of this.#queues) {
      const job = queue.shift();
      this.#queues.delete(owner);
      if (queue.length > 0) this.#queues.set(owner, queue);
      if (job === undefined) continue;
      this.#running = job;
      const { id, work } = job;
      const bytes = work.kind === 'chat' ? work.input.body : work.body;
      const order: Order = { type: 'work', id, work };
      this.#port.postMessage(order, movable([bytes]));
      return;
    }
  }

  #cancel(job: Job, error: GatewayError): void {
    if (!job.fail(error)) return;
    if (job === this.#running) {
      const order: Order = { type: 'cancel', id: job.id };
      this.#port?.postMessage(order);
      return;
    }
    const queue = this.#queues.get(job.owner);
    const at = queue?.indexOf(job) ?? -1;
    if (queue === undefined || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(job.owner);
  }

  #settle(reply: Reply): void {
    const job = this.#running;
    if (job?.id !== reply.id) return;
    this.#running = null;
    if ('product' in reply) job.done(reply.product);
    else if ('fault' in reply) job.fail(errorOf(reply.fault));
    else if ('defect' in reply) job.fail(new Error(reply.defect));
    this.#next();
  }
}

class Job {
  readonly id: number;
  readonly owner: number;
  readonly work: Work;
  readonly #resolve: (product: Product) => void;
  readonly #reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #settled = false;

  constructor(
    id: number,
    work: Work,
    owner: number,
    resolve: (product: Product) => void,
    reject: (error: Error) => void,
  ) {
    this.id = id;
    this.work = work;
    this.owner = owner;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  done(product: Product): void {
    if (this.#end()) this.#resolve(product);
  }

  /** False: it was over before. */
  fail(error: Error): boolean {
    if (!this.#end()) return false;
    this.#reject(error);
    return true;
  }

  #end(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.timer);
    return true;
  }
}
