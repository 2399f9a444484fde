import { join } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import type { StorageCall, StorageReply, StorageRequest, StorageResult } from './protocol.ts';
import { SqliteStore } from './sqlite-store.ts';

export type ToStorage =
  | {
      readonly type: 'start';
      readonly dataDir: string;
      readonly maxKeys: number;
      readonly beat: { readonly words: Int32Array; readonly index: number };
    }
  | { readonly type: 'connect'; readonly port: MessagePort };

const BEAT_MS = 100;

function perform(store: SqliteStore, call: StorageCall): StorageResult {
  switch (call.op) {
    case 'findByHash':
      return store.findByHash(call.hash);
    case 'findById':
      return store.findById(call.id);
    case 'list':
      return store.list();
    case 'create':
      return store.create(call.key);
    case 'update':
      return store.update(call.id, call.change);
    case 'recordUsage':
      store.recordUsage(call.batch);
      return null;
  }
}

/** The storage thread: the only one that runs a query. Answers the function that takes its messages. */
export function storageThread(): (message: ToStorage) => void {
  let store: SqliteStore | null = null;
  const connect = (port: MessagePort): void => {
    port.on('message', ({ id, call }: StorageRequest) => {
      let reply: StorageReply;
      try {
        if (store === null) throw new Error('storage has not started');
        reply = { id, ok: true, result: perform(store, call) };
      } catch (error) {
        reply = { id, ok: false, message: error instanceof Error ? error.message : String(error) };
      }
      port.postMessage(reply);
    });
  };
  return (message) => {
    if (message.type === 'connect') {
      connect(message.port);
      return;
    }
    store = new SqliteStore(join(message.dataDir, 'tokenrouter.db'), message.maxKeys);
    setInterval(() => Atomics.add(message.beat.words, message.beat.index, 1), BEAT_MS);
  };
}
