import { MONEY, moneyIndex, SLOT, type SharedMemory } from '../shared/memory-map.ts';
import type { KeyStore } from './key-store.ts';
import type { UsageDelta } from './key-record.ts';
import type { SlotBook } from './slots.ts';

const MAX_BATCH = 1_000;

/**
 * Carries what the proxy threads have spent from shared memory into the store.
 *
 * The proxies only add to their words; nothing is sent and nothing can be lost with a thread. What is already stored
 * stands in shared memory too, so a later storage thread goes on where an earlier one stopped.
 */
export class SpendSweep {
  readonly #memory: SharedMemory;
  readonly #slots: SlotBook;
  readonly #store: KeyStore;
  #running: Promise<void> = Promise.resolve();

  constructor(memory: SharedMemory, slots: SlotBook, store: KeyStore) {
    this.#memory = memory;
    this.#slots = slots;
    this.#store = store;
  }

  /** Stores everything spent before the call; sweeps run one after another. */
  run(): Promise<void> {
    const next = this.#running.then(() => this.#sweep());
    this.#running = next.catch(() => {});
    return next;
  }

  async #sweep(): Promise<void> {
    const { count } = this.#slots;
    let batch: { delta: UsageDelta; slot: number; total: number }[] = [];
    for (let slot = 0; slot < count; slot++) {
      const { slotMoney } = this.#memory;
      const at = slot * SLOT.words;
      let total = 0;
      let lastUsedAtMs = 0;
      for (let worker = 0; worker < this.#memory.workers; worker++) {
        const own = moneyIndex(this.#memory.workers, slot, worker);
        total += this.#memory.money[own + MONEY.spent]!;
        lastUsedAtMs = Math.max(lastUsedAtMs, this.#memory.money[own + MONEY.lastUsedMs]!);
      }
      const spentNanoUsd = total - slotMoney[at + SLOT.stored]!;
      if (spentNanoUsd === 0 && lastUsedAtMs === slotMoney[at + SLOT.storedLastUsedMs]!) continue;
      batch.push({ delta: { id: this.#slots.id(slot), spentNanoUsd, lastUsedAtMs }, slot, total });
      if (batch.length < MAX_BATCH) continue;
      await this.#write(batch);
      batch = [];
    }
    if (batch.length > 0) await this.#write(batch);
  }

  async #write(batch: readonly { delta: UsageDelta; slot: number; total: number }[]): Promise<void> {
    await this.#store.recordUsage(batch.map(({ delta }) => delta));
    for (const { delta, slot, total } of batch) {
      this.#memory.slotMoney[slot * SLOT.words + SLOT.stored] = total;
      this.#memory.slotMoney[slot * SLOT.words + SLOT.storedLastUsedMs] = delta.lastUsedAtMs;
    }
  }
}
