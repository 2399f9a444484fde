import { Database } from 'bun:sqlite';
import { afterEach, describe, expect, test } from 'bun:test';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QuotaHolds } from '../limits/quota.ts';
import { createMemory, heartbeatOf } from '../shared/memory-map.ts';
import { StorageClient } from './client.ts';
import { SqliteStore } from './sqlite-store.ts';
import { newKey } from '../keys/testing/keys.ts';
import type { FromStorage } from './thread.ts';

/** Storage threads on a folder, and this thread's way to them. */
class House implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'tokenrouter-storage-'));
  readonly path = join(this.folder, 'tokenrouter.db');
  readonly #workers: Worker[] = [];

  /** A thread and the first thing it says; asked at once, as a proxy does. */
  thread(memory = createMemory({ workers: 1, metricWords: 1, labelBytes: 1, maxKeys: 4 })) {
    const worker = new Worker(new URL('../../workers/storage.ts', import.meta.url));
    this.#workers.push(worker);
    const { port1, port2 } = new MessageChannel();
    const said = new Promise<FromStorage>((resolve) => {
      worker.addEventListener('message', (event: MessageEvent<FromStorage>) => resolve(event.data));
    });
    worker.postMessage({ type: 'start', dataDir: this.folder, memory });
    worker.postMessage({ type: 'connect', port: port2 }, [port2]);
    return { client: new StorageClient(port1), memory, said };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#workers.map(
      (worker) => new Promise<void>((resolve) => worker.addEventListener('close', () => resolve())),
    );
    for (const worker of this.#workers) worker.terminate();
    await Promise.all(closed);
    rmSync(this.folder, { recursive: true });
  }
}

let house: House;
afterEach(() => house[Symbol.asyncDispose]());

/** Resolves after so many beats of the storage thread. */
async function beats(memory: ReturnType<typeof createMemory>, count: number): Promise<void> {
  const word = heartbeatOf(memory, 'storage');
  const until = Atomics.load(memory.heartbeats, word) + count;
  while (Atomics.load(memory.heartbeats, word) < until) await Bun.sleep(5);
}

describe('a locked database', () => {
  test('does not stop the thread: it beats, reads, and does what it was asked once the lock is gone', async () => {
    house = new House();
    const { client, memory, said } = house.thread();
    expect(await said).toEqual({ type: 'started' });
    const key = newKey();
    await client.createKey(key);
    using other = new Database(house.path);
    // The thread may be writing just now.
    other.run('PRAGMA busy_timeout = 10000');
    other.run('BEGIN IMMEDIATE');
    let settled = false;
    const update = client.updateKey(key.id, { name: 'renamed' }).finally(() => {
      settled = true;
    });
    await beats(memory, 5);
    expect((await client.findKeyByHash(key.hash))?.name).toBe('a key');
    expect(settled).toBe(false);
    other.run('ROLLBACK');
    expect((await update)?.name).toBe('renamed');
  });

  test('at a start: one that has its tables is opened at once', async () => {
    house = new House();
    new SqliteStore(house.path).close();
    using other = new Database(house.path);
    other.run('BEGIN IMMEDIATE');
    const { client, said } = house.thread();
    expect(await said).toEqual({ type: 'started' });
    expect(await client.listKeys()).toEqual([]);
    other.run('ROLLBACK');
  });

  test('at the first start: it is waited for, with beats, and so do calls', async () => {
    house = new House();
    using other = new Database(house.path, { create: true });
    other.run('BEGIN EXCLUSIVE');
    const { client, memory, said } = house.thread();
    const made = client.createKey(newKey());
    await beats(memory, 5);
    other.run('ROLLBACK');
    expect(await said).toEqual({ type: 'started' });
    expect((await made).name).toBe('a key');
  });

  test('several first starts at once make the tables once', async () => {
    house = new House();
    const threads = Array.from({ length: 4 }, () => house.thread());
    for (const { said } of threads) expect(await said).toEqual({ type: 'started' });
    const [one, other] = threads;
    const key = newKey();
    await one!.client.createKey(key);
    expect((await other!.client.findKeyByHash(key.hash))?.id).toBe(key.id);
  });
});

describe('a close', () => {
  test('leaves everything in the one file, and no call does anything afterwards', async () => {
    house = new House();
    const { client, memory, said } = house.thread();
    await said;
    const key = newKey();
    await client.createKey(key);
    const { slot } = (await client.findKeyByHash(key.hash))!;
    new QuotaHolds(memory, 0).settle(slot, 0, 42);
    await client.flush();
    await client.closeDatabase();
    expect(readdirSync(house.folder)).toEqual(['tokenrouter.db']);
    const copy = join(house.folder, 'copy.db');
    copyFileSync(house.path, copy);
    const copied = new SqliteStore(copy);
    expect(copied.findById(key.id)?.spentNanoUsd).toBe(42);
    copied.close();
    expect(await client.findKeyById(key.id).catch(String)).toContain('closed');
  });
});
