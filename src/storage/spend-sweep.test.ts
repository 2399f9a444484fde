import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QuotaHolds } from '../limits/quota.ts';
import { createMemory } from '../shared/memory-map.ts';
import type { KeyStore, UsageWriter } from './key-store.ts';
import { SlotService } from './slots.ts';
import { SpendSweep, sweepPauseMs } from './spend-sweep.ts';
import { SqliteStore } from './sqlite-store.ts';
import { newKey } from '../keys/testing/keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-sweep-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A store with one key in use, and what two threads spend on it. */
class Till implements Disposable {
  readonly shared = createMemory({ workers: 2, metricWords: 1, labelBytes: 1, maxKeys: 4 });
  readonly store = new SqliteStore(join(folder, `${crypto.randomUUID()}.db`));
  readonly key = this.store.create(newKey());
  readonly book = new SlotService(this.shared);
  readonly slot = this.book.give(this.key);
  readonly ledger = new QuotaHolds(this.shared, 0);

  /** As a storage thread makes it; the one that follows a dead one reads the slots anew. */
  sweep(store: KeyStore = this.store): SpendSweep {
    return new SpendSweep(this.shared, new SlotService(this.shared), store);
  }

  get stored(): number | undefined {
    return this.store.findById(this.key.id)?.spentNanoUsd;
  }

  [Symbol.dispose](): void {
    this.store.close();
  }
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

describe('what was spent', () => {
  test('is stored once, of every thread', async () => {
    using till = new Till();
    const { ledger, slot } = till;
    const other = new QuotaHolds(till.shared, 1);
    ledger.settle(slot, 0, 30);
    other.settle(slot, 0, 12);
    other.touch(slot, 99);
    await till.sweep().run();
    // A successor of the storage thread must not store it again.
    await till.sweep().run();
    expect(till.store.findById(till.key.id)).toMatchObject({ spentNanoUsd: 42, lastUsedAt: 99 });
    expect(ledger.spent(slot)).toBe(42);
    ledger.settle(slot, 0, 1);
    await till.sweep().run();
    expect(till.stored).toBe(43);
  });

  test.each([
    ['a batch cannot be written', false],
    ['a batch was, although its writer was told otherwise', true],
  ] as const)('is stored once when %s, and the next sweep tries again', async (_, committed) => {
    using till = new Till();
    till.ledger.settle(till.slot, 0, 30);
    let failures = 1;
    const failing = recording(till.store, async (writer, batch, deltas) => {
      const fails = failures-- > 0;
      if (!fails || committed) await writer.record(batch, deltas);
      if (fails) throw new Error('disk full');
    });
    const sweep = till.sweep(failing);
    expect(sweep.run()).rejects.toThrow('disk full');
    await sweep.run();
    expect(till.stored).toBe(30);
  });
});

describe('a storage thread that dies loses nothing and counts nothing twice', () => {
  test.each([
    ['before', false],
    ['after', true],
  ] as const)('%s its batch is stored', async (_, committed) => {
    using till = new Till();
    const { ledger, slot } = till;
    ledger.settle(slot, 0, 30);
    await till.sweep().run();
    ledger.settle(slot, 0, 5);
    const reached = Promise.withResolvers<void>();
    // The thread is gone: nothing comes back to it, neither an answer nor an error.
    const dying = recording(till.store, async (writer, batch, deltas) => {
      if (committed) await writer.record(batch, deltas);
      reached.resolve();
      await new Promise<never>(() => {});
    });
    void till.sweep(dying).run();
    await reached.promise;
    const second = till.store.create(newKey());
    ledger.settle(slot, 0, 7);
    ledger.settle(till.book.give(second), 0, 11);
    const successor = till.sweep();
    await successor.run();
    await successor.run();
    expect(till.stored).toBe(42);
    expect(till.store.findById(second.id)?.spentNanoUsd).toBe(11);
  });

  test('in the middle of a note', async () => {
    using till = new Till();
    const { ledger, slot } = till;
    let writes = Infinity;
    const slotMoney = new Proxy(till.shared.slotMoney, {
      get: (words, name) => Reflect.get(words, name, words) as unknown,
      set: (words, name, value) => {
        if (writes-- <= 0) throw new Error('terminated');
        return Reflect.set(words, name, value, words);
      },
    });
    let spent = 0;
    // Each sweep ends after one word more; a whole one writes five.
    for (let allowed = 0; allowed <= 5; allowed++) {
      const dying = new SpendSweep({ ...till.shared, slotMoney }, till.book, till.store);
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
      await till.sweep().run();
      expect(till.stored).toBe(spent);
    }
  });
});

test('the pause between sweeps grows with the work of a sweep, for which a lock does not count', async () => {
  expect(sweepPauseMs(1)).toBe(200);
  expect(sweepPauseMs(5_000)).toBe(100_000);
  expect(sweepPauseMs(null)).toBe(5_000);
  using till = new Till();
  till.ledger.settle(till.slot, 0, 30);
  let nowMs = 0;
  const locked = recording(till.store, (writer, batch, deltas) => {
    nowMs += 2_500;
    return writer.record(batch, deltas);
  });
  expect(await new SpendSweep(till.shared, till.book, locked, () => nowMs).run()).toBe(100);
});
