import { describe, expect, test } from 'bun:test';
import { ClaimTable } from '../dedup/claim-table.ts';
import { createMemory, KEY_WORDS, moneyIndex, type SharedMemory } from '../shared/memory-map.ts';
import { giveBack } from './dead-thread.ts';

const WORKERS = 3;
const DEAD = { worker: 1, incarnation: 5 };
const LIVING = 6;

/**
 * Views that are left alone, and why. Any other is a gauge, laid out [worker][words]: the dead worker's words must be zero
 * afterwards. So a new view fails here until it is given back by `releaseWorker`, or named.
 */
const LEFT_ALONE: Readonly<Record<string, string>> = {
  heartbeats: 'the successor beats on: any change is life',
  threadIds: 'the successor writes its own as it starts',
  metrics:
    'counters go on in the successor, which soon writes its own lag and heap over those of the dead one',
  labels: 'the successor finds the rows of the counters that go on',
  slotKeys: 'written by storage',
  slotMoney: 'written by storage',
  slotCount: 'written by storage',
};
/** Views of which a part is given back; each has a test of its own below. */
const IN_PART = ['claims', 'money'];

type Words = Float64Array | Int32Array | Uint8Array | Uint32Array;

/** Every view by its name; of one that is an array of views, [worker] → view. */
function viewsOf(memory: SharedMemory): [string, Words | readonly Words[]][] {
  const views: [string, Words | readonly Words[]][] = [];
  for (const [name, view] of Object.entries(memory)) if (typeof view === 'object') views.push([name, view]);
  return views;
}

const wordsOf = (view: Words | readonly Words[]): number[] =>
  Array.isArray(view) ? view.flatMap((own: Words) => [...own]) : [...(view as Words)];

/** Tables in which every word is in use, and one proxy has died. */
function afterDeath() {
  const memory = createMemory({ workers: WORKERS, metricWords: 4, labelBytes: 4, maxKeys: 4 });
  for (const [, view] of viewsOf(memory))
    for (const words of Array.isArray(view) ? view : [view]) words.fill(1);
  const slots = memory.money.length / (WORKERS * KEY_WORDS.words);
  memory.slotCount[0] = slots;
  memory.claims.fill(0);
  const hashes = [0, 1, 2].map((first) => new Uint8Array(32).fill(first));
  const dead = new ClaimTable(memory.claims, DEAD.incarnation);
  const living = new ClaimTable(memory.claims, LIVING);
  dead.claim(hashes[0]!);
  living.claim(hashes[1]!);
  dead.claim(hashes[2]!);
  const before = new Map(viewsOf(memory).map(([name, view]) => [name, wordsOf(view)]));
  const order: string[] = [];
  const state = (): string => {
    const claimed = memory.claims.filter((word) => word !== 0).length;
    return `${claimed} claims, ${memory.inFlight[DEAD.worker * 2]} in flight`;
  };
  giveBack(DEAD, {
    memory,
    tellPeers: (incarnation) => void order.push(`peers of ${incarnation}: ${state()}`),
    invalidation: { gone: (worker) => void order.push(`${worker} acknowledges nothing more`) },
  });
  return { before, hashes, living, memory, order, slots };
}

describe('what a dead proxy thread gives back', () => {
  const { before, hashes, living, memory, order, slots } = afterDeath();

  test.each(viewsOf(memory).filter(([name]) => !IN_PART.includes(name)))('%s', (name, view) => {
    const words = wordsOf(view);
    const expected = before.get(name)!.slice();
    expect(expected.every((word) => word !== 0)).toBe(true);
    if (LEFT_ALONE[name] === undefined) {
      const each = words.length / WORKERS;
      expected.fill(0, DEAD.worker * each, (DEAD.worker + 1) * each);
    }
    expect(words).toEqual(expected);
  });

  test('money: what it held of every key; what it spent, and its rates, go on in the successor', () => {
    expect(slots).toBeGreaterThan(1);
    for (let slot = 0; slot < slots; slot++) {
      for (let worker = 0; worker < WORKERS; worker++) {
        const at = moneyIndex(WORKERS, slot, worker);
        const expected = Array.from({ length: KEY_WORDS.words }, (_, word) =>
          worker === DEAD.worker && word === KEY_WORDS.held ? 0 : 1,
        );
        expect([...memory.money.subarray(at, at + KEY_WORDS.words)]).toEqual(expected);
      }
    }
  });

  test('claims: its own and no other, so that the living can lead its calls', () => {
    expect(memory.claims.filter((word) => word !== 0)).toHaveLength(1);
    const another = new ClaimTable(memory.claims, LIVING + 1);
    expect(another.claim(hashes[1]!)).toEqual({ kind: 'join', incarnation: LIVING });
    expect(living.claim(hashes[0]!).kind).toBe('claimed');
    expect(another.claim(hashes[2]!).kind).toBe('claimed');
  });

  test('its peers are told once nothing of it stands any more, and who waits for it last', () => {
    expect(order).toEqual(['peers of 5: 1 claims, 0 in flight', '1 acknowledges nothing more']);
  });

  test('nothing is named here that is no view', () => {
    const names = new Set(viewsOf(memory).map(([name]) => name));
    expect([...Object.keys(LEFT_ALONE), ...IN_PART].filter((name) => !names.has(name))).toEqual([]);
  });
});
