import { Database } from 'bun:sqlite';
import { getTableConfig } from 'drizzle-orm/sqlite-core';
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QuotaLedger } from '../billing/quota.ts';
import { createMemory } from '../shared/memory-map.ts';
import { keyHash } from './key-hash.ts';
import type { NewKey } from './key-record.ts';
import type { KeyStore, UsageWriter } from './key-store.ts';
import { apiKeys, usageWriters } from './schema/sqlite.ts';
import { SlotBook } from './slots.ts';
import { SpendSweep, sweepPauseMs } from './spend-sweep.ts';
import { SqliteStore } from './sqlite-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-storage-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (): string => join(folder, `${crypto.randomUUID()}.db`);
const memory = () => createMemory({ workers: 2, metricWords: 1, labelBytes: 1, maxKeys: 4 });

function newKey(change: Partial<NewKey> = {}): NewKey {
  return {
    id: crypto.randomUUID(),
    hash: keyHash(crypto.randomUUID()),
    name: 'a key',
    keyPrefix: 'sk-tr-abcdef',
    quotaNanoUsd: 5_000_000_000,
    rpm: null,
    tpm: null,
    allowedModels: ['gpt-4o'],
    expiresAt: null,
    tags: { team: 'a' },
    dedup: true,
    passthrough: false,
    createdAt: 1_000,
    ...change,
  };
}

/** A store whose batches go through `record`. */
function recording(
  store: KeyStore,
  record: (writer: UsageWriter, ...batch: Parameters<UsageWriter['record']>) => void | Promise<void>,
): KeyStore {
  return Object.assign(Object.create(store) as KeyStore, {
    takeUsage: async (runId: string): Promise<UsageWriter> => {
      const writer = await store.takeUsage(runId);
      return { lastBatch: writer.lastBatch, record: (...batch) => record(writer, ...batch) };
    },
  });
}

/** What every store does, whatever holds it. */
function conforms(name: string, open: () => KeyStore): void {
  describe(name, () => {
    test('a key comes back as it was made, by hash and by id', async () => {
      const store = open();
      const key = newKey();
      const { hash, ...rest } = key;
      const made = await store.create(key);
      expect(made).toEqual({ ...rest, spentNanoUsd: 0, revokedAt: null, lastUsedAt: null });
      expect(await store.findByHash(hash)).toEqual(made);
      expect(await store.findById(key.id)).toEqual(made);
      expect(await store.findByHash('0'.repeat(64))).toBeNull();
      expect(JSON.stringify(made)).not.toContain(hash);
      await store.close();
    });

    test('asked to make a key that it has made, a store answers with that', async () => {
      const store = open();
      const key = newKey();
      const made = await store.create(key);
      // As a successor is asked whose predecessor made it, and died before it could say so.
      expect(await store.create(key)).toEqual(made);
      expect(await store.list()).toEqual([made]);
      await store.close();
    });

    test('a hash is taken once', async () => {
      const store = open();
      const key = newKey();
      await store.create(key);
      const again = async (): Promise<unknown> => store.create(newKey({ hash: key.hash }));
      expect(again()).rejects.toThrow();
      await store.close();
    });

    test('a change touches what it names and nothing else', async () => {
      const store = open();
      const made = await store.create(newKey());
      expect(await store.update(made.id, { quotaNanoUsd: null, allowedModels: null, rpm: 5 })).toEqual({
        ...made,
        quotaNanoUsd: null,
        allowedModels: null,
        rpm: 5,
      });
      expect(await store.update(made.id, {})).toMatchObject({ rpm: 5 });
      expect(await store.update(crypto.randomUUID(), { rpm: 1 })).toBeNull();
      await store.close();
    });

    test('usage is added, never written over, and the last use only goes forward', async () => {
      const store = open();
      const { id } = await store.create(newKey());
      const writer = await store.takeUsage('a run');
      expect(writer.lastBatch).toBe(0);
      await writer.record(1, [{ id, spentNanoUsd: 10, lastUsedAtMs: 50 }]);
      await writer.record(2, [{ id, spentNanoUsd: 7, lastUsedAtMs: 40 }]);
      expect(await store.findById(id)).toMatchObject({ spentNanoUsd: 17, lastUsedAt: 50 });
      await store.close();
    });

    test('who takes over the usage of a run learns its last batch, and the former writer can record no more', async () => {
      const store = open();
      const { id } = await store.create(newKey());
      const former = await store.takeUsage('a run');
      await former.record(1, [{ id, spentNanoUsd: 10, lastUsedAtMs: 50 }]);
      const other = await store.takeUsage('another run');
      expect(other.lastBatch).toBe(0);
      const successor = await store.takeUsage('a run');
      expect(successor.lastBatch).toBe(1);
      const late = async (): Promise<void> => former.record(2, [{ id, spentNanoUsd: 5, lastUsedAtMs: 60 }]);
      expect(late()).rejects.toThrow('another writer');
      expect(await store.findById(id)).toMatchObject({ spentNanoUsd: 10, lastUsedAt: 50 });
      await successor.record(2, [{ id, spentNanoUsd: 6, lastUsedAtMs: 70 }]);
      await other.record(1, [{ id, spentNanoUsd: 1, lastUsedAtMs: 0 }]);
      expect(await store.findById(id)).toMatchObject({ spentNanoUsd: 17, lastUsedAt: 70 });
      await store.close();
    });

    test('keys are listed oldest first', async () => {
      const store = open();
      for (const createdAt of [30, 10, 20]) await store.create(newKey({ createdAt }));
      expect((await store.list()).map((key) => key.createdAt)).toEqual([10, 20, 30]);
      await store.close();
    });
  });
}

conforms('SqliteStore', () => new SqliteStore(file()));

describe('SqliteStore on disk', () => {
  test('what was stored is there at the next start, and migrations run once', () => {
    const path = file();
    const first = new SqliteStore(path);
    const { id } = first.create(newKey());
    first.close();
    const second = new SqliteStore(path);
    expect(second.findById(id)?.name).toBe('a key');
    second.close();
  });
});

describe('schema', () => {
  test('the migrations make the tables that the queries are written for', () => {
    const path = file();
    new SqliteStore(path).close();
    const database = new Database(path);
    for (const table of [apiKeys, usageWriters]) {
      const { name: tableName, columns } = getTableConfig(table);
      const made = database
        .query<{ name: string; type: string; notnull: number; pk: number }, [string]>(
          'SELECT * FROM pragma_table_info(?)',
        )
        .all(tableName)
        .map(({ name, type, notnull, pk }) => ({
          name,
          type: type.toLowerCase(),
          notNull: notnull === 1,
          primary: pk === 1,
        }));
      const wanted = columns.map((column) => ({
        name: column.name,
        type: column.getSQLType(),
        notNull: column.notNull,
        primary: column.primary,
      }));
      expect(made).toEqual(wanted);
    }
    database.close();
  });
});

describe('slots and spending', () => {
  test('places outlive the storage thread, are never given twice, and run out with an error', () => {
    const shared = memory();
    const store = new SqliteStore(file());
    const keys = Array.from({ length: 5 }, () => store.create(newKey()));
    const book = new SlotBook(shared);
    expect(keys.slice(0, 3).map((key) => book.give(key))).toEqual([0, 1, 2]);
    expect(book.give(keys[1]!)).toBe(1);
    const successor = new SlotBook(shared);
    expect(successor.find(keys[2]!.id)).toBe(2);
    expect(successor.find(keys[3]!.id)).toBe(-1);
    expect(successor.give(keys[3]!)).toBe(3);
    expect(() => successor.give(keys[4]!)).toThrow('more than 4 API keys');
    store.close();
  });

  test('a sweep stores what was spent on every thread, once', async () => {
    const shared = memory();
    const store = new SqliteStore(file());
    const key = store.create(newKey());
    const book = new SlotBook(shared);
    const slot = book.give(key);
    const [one, two] = [new QuotaLedger(shared, 0), new QuotaLedger(shared, 1)];
    one.settle(slot, 0, 30);
    two.settle(slot, 0, 12);
    two.touch(slot, 99);
    await new SpendSweep(shared, book, store).run();
    // A successor of the storage thread must not store it again.
    await new SpendSweep(shared, new SlotBook(shared), store).run();
    expect(store.findById(key.id)).toMatchObject({ spentNanoUsd: 42, lastUsedAt: 99 });
    expect(one.spent(slot)).toBe(42);
    one.settle(slot, 0, 1);
    await new SpendSweep(shared, book, store).run();
    expect(store.findById(key.id)?.spentNanoUsd).toBe(43);
    store.close();
  });

  test('a batch that cannot be written is written by the next sweep', async () => {
    const shared = memory();
    const store = new SqliteStore(file());
    const key = store.create(newKey());
    const book = new SlotBook(shared);
    new QuotaLedger(shared, 0).settle(book.give(key), 0, 30);
    let failures = 1;
    const flaky = recording(store, (writer, batch, deltas) => {
      if (failures-- > 0) throw new Error('disk full');
      return writer.record(batch, deltas);
    });
    const sweep = new SpendSweep(shared, book, flaky);
    expect(sweep.run()).rejects.toThrow('disk full');
    await sweep.run();
    expect(store.findById(key.id)?.spentNanoUsd).toBe(30);
    store.close();
  });

  for (const [moment, committed] of [
    ['before its batch is stored', false],
    ['after its batch is stored', true],
  ] as const) {
    test(`a storage thread that dies ${moment} loses nothing and counts nothing twice`, async () => {
      const shared = memory();
      const store = new SqliteStore(file());
      const [one, two] = [store.create(newKey()), store.create(newKey())];
      const book = new SlotBook(shared);
      const ledger = new QuotaLedger(shared, 0);
      ledger.settle(book.give(one), 0, 30);
      await new SpendSweep(shared, book, store).run();
      ledger.settle(book.give(one), 0, 5);
      // The thread is gone: nothing comes back to it, neither an answer nor an error.
      const dying = recording(store, async (writer, batch, deltas) => {
        if (committed) await writer.record(batch, deltas);
        reached.resolve();
        await new Promise<never>(() => {});
      });
      const reached = Promise.withResolvers<void>();
      void new SpendSweep(shared, book, dying).run();
      await reached.promise;
      ledger.settle(book.give(one), 0, 7);
      ledger.settle(book.give(two), 0, 11);
      const successor = new SpendSweep(shared, new SlotBook(shared), store);
      await successor.run();
      await successor.run();
      expect(store.findById(one.id)?.spentNanoUsd).toBe(42);
      expect(store.findById(two.id)?.spentNanoUsd).toBe(11);
      store.close();
    });
  }

  test('a storage thread that dies in the middle of a note loses nothing', async () => {
    const shared = memory();
    const store = new SqliteStore(file());
    const key = store.create(newKey());
    const book = new SlotBook(shared);
    const ledger = new QuotaLedger(shared, 0);
    const slot = book.give(key);
    let writes = Infinity;
    const slotMoney = new Proxy(shared.slotMoney, {
      get: (words, name) => Reflect.get(words, name, words) as unknown,
      set: (words, name, value) => {
        if (writes-- <= 0) throw new Error('terminated');
        return Reflect.set(words, name, value, words);
      },
    });
    let spent = 0;
    // Each sweep ends after one word more; a whole one writes five.
    for (let allowed = 0; allowed <= 5; allowed++) {
      const dying = new SpendSweep({ ...shared, slotMoney }, book, store);
      writes = Infinity;
      ledger.settle(slot, 0, 30);
      await dying.run();
      ledger.settle(slot, 0, 5);
      spent += 35;
      writes = allowed;
      const outcome = await dying.run().then(
        () => 'whole',
        () => 'cut',
      );
      expect(outcome).toBe(allowed < 5 ? 'cut' : 'whole');
      await new SpendSweep(shared, new SlotBook(shared), store).run();
      expect(store.findById(key.id)?.spentNanoUsd).toBe(spent);
    }
    store.close();
  });

  test('a batch that was stored although its writer was told otherwise is not stored again', async () => {
    const shared = memory();
    const store = new SqliteStore(file());
    const key = store.create(newKey());
    const book = new SlotBook(shared);
    new QuotaLedger(shared, 0).settle(book.give(key), 0, 30);
    let failures = 1;
    const flaky = recording(store, async (writer, batch, deltas) => {
      await writer.record(batch, deltas);
      if (failures-- > 0) throw new Error('connection lost');
    });
    const sweep = new SpendSweep(shared, book, flaky);
    expect(sweep.run()).rejects.toThrow('connection lost');
    await sweep.run();
    expect(store.findById(key.id)?.spentNanoUsd).toBe(30);
    store.close();
  });
});

describe('the pause between sweeps', () => {
  test('grows with the work of a sweep, for which a lock does not count', async () => {
    expect(sweepPauseMs(1)).toBe(200);
    expect(sweepPauseMs(5_000)).toBe(100_000);
    expect(sweepPauseMs(null)).toBe(5_000);
    const shared = memory();
    const store = new SqliteStore(file());
    const book = new SlotBook(shared);
    new QuotaLedger(shared, 0).settle(book.give(store.create(newKey())), 0, 30);
    let nowMs = 0;
    const locked = recording(store, (writer, batch, deltas) => {
      nowMs += 2_500;
      return writer.record(batch, deltas);
    });
    expect(await new SpendSweep(shared, book, locked, () => nowMs).run()).toBe(100);
    store.close();
  });
});
