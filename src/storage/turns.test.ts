import { Database } from 'bun:sqlite';
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QuotaHolds } from '../limits/quota.ts';
import { createMemory } from '../shared/memory-map.ts';
import { PatientStore } from './patient-store.ts';
import { SlotService } from './slots.ts';
import { SpendSweep } from './spend-sweep.ts';
import { isLock, SqliteStore } from './sqlite-store.ts';
import { newKey } from '../keys/testing/keys.ts';
import { LockedError, Turns } from './turns.ts';

const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-turns-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A store on a file that another connection has locked for writing. */
class Locked implements Disposable {
  readonly path = join(folder, `${crypto.randomUUID()}.db`);
  readonly store = new SqliteStore(this.path);
  readonly patient = new PatientStore(this.store, isLock);
  readonly other = new Database(this.path);
  readonly key = this.store.create(newKey());

  lock(): void {
    this.other.run('BEGIN IMMEDIATE');
  }

  free(): void {
    this.other.run('ROLLBACK');
  }

  [Symbol.dispose](): void {
    this.other.close();
    this.store.close();
  }
}

const soon = (): number => performance.now() + 60;
const late = (): number => performance.now() + 60_000;
const turn = (): Promise<void> => Bun.sleep(1);

describe('a database that another connection writes to', () => {
  test('is read at once', async () => {
    using at = new Locked();
    at.lock();
    expect((await at.patient.findById(at.key.id))?.name).toBe('a key');
    expect(await at.patient.list()).toHaveLength(1);
    expect(await at.patient.findByHash('0'.repeat(64))).toBeNull();
    at.free();
  });

  test('is written to once it is free, in the order of the calls, while the thread goes on', async () => {
    using at = new Locked();
    at.lock();
    const { id } = at.key;
    const done: string[] = [];
    const writes = [
      at.patient.update(id, { name: 'first' }, late()).then((key) => done.push(key!.name)),
      at.patient.create(newKey(), late()).then(() => done.push('made')),
      at.patient.update(id, { rpm: 7 }, late()).then((key) => done.push(key!.name)),
    ];
    for (let index = 0; index < 50; index++) await turn();
    expect(done).toEqual([]);
    expect((await at.patient.findById(id))?.name).toBe('a key');
    at.free();
    await Promise.all(writes);
    expect(done).toEqual(['first', 'made', 'first']);
  });

  test('a write whose time is over says so and is never done; the next one is', async () => {
    using at = new Locked();
    at.lock();
    const { id } = at.key;
    const lost = at.patient.update(id, { name: 'lost' }, soon());
    const patient = at.patient.update(id, { rpm: 7 }, late());
    expect(await lost.catch((error: unknown) => error)).toBeInstanceOf(LockedError);
    at.free();
    expect(await patient).toMatchObject({ name: 'a key', rpm: 7 });
    expect((await at.patient.findById(id))?.name).toBe('a key');
  });

  test('what fails for another reason fails at once', async () => {
    using at = new Locked();
    const key = newKey();
    await at.patient.create(key);
    const again = at.patient.create(newKey({ hash: key.hash }), late());
    expect(await again.catch(String)).toContain('UNIQUE');
    // And nothing waits behind it.
    expect(await at.patient.update(at.key.id, { rpm: 1 })).toMatchObject({ rpm: 1 });
  });

  test('and that lets no reader in either is opened and read once it is free', async () => {
    const path = join(folder, `${crypto.randomUUID()}.db`);
    const first = new SqliteStore(path);
    const { id } = first.create(newKey());
    first.close();
    using other = new Database(path);
    other.run('PRAGMA locking_mode = EXCLUSIVE');
    other.run('BEGIN EXCLUSIVE');
    const opened = new Turns(isLock).run(() => new SqliteStore(path), late());
    expect(opened).toBeInstanceOf(Promise);
    await turn();
    other.close();
    const store = await opened;
    expect(store.findById(id)?.name).toBe('a key');
    store.close();
  });
});

test('spending is stored once whatever locks come and go', async () => {
  using at = new Locked();
  const shared = createMemory({ workers: 1, metricWords: 1, labelBytes: 1, maxKeys: 4 });
  const book = new SlotService(shared);
  const ledger = new QuotaHolds(shared, 0);
  const slot = book.give(at.key);
  const impatient = new PatientStore(at.store, isLock);
  // Some batches give up, as they do after seconds; others get through between two locks.
  const store = Object.assign(Object.create(impatient) as PatientStore, {
    takeUsage: async (runId: string) => {
      const writer = at.store.takeUsage(runId);
      const turns = new Turns(isLock);
      return {
        lastBatch: writer.lastBatch,
        record: async (...batch: Parameters<typeof writer.record>) =>
          turns.run(() => writer.record(...batch), performance.now() + Math.random() * 6),
      };
    },
  });
  const sweep = new SpendSweep(shared, book, store);
  let spent = 0;
  let failed = 0;
  for (let round = 0; round < 200; round++) {
    const amount = 1 + Math.floor(Math.random() * 100);
    ledger.settle(slot, 0, amount);
    spent += amount;
    at.lock();
    const sweeping = sweep.run().catch(() => failed++);
    for (let pause = Math.random() * 5; pause > 1; pause--) await turn();
    at.free();
    await sweeping;
  }
  await sweep.run();
  expect(at.store.findById(at.key.id)?.spentNanoUsd).toBe(spent);
  expect(ledger.spent(slot)).toBe(spent);
  expect(failed).toBeGreaterThan(0);
});
