import { PortCalls } from '../std/port-calls.ts';
import type { KeyChange, KeyRecord, NewKey } from '../keys/key-record.ts';
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

/**
 * The storage thread seen from another one. Each call has a deadline; a late reply finds nobody and is dropped, but that a
 * change was made after all is told. After {@link reconnect} to a new storage thread, what still waits is asked again.
 */
export class StorageClient {
  readonly #calls: PortCalls<StorageRequest, StorageReply>;

  constructor(port: MessagePort, deadlineMs = DEADLINE_MS) {
    this.#calls = new PortCalls<StorageRequest, StorageReply>(port, {
      maxWaiting: MAX_WAITING,
      deadlineMs,
      crowded: () => new Error('too many storage calls wait'),
      overdue: ({ call }) => new StorageTimeout(`storage did not answer ${call.op} within ${deadlineMs} ms`),
    });
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
    this.#calls.reconnect(port, 'again');
  }

  close(): void {
    this.#calls.close(({ call }) => new Error(`storage call ${call.op} was cut off by the stop`));
  }

  async #ask(call: StorageCall, onLate?: () => void): Promise<StorageResult> {
    const reply = await this.#calls.ask(
      (id) => ({ id, askedAtMs: Date.now(), call }),
      onLate &&
        ((late) => {
          // No reply: the storage thread has died, and may have made the change before.
          if (late === null || late.ok) onLate();
        }),
    );
    if (!reply.ok) throw new Error(reply.message);
    return reply.result;
  }
}
