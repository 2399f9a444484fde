import { messageOf } from '../std/thrown.ts';
import { join } from 'node:path';
import { heartbeatOf, type SharedMemory } from '../shared/memory-map.ts';
import { ownThreadId } from '../shared/thread-clock.ts';
import type { KeyRecord, StoredKey } from '../keys/key-record.ts';
import { PATIENCE_MS, PatientStore } from './patient-store.ts';
import type { StorageCall, StorageReply, StorageRequest, StorageResult } from './protocol.ts';
import { SlotService } from './slots.ts';
import { SpendSweep, sweepPauseMs } from './spend-sweep.ts';
import { isLock, SqliteStore } from './sqlite-store.ts';
import { Turns } from './turns.ts';

export type ToStorage =
  | { readonly type: 'start'; readonly dataDir: string; readonly memory: SharedMemory }
  | { readonly type: 'connect'; readonly port: MessagePort };

export type FromStorage =
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly message: string }
  /** A batch of spending could not be written; it is tried again. */
  | { readonly type: 'behind'; readonly message: string };

const BEAT_MS = 100;
const MAINTAIN_MS = 10_000;
/** Another process that starts, or a migration, may hold the database for so long before a start fails. */
const OPEN_PATIENCE_MS = 30_000;

/** The calls of the protocol, answered from a store and the slot book. */
class StorageService {
  readonly #store: PatientStore;
  readonly #slots: SlotService;
  readonly sweep: SpendSweep;

  constructor(memory: SharedMemory, store: PatientStore) {
    this.#store = store;
    this.#slots = new SlotService(memory);
    this.sweep = new SpendSweep(memory, this.#slots, store);
  }

  /** Locks are waited for until `untilMs` of `performance.now()`. */
  async perform(call: StorageCall, untilMs: number): Promise<StorageResult> {
    switch (call.op) {
      case 'findByHash': {
        const key = await this.#store.findByHash(call.hash, untilMs);
        // Only a key that is presented needs a place in the money table.
        return key === null ? null : { ...key, slot: this.#slots.give(key) };
      }
      case 'findById':
        return this.#known(await this.#store.findById(call.id, untilMs));
      case 'list':
        return (await this.#store.list(untilMs)).map((key) => this.#placed(key));
      case 'create':
        return this.#placed(await this.#store.create(call.key, untilMs));
      case 'update':
        return this.#known(await this.#store.update(call.id, call.change, untilMs));
      case 'flush':
        await this.sweep.run();
        return null;
      case 'close':
        await this.#store.close();
        return null;
      default:
        return call satisfies never;
    }
  }

  async maintain(): Promise<void> {
    await this.#store.maintain();
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
  const opened = Promise.withResolvers<StorageService>();
  // A thread that cannot open its database says so once, and to every call.
  opened.promise.catch(() => {});
  let closed = false;

  const perform = async ({ askedAtMs, call }: StorageRequest): Promise<StorageResult> => {
    const desk = await opened.promise;
    if (closed) throw new Error('storage is closed');
    if (call.op === 'close') closed = true;
    // A clock that was set must not make anybody wait for longer.
    const ageMs = Math.max(0, Date.now() - askedAtMs);
    if (ageMs >= PATIENCE_MS && call.op !== 'flush' && call.op !== 'close')
      throw new Error('storage came to this call too late to do it');
    return desk.perform(call, performance.now() + PATIENCE_MS - ageMs);
  };
  const connect = (port: MessagePort): void => {
    const answer = async (request: StorageRequest): Promise<void> => {
      const { id } = request;
      let reply: StorageReply;
      try {
        reply = { id, ok: true, result: await perform(request) };
      } catch (error) {
        reply = { id, ok: false, message: messageOf(error) };
      }
      port.postMessage(reply);
    };
    port.onmessage = (event: MessageEvent<StorageRequest>) => void answer(event.data);
  };

  const sweepForever = async (sweep: SpendSweep): Promise<void> => {
    for (;;) {
      let workedMs: number | null = null;
      try {
        workedMs = await sweep.run();
      } catch (error) {
        if (closed) return;
        send({ type: 'behind', message: messageOf(error) });
      }
      await Bun.sleep(sweepPauseMs(workedMs));
    }
  };
  const maintain = async (desk: StorageService): Promise<void> => {
    // What goes wrong here does so with the next write, too, and is told there.
    if (!closed) await desk.maintain().catch(() => {});
  };

  const start = async (dataDir: string, memory: SharedMemory): Promise<void> => {
    const beat = heartbeatOf(memory, 'storage');
    memory.threadIds[beat] = ownThreadId();
    // From the first moment on: to wait for a lock is no reason to be taken for stuck.
    setInterval(() => Atomics.add(memory.heartbeats, beat, 1), BEAT_MS);
    try {
      const store = await new Turns(isLock).run(
        () => new SqliteStore(join(dataDir, 'tokenrouter.db')),
        performance.now() + OPEN_PATIENCE_MS,
      );
      const desk = new StorageService(memory, new PatientStore(store, isLock));
      opened.resolve(desk);
      void sweepForever(desk.sweep);
      setInterval(() => void maintain(desk), MAINTAIN_MS);
      send({ type: 'started' });
    } catch (error) {
      opened.reject(error);
      send({ type: 'failed', message: messageOf(error) });
    }
  };

  return (message) => {
    if (message.type === 'connect') connect(message.port);
    else void start(message.dataDir, message.memory);
  };
}
