import { expect, test } from 'bun:test';
import type { QuotaHolds } from '../limits/quota.ts';
import type { Lead } from '../dedup/dedup-table.ts';
import type { KnownKey } from '../keys/key-cache.ts';
import type { ProviderLimit } from '../limits/limits.ts';
import { Reservation } from './reservation.ts';

/** A reservation whose takings and givings back are written down. */
function reservation(hasMoney = true) {
  const log: string[] = [];
  const part = <Whole>(some: Partial<Whole>): Whole => some as Whole;
  const taken = new Reservation({
    lead: part<Lead>({ release: () => void log.push('release') }),
    quota: part<QuotaHolds>({
      tryHold: (_, amount) => {
        log.push(`hold ${amount}`);
        return hasMoney;
      },
      settle: (slot, held, cost) => void log.push(`settle ${slot} ${held} ${cost}`),
    }),
    providerLimit: part<ProviderLimit>({
      enter: (id) => void log.push(`enter ${id}`),
      leave: (id) => void log.push(`leave ${id}`),
    }),
  });
  return { taken, log };
}

const KEY = { slot: 7 } as KnownKey;

test('gives back what was taken, once, and takes nothing more', () => {
  const { taken, log } = reservation();
  taken.hold(KEY, 100);
  taken.enter('openai');
  taken.settle(30);
  taken.settle(30);
  const expected = ['hold 100', 'enter openai', 'release', 'leave openai', 'settle 7 100 30'];
  expect(log).toEqual(expected);
  expect(() => taken.hold(KEY, 1)).toThrow('is over');
  expect(() => taken.enter('openai')).toThrow('is over');
  expect(log).toEqual(expected);
});

test('gives back the claim alone where no more was taken', () => {
  const { taken, log } = reservation(false);
  expect(() => taken.hold(KEY, 100)).toThrow('does not cover');
  taken.settle(0);
  expect(log).toEqual(['hold 100', 'release']);
});
