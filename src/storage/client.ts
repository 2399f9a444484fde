import type { KeyChange, KeyRecord, NewKey } from './key-record.ts';
import type { StorageCall, StorageReply, StorageRequest, StorageResult } from './protocol.ts';

const DEADLINE_MS = 5_000;
const MAX_WAITING = 10_000;

interface Waiting {
  readonly call: StorageCall;
  readonly resolve: (result: StorageResult) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * The storage thread seen from another one. Each call has a deadline; a late reply finds nobody and is dropped. After
 * {@link reconnect} to a new storage thread, what still waits is asked again.
 */
export class StorageClient {
  #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(port: MessagePort) {
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

  updateKey(id: string, change: KeyChange): Promise<KeyRecord | null> {
    return this.#ask({ op: 'update', id, change }) as Promise<KeyRecord | null>;
  }

  /** Resolves once everything spent before is stored. */
  async flush(): Promise<void> {
    await this.#ask({ op: 'flush' });
  }

  reconnect(port: MessagePort): void {
    this.#port.close();
    this.#port = this.#listen(port);
    for (const [id, { call }] of this.#waiting) port.postMessage({ id, call } satisfies StorageRequest);
  }

  close(): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new Error(`storage call ${waiting.call.op} was cut off by the stop`));
    }
    this.#waiting.clear();
    this.#port.close();
  }

  #listen(port: MessagePort): MessagePort {
    port.onmessage = (event: MessageEvent<StorageReply>) => this.#settle(event.data);
    return port;
  }

  #ask(call: StorageCall): Promise<StorageResult> {
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(new Error('too many storage calls wait'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`storage did not answer ${call.op} within ${DEADLINE_MS} ms`));
      }, DEADLINE_MS);
      this.#waiting.set(id, { call, resolve, reject, timer });
      this.#port.postMessage({ id, call } satisfies StorageRequest);
    });
  }

  #settle(reply: StorageReply): void {
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    this.#waiting.delete(reply.id);
    clearTimeout(waiting.timer);
    if (reply.ok) waiting.resolve(reply.result);
    else waiting.reject(new Error(reply.message));
  }
}
