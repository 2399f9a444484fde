import { KEY_WORDS, moneyIndex, SLOT, type SharedMemory } from '../shared/memory-map.ts';
import type { KeyStore, UsageWriter } from './key-store.ts';
import type { UsageDelta } from '../keys/key-record.ts';
import type { SlotService } from './slots.ts';

const MAX_BATCH = 1_000;
const PAUSE_MS = 200;
/** Sweeps may take this share of their thread's time. */
const SHARE = 0.05;
/** A batch takes tens of milliseconds; beyond this it has waited for a lock, which is no work. */
const MAX_BATCH_MS = 100;
const PAUSE_AFTER_FAILURE_MS = 5_000;

/** How long to wait after a sweep that worked for so long; null: it failed. */
export const sweepPauseMs = (workedMs: number | null): number =>
  workedMs === null ? PAUSE_AFTER_FAILURE_MS : Math.max(PAUSE_MS, workedMs / SHARE);

/** What a batch says of one key: the delta for the store, and how much of the key's spending it makes stored. */
interface SlotUsage {
  readonly delta: UsageDelta;
  readonly slot: number;
  readonly total: number;
}

/**
 * Carries what the proxy threads have spent from shared memory into the store.
 *
 * The proxies only add to their words; nothing is sent and nothing can be lost with a thread. What is already stored
 * stands in shared memory too, so a later storage thread goes on where an earlier one stopped, at any moment:
 *
 * ```
 *   pending, pendingBatch = n   ──►   transaction(n)   ──►   stored = pending
 *                              dead: not in the store       dead: in the store, and not noted here
 * ```
 *
 * The store keeps the number of the last batch beside what the batch added. The successor asks for it: what was pending
 * in that batch is stored, what was pending in a later one is not.
 */
export class SpendSweep {
  readonly #memory: SharedMemory;
  readonly #slots: SlotService;
  readonly #store: KeyStore;
  readonly #now: () => number;
  #running: Promise<unknown> = Promise.resolve();
  /** null: what the store holds is not known, because no batch was written yet or one has failed. */
  #writer: UsageWriter | null = null;
  #lastBatch = 0;

  /** @param now monotonic, ms. */
  constructor(
    memory: SharedMemory,
    slots: SlotService,
    store: KeyStore,
    now: () => number = () => performance.now(),
  ) {
    this.#now = now;
    this.#memory = memory;
    this.#slots = slots;
    this.#store = store;
  }

  /** Stores everything spent before the call; sweeps run one after another. Resolves with the milliseconds it worked. */
  run(): Promise<number> {
    const next = this.#running.then(() => this.#sweep());
    this.#running = next.catch(() => {});
    return next;
  }

  async #sweep(): Promise<number> {
    const { count } = this.#slots;
    if (count === 0) return 0;
    const writer = (this.#writer ??= await this.#takeOver());
    const startedAtMs = this.#now();
    let waitedMs = 0;
    let batch: SlotUsage[] = [];
    for (let slot = 0; slot < count; slot++) {
      const { slotMoney } = this.#memory;
      const at = slot * SLOT.words;
      let total = 0;
      let lastUsedAtMs = 0;
      for (let worker = 0; worker < this.#memory.workers; worker++) {
        const own = moneyIndex(this.#memory.workers, slot, worker);
        total += this.#memory.money[own + KEY_WORDS.spent]!;
        lastUsedAtMs = Math.max(lastUsedAtMs, this.#memory.money[own + KEY_WORDS.lastUsedMs]!);
      }
      const spentNanoUsd = total - slotMoney[at + SLOT.stored]!;
      if (spentNanoUsd === 0 && lastUsedAtMs === slotMoney[at + SLOT.storedLastUsedMs]!) continue;
      batch.push({ delta: { id: this.#slots.id(slot), spentNanoUsd, lastUsedAtMs }, slot, total });
      if (batch.length < MAX_BATCH) continue;
      waitedMs += await this.#write(writer, batch);
      batch = [];
    }
    if (batch.length > 0) waitedMs += await this.#write(writer, batch);
    return this.#now() - startedAtMs - waitedMs;
  }

  /** Becomes the one that writes, and notes what an earlier one could not. */
  async #takeOver(): Promise<UsageWriter> {
    const writer = await this.#store.takeUsage(this.#memory.runId);
    this.#lastBatch = writer.lastBatch;
    const { slotMoney } = this.#memory;
    for (let slot = 0; slot < this.#slots.count; slot++) {
      const at = slot * SLOT.words;
      if (slotMoney[at + SLOT.pendingBatch] === writer.lastBatch && writer.lastBatch > 0)
        slotMoney[at + SLOT.stored] = slotMoney[at + SLOT.pending]!;
      slotMoney[at + SLOT.pendingBatch] = 0;
    }
    return writer;
  }

  /** Resolves with the milliseconds it waited for others. */
  async #write(writer: UsageWriter, batch: readonly SlotUsage[]): Promise<number> {
    const startedAtMs = this.#now();
    const { slotMoney } = this.#memory;
    const number = this.#lastBatch + 1;
    for (const { slot, total } of batch) {
      slotMoney[slot * SLOT.words + SLOT.pending] = total;
      slotMoney[slot * SLOT.words + SLOT.pendingBatch] = number;
    }
    try {
      await writer.record(
        number,
        batch.map(({ delta }) => delta),
      );
    } catch (error) {
      // It may stand in the store nonetheless: a commit can fail on its way back.
      this.#writer = null;
      throw error;
    }
    this.#lastBatch = number;
    for (const { delta, slot, total } of batch) {
      const at = slot * SLOT.words;
      slotMoney[at + SLOT.stored] = total;
      slotMoney[at + SLOT.storedLastUsedMs] = delta.lastUsedAtMs;
      // Or the next note, cut off between its two words, would be taken for this one.
      slotMoney[at + SLOT.pendingBatch] = 0;
    }
    return Math.max(0, this.#now() - startedAtMs - MAX_BATCH_MS);
  }
}
