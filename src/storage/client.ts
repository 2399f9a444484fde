import type { KeyChange, KeyRecord, NewKey } from './key-record.ts';
import {
  DEADLINE_MS,
  type StorageCall,
  type StorageReply,
  type StorageRequest,
  type StorageResult,
} from './protocol.ts';

const MAX_WAITING = 10_000;

/** Storage did not answer in time. What was asked is not done later than storage's own patience, but may have been. */
export class StorageTimeout extends Error {
  override readonly name = 'StorageTimeout';
}

interface Waiting {
  readonly request: StorageRequest;
  readonly resolve: (result: StorageResult) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * The storage thread seen from another one. Each call has a deadline; a late reply finds nobody and is dropped, but that a
 * change was made after all is told. After {@link reconnect} to a new storage thread, what still waits is asked again.
 */
export class StorageClient {
  readonly #deadlineMs: number;
  #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  /** Changes whose callers have given up, by the id of their request. */
  readonly #late = new Map<number, () => void>();
  #nextId = 1;

  constructor(port: MessagePort, deadlineMs = DEADLINE_MS) {
    this.#deadlineMs = deadlineMs;
    this.#port = this.#listen(port);
  }

  /** By the SHA-256 of the key, hexadecimal; gives it a place in the money table. */
  findKeyByHash(hash: string): Promise<KeyRecord | null> {
    return this.#ask({ op: 'findByHash', hash }) as Promise<KeyRecord | null>;
  }

  findKeyById(id: string): Promise<KeyRecord | null> {
    return this.#ask({ op: 'findById', id }) as Promise<KeyRecord | null>;
  }

  listKeys(): Promise<readonly KeyRecord[]> {
    return this.#ask({ op: 'list' }) as Promise<readonly KeyRecord[]>;
  }

  createKey(key: NewKey): Promise<KeyRecord> {
    return this.#ask({ op: 'create', key }) as Promise<KeyRecord>;
  }

  /** `onLate` is called when the change may have been made only after the promise was rejected with StorageTimeout. */
  updateKey(id: string, change: KeyChange, onLate?: () => void): Promise<KeyRecord | null> {
    return this.#ask({ op: 'update', id, change }, onLate) as Promise<KeyRecord | null>;
  }

  /** Resolves once everything spent before is stored. */
  async flush(): Promise<void> {
    await this.#ask({ op: 'flush' });
  }

  /** Resolves once the database is closed; every further call fails. */
  async closeDatabase(): Promise<void> {
    await this.#ask({ op: 'close' });
  }

  reconnect(port: MessagePort): void {
    this.#port.close();
    this.#port = this.#listen(port);
    for (const { request } of this.#waiting.values()) port.postMessage(request);
    // What the old thread has not told of by now, it never will.
    const late = [...this.#late.values()];
    this.#late.clear();
    for (const tell of late) tell();
  }

  close(): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new Error(`storage call ${waiting.request.call.op} was cut off by the stop`));
    }
    this.#waiting.clear();
    this.#port.close();
  }

  #listen(port: MessagePort): MessagePort {
    port.onmessage = (event: MessageEvent<StorageReply>) => this.#settle(event.data);
    return port;
  }

  #ask(call: StorageCall, onLate?: () => void): Promise<StorageResult> {
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(new Error('too many storage calls wait'));
    const request: StorageRequest = { id: this.#nextId++, askedAtMs: Date.now(), call };
    const { id } = request;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        if (onLate !== undefined && this.#late.size < MAX_WAITING) this.#late.set(id, onLate);
        reject(new StorageTimeout(`storage did not answer ${call.op} within ${this.#deadlineMs} ms`));
      }, this.#deadlineMs);
      this.#waiting.set(id, { request, resolve, reject, timer });
      this.#port.postMessage(request);
    });
  }

  #settle(reply: StorageReply): void {
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) {
      const tell = this.#late.get(reply.id);
      this.#late.delete(reply.id);
      if (reply.ok) tell?.();
      return;
    }
    this.#waiting.delete(reply.id);
    clearTimeout(waiting.timer);
    if (reply.ok) waiting.resolve(reply.result);
    else waiting.reject(new Error(reply.message));
  }
}
