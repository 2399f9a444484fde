import type { MessagePort } from 'node:worker_threads';
import type { KeyChange, KeyRecord, NewKey, UsageDelta } from './key-record.ts';
import type { StorageCall, StorageReply, StorageRequest, StorageResult } from './protocol.ts';

const DEADLINE_MS = 5_000;
const MAX_WAITING = 10_000;

interface Waiting {
  readonly resolve: (result: StorageResult) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** The storage thread seen from another one. Each call has a deadline; a late reply finds nobody and is dropped. */
export class StorageClient {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (reply: StorageReply) => this.#settle(reply));
  }

  findKeyByHash(hash: string): Promise<KeyRecord | null> {
    return this.#ask({ op: 'findByHash', hash }) as Promise<KeyRecord | null>;
  }

  findKeyById(id: string): Promise<KeyRecord | null> {
    return this.#ask({ op: 'findById', id }) as Promise<KeyRecord | null>;
  }

  listKeys(): Promise<KeyRecord[]> {
    return this.#ask({ op: 'list' }) as Promise<KeyRecord[]>;
  }

  createKey(key: NewKey): Promise<KeyRecord> {
    return this.#ask({ op: 'create', key }) as Promise<KeyRecord>;
  }

  updateKey(id: string, change: KeyChange): Promise<KeyRecord | null> {
    return this.#ask({ op: 'update', id, change }) as Promise<KeyRecord | null>;
  }

  async recordUsage(batch: readonly UsageDelta[]): Promise<void> {
    await this.#ask({ op: 'recordUsage', batch });
  }

  close(): void {
    for (const [id, waiting] of this.#waiting) {
      clearTimeout(waiting.timer);
      waiting.reject(new Error(`storage call ${id} was cut off by the stop`));
    }
    this.#waiting.clear();
    this.#port.close();
  }

  #ask(call: StorageCall): Promise<StorageResult> {
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(new Error('too many storage calls wait'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`storage did not answer ${call.op} within ${DEADLINE_MS} ms`));
      }, DEADLINE_MS);
      this.#waiting.set(id, { resolve, reject, timer });
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
