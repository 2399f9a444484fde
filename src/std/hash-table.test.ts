import { edenGC, fullGC, heapStats } from 'bun:jsc';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Chained, HashTable, type Hashing, TEXT } from './hash-table.ts';

class Item implements Chained<string, Item> {
  readonly key: string;
  nextInBucket: Item | null = null;

  constructor(key: string) {
    this.key = key;
  }
}

describe('HashTable', () => {
  test.each([
    ['hashes that spread', TEXT],
    ['one hash for all', { ...TEXT, hash: () => 7 }],
    ['negative hashes', { ...TEXT, hash: (key: string) => -TEXT.hash(key) }],
  ])('does what a Map does: %s', (_, hashing: Hashing<string>) => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { minLength: 1_000, maxLength: 2_000 }), (keys) => {
        const table = new HashTable<string, Item>(hashing);
        const twin = new Map<string, Item>();
        for (const number of keys) {
          const key = `key ${number}`;
          const known = twin.get(key);
          expect(table.get(key)).toBe(known ?? null);
          if (known === undefined) {
            const item = new Item(key);
            table.add(item);
            twin.set(key, item);
            expect(table.remove(new Item(key))).toBe(false);
          } else {
            expect(table.remove(known)).toBe(true);
            expect(table.remove(known)).toBe(false);
            expect(known.nextInBucket).toBeNull();
            twin.delete(key);
          }
          expect(table.size).toBe(twin.size);
        }
        expect(new Set(table.items())).toEqual(new Set(twin.values()));
      }),
      { numRuns: 20 },
    );
  });

  test('its items may be removed and added while one goes over them', () => {
    const table = new HashTable<string, Item>(TEXT);
    for (let index = 0; index < 100; index++) table.add(new Item(`${index}`));
    for (const item of table.items()) {
      table.remove(item);
      table.add(new Item(`${item.key}'`));
    }
    expect(table.size).toBe(100);
    expect(table.items().every(({ key }) => key.endsWith("'"))).toBe(true);
  });

  test('items that came and went do not keep later ones alive until everything is collected', () => {
    const table = new HashTable<string, Item>(TEXT);
    const inFlight: Item[] = [];
    let count = 0;
    const objects = (): number => heapStats().objectTypeCounts['Object'] ?? 0;
    const comeAndGo = (): void => {
      for (let index = 0; index < 20_000; index++) {
        const item = new Item(`${count++}`);
        table.add(item);
        inFlight.push(item);
        if (inFlight.length > 34) table.remove(inFlight.shift()!);
      }
      edenGC();
    };
    fullGC();
    comeAndGo();
    const before = objects();
    for (let round = 0; round < 4; round++) comeAndGo();
    // A Map of the same items keeps 7,000 more a round.
    expect(objects() - before).toBeLessThan(4_000);
  });
});
