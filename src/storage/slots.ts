import { growKeys, KEY_ID_BYTES, SLOT, type SharedMemory } from '../shared/memory-map.ts';
import type { StoredKey } from '../keys/key-record.ts';

/**
 * Which key has which place in the shared money table. The book itself lies in shared memory, so that a storage thread
 * that follows a dead one goes on with the same places.
 */
export class SlotService {
  readonly #memory: SharedMemory;
  readonly #slots = new Map<string, number>();
  readonly #ids: string[] = [];

  constructor(memory: SharedMemory) {
    this.#memory = memory;
    const count = Atomics.load(memory.slotCount, 0);
    for (let slot = 0; slot < count; slot++) {
      const at = slot * KEY_ID_BYTES;
      const id = toUuid(memory.slotKeys.slice(at, at + KEY_ID_BYTES));
      this.#slots.set(id, slot);
      this.#ids.push(id);
    }
  }

  get count(): number {
    return this.#ids.length;
  }

  id(slot: number): string {
    return this.#ids[slot]!;
  }

  /** -1: the key has not been used in this process. */
  find(id: string): number {
    return this.#slots.get(id) ?? -1;
  }

  /** The key's place, given now if it has none. Throws when the table is full. */
  give(key: StoredKey): number {
    const known = this.#slots.get(key.id);
    if (known !== undefined) return known;
    const { slotKeys, slotMoney, slotCount, maxKeys } = this.#memory;
    const slot = this.#ids.length;
    if (slot >= maxKeys) throw new Error(`more than ${maxKeys} API keys are in use`);
    growKeys(this.#memory, slot + 1);
    slotKeys.set(fromUuid(key.id), slot * KEY_ID_BYTES);
    slotMoney[slot * SLOT.words + SLOT.baseSpent] = key.spentNanoUsd;
    this.#slots.set(key.id, slot);
    this.#ids.push(key.id);
    // Last: whoever sees the count sees the slot.
    Atomics.store(slotCount, 0, slot + 1);
    return slot;
  }
}

function fromUuid(id: string): Uint8Array {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

function toUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
