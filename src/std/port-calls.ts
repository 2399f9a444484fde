/** A request or reply as it crosses threads: it carries the number of its call. */
export interface Numbered {
  readonly id: number;
}

export interface PortCallsOptions<Request> {
  /** Where more than one caller's replies come the same way, unlike those of the others: a reply must find its own call or none. */
  readonly firstId?: number;
  /** Calls that may wait at a time. */
  readonly maxWaiting: number;
  readonly deadlineMs: number;
  /** What a call over the bound fails with. */
  readonly crowded: () => Error;
  /** What a call past its deadline fails with. */
  readonly overdue: (request: Request) => Error;
}

/** Where calls go. The replies to a function's calls are {@link PortCalls.settle}d by its owner. */
export type CallTarget<Request> = MessagePort | ((request: Request) => void);

/** Told once of a call that was given up at its deadline: its reply, or null when the one who owed it is gone. */
export type LateHook<Reply> = (reply: Reply | null) => void;

interface Waiting<Request, Reply> {
  readonly request: Request;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * Calls to another thread. Each has an id, all together a bound, and each a deadline, so that nobody waits without an end:
 *
 * ```
 *   ask ──► waiting, by id ──request──► target        the same target until `reconnect`
 *              │  ◄───────────reply─── settle
 *              └ deadline: rejects; its reply finds nobody, but the hook it was asked with
 * ```
 */
export class PortCalls<Request extends Numbered, Reply extends Numbered> {
  readonly #options: PortCallsOptions<Request>;
  readonly #waiting = new Map<number, Waiting<Request, Reply>>();
  /** Of calls that were given up, by their ids; as many as may wait. */
  readonly #late = new Map<number, LateHook<Reply>>();
  #target: CallTarget<Request>;
  #nextId: number;

  constructor(target: CallTarget<Request>, options: PortCallsOptions<Request>) {
    this.#options = options;
    this.#nextId = options.firstId ?? 1;
    this.#target = this.#listen(target);
  }

  /** Rejects with what the options say, or with what {@link reconnect} or {@link close} are given. */
  ask(request: (id: number) => Request, onLate?: LateHook<Reply>): Promise<Reply> {
    const { crowded, deadlineMs, maxWaiting, overdue } = this.#options;
    if (this.#waiting.size >= maxWaiting) return Promise.reject(crowded());
    const id = this.#nextId++;
    const asked = request(id);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        if (onLate !== undefined && this.#late.size < maxWaiting) this.#late.set(id, onLate);
        reject(overdue(asked));
      }, deadlineMs);
      this.#waiting.set(id, { request: asked, resolve, reject, timer });
      this.#post(asked);
    });
  }

  /** Ports settle their own replies. One that nobody waits for any more is dropped. */
  settle(reply: Reply): void {
    const { id } = reply;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      const tell = this.#late.get(id);
      this.#late.delete(id);
      tell?.(reply);
      return;
    }
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(reply);
  }

  /**
   * The target has a successor.
   *
   * @param waiting what waits is asked again, within the deadline it had, or fails with this.
   */
  reconnect(target: CallTarget<Request>, waiting: 'again' | ((request: Request) => Error)): void {
    this.#hangUp();
    this.#target = this.#listen(target);
    if (waiting === 'again') for (const { request } of this.#waiting.values()) this.#post(request);
    else this.#fail(waiting);
    // What the old target has not told of by now, it never will.
    const late = [...this.#late.values()];
    this.#late.clear();
    for (const tell of late) tell(null);
  }

  /** No more replies are taken; what waits fails with `reason`. */
  close(reason: (request: Request) => Error): void {
    this.#hangUp();
    this.#late.clear();
    this.#fail(reason);
  }

  #fail(reason: (request: Request) => Error): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject, request, timer } of all) {
      clearTimeout(timer);
      reject(reason(request));
    }
  }

  #listen(target: CallTarget<Request>): CallTarget<Request> {
    // Not `on`: a port that came by message has it only where node:worker_threads was loaded.
    if (typeof target !== 'function')
      target.onmessage = (event: MessageEvent<Reply>) => this.settle(event.data);
    return target;
  }

  #post(request: Request): void {
    if (typeof this.#target === 'function') this.#target(request);
    else this.#target.postMessage(request);
  }

  #hangUp(): void {
    if (typeof this.#target !== 'function') this.#target.close();
  }
}
