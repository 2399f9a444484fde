import { join } from 'node:path';
import { heartbeatOf, type SharedMemory } from '../shared/memory-map.ts';
import { ownThreadId } from '../shared/thread-clock.ts';
import type { KeyRecord, StoredKey } from './key-record.ts';
import type { KeyStore } from './key-store.ts';
import type { StorageCall, StorageReply, StorageRequest, StorageResult } from './protocol.ts';
import { SlotBook } from './slots.ts';
import { SpendSweep, sweepPauseMs } from './spend-sweep.ts';
import { SqliteStore } from './sqlite-store.ts';

export type ToStorage =
  | { readonly type: 'start'; readonly dataDir: string; readonly memory: SharedMemory }
  | { readonly type: 'connect'; readonly port: MessagePort };

export type FromStorage =
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly message: string }
  /** A batch of spending could not be written; it is tried again. */
  | { readonly type: 'behind'; readonly message: string };

const BEAT_MS = 100;

/** The calls of the protocol, answered from a store and the slot book. */
class StorageDesk {
  readonly #store: KeyStore;
  readonly #slots: SlotBook;
  readonly sweep: SpendSweep;

  constructor(memory: SharedMemory, store: KeyStore) {
    this.#store = store;
    this.#slots = new SlotBook(memory);
    this.sweep = new SpendSweep(memory, this.#slots, store);
  }

  async perform(call: StorageCall): Promise<StorageResult> {
    switch (call.op) {
      case 'findByHash': {
        const key = await this.#store.findByHash(call.hash);
        // Only a key that is presented needs a place in the money table.
        return key === null ? null : { ...key, slot: this.#slots.give(key) };
      }
      case 'findById':
        return this.#known(await this.#store.findById(call.id));
      case 'list':
        return (await this.#store.list()).map((key) => this.#placed(key));
      case 'create':
        return this.#placed(await this.#store.create(call.key));
      case 'update':
        return this.#known(await this.#store.update(call.id, call.change));
      case 'flush':
        await this.sweep.run();
        return null;
      default:
        return call satisfies never;
    }
  }

  #placed(key: StoredKey): KeyRecord {
    return { ...key, slot: this.#slots.find(key.id) };
  }

  #known(key: StoredKey | null): KeyRecord | null {
    return key === null ? null : this.#placed(key);
  }
}

/** The storage thread: the only one that runs a query. Answers the function that takes its messages. */
export function storageThread(send: (message: FromStorage) => void): (message: ToStorage) => void {
  let desk: StorageDesk | null = null;

  const connect = (port: MessagePort): void => {
    const answer = async ({ id, call }: StorageRequest): Promise<void> => {
      let reply: StorageReply;
      try {
        if (desk === null) throw new Error('storage has not started');
        reply = { id, ok: true, result: await desk.perform(call) };
      } catch (error) {
        reply = { id, ok: false, message: error instanceof Error ? error.message : String(error) };
      }
      port.postMessage(reply);
    };
    port.onmessage = (event: MessageEvent<StorageRequest>) => void answer(event.data);
  };

  const sweepForever = async (sweep: SpendSweep): Promise<never> => {
    for (;;) {
      let workedMs: number | null = null;
      try {
        workedMs = await sweep.run();
      } catch (error) {
        send({ type: 'behind', message: error instanceof Error ? error.message : String(error) });
      }
      await Bun.sleep(sweepPauseMs(workedMs));
    }
  };

  return (message) => {
    if (message.type === 'connect') {
      connect(message.port);
      return;
    }
    try {
      desk = new StorageDesk(message.memory, new SqliteStore(join(message.dataDir, 'tokenrouter.db')));
    } catch (error) {
      send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
      return;
    }
    const beat = heartbeatOf(message.memory, 'storage');
    message.memory.threadIds[beat] = ownThreadId();
    setInterval(() => Atomics.add(message.memory.heartbeats, beat, 1), BEAT_MS);
    void sweepForever(desk.sweep);
    send({ type: 'started' });
  };
}
