import { Database } from 'bun:sqlite';
import { getTableConfig } from 'drizzle-orm/sqlite-core';
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemory } from '../shared/memory-map.ts';
import type { KeyStore } from './key-store.ts';
import { apiKeys, usageWriters } from './schema/sqlite.ts';
import { SlotService } from './slots.ts';
import { SqliteStore } from './sqlite-store.ts';
import { newKey } from '../keys/testing/keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-storage-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (): string => join(folder, `${crypto.randomUUID()}.db`);
const memory = () => createMemory({ workers: 2, metricWords: 1, labelBytes: 1, maxKeys: 4 });

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

describe('slots', () => {
  test('places outlive the storage thread, are never given twice, and run out with an error', () => {
    const shared = memory();
    const store = new SqliteStore(file());
    const keys = Array.from({ length: 5 }, () => store.create(newKey()));
    const book = new SlotService(shared);
    expect(keys.slice(0, 3).map((key) => book.give(key))).toEqual([0, 1, 2]);
    expect(book.give(keys[1]!)).toBe(1);
    const successor = new SlotService(shared);
    expect(successor.find(keys[2]!.id)).toBe(2);
    expect(successor.find(keys[3]!.id)).toBe(-1);
    expect(successor.give(keys[3]!)).toBe(3);
    expect(() => successor.give(keys[4]!)).toThrow('more than 4 API keys');
    store.close();
  });
});
