import { expect, test } from 'bun:test';
import { callsBetween } from '../processes/simulator.ts';
import { dedupCheck, dedupTable, savedShare } from './dedup.ts';
import { fakeSample } from './testing/sample.ts';
import type { Sample } from './sample.ts';

const SENT = 7719;
/** What warming sent to the upstream before the load began. */
const WARM = { received: 310_037, inFlight: 0, aborted: 64 };

/** As one is measured: 1.2 s of ramp, 2.5 s of window and 0.4 s of end at 2,000/s. */
function measured(threads: number, percent: number, changes: Partial<Sample> = {}): Sample {
  const duplicates = Math.floor((SENT * percent) / 100);
  const after = { ...WARM, received: WARM.received + SENT - duplicates };
  return fakeSample(
    {
      variant: `${threads} ${threads === 1 ? 'thread' : 'threads'}, ${percent} %`,
      sent: 5000,
      answered: 5000,
      duplicatesSent: 50 * percent,
      inAll: { sent: SENT, duplicates, answered: SENT, followers: duplicates },
      upstream: callsBetween(WARM, after),
      ...changes,
    },
    [500],
  );
}

const PERCENTS = [0, 10, 20, 30, 40, 50];
const all = [1, 2].flatMap((threads) => PERCENTS.map((percent) => measured(threads, percent)));
const shareColumns = (samples: readonly Sample[]): unknown[][] =>
  dedupTable(samples).rows.map((row) => row.slice(1, 4).map((cell) => Math.round(Number(cell) * 10) / 10));

test('calls saved are the repeated share, whatever warmed the gateway before', () => {
  expect(shareColumns(all)).toEqual([...PERCENTS, ...PERCENTS].map((percent) => [percent, percent, percent]));
  expect(dedupCheck(all)).toMatchObject({ met: true, measured: 0 });
});

test('a call too many and a call too few are both off', () => {
  const [duplicates, calls] = [Math.floor(SENT / 2), SENT - Math.floor(SENT / 2)];
  for (const received of [calls + 10, calls - 10]) {
    const off = all.map((sample) =>
      sample.variant === '2 threads, 50 %' ? { ...sample, upstream: { received, aborted: 0 } } : sample,
    );
    const { met, measured: points } = dedupCheck(off);
    expect([met, points]).toEqual([false, expect.closeTo(1000 / SENT, 6)]);
  }
  expect(duplicates + calls).toBe(SENT);
});

test('what failed is no call saved, and where nothing was answered nothing is claimed', () => {
  const inAll = { sent: SENT, duplicates: 0, answered: 7000, followers: 0 };
  const of = (changes: Partial<Sample>): number => savedShare(fakeSample(changes));
  expect(of({ inAll, upstream: { received: 7000, aborted: 0 } })).toBe(0);
  // The gateway tried some twice.
  expect(of({ inAll, upstream: { received: 7070, aborted: 0 } })).toBeCloseTo(-0.01, 10);
  const none = { inAll: { ...inAll, answered: 0 }, upstream: { received: 0, aborted: 0 } };
  expect(of(none)).toBeNaN();
  expect(dedupCheck(all.map((sample) => ({ ...sample, ...none }))).met).toBe(false);
  expect(dedupCheck([])).toMatchObject({ met: false, measured: Number.NaN });
  expect(dedupCheck(all.slice(1)).met).toBe(false);
  expect(dedupTable([]).rows[0]?.slice(1).every(Number.isNaN)).toBe(true);
});

test('without followers they have no delay', () => {
  const [row] = dedupTable([measured(1, 0, { follower: fakeSample({}).follower })]).rows;
  expect(row?.slice(6, 8)).toEqual([Number.NaN, Number.NaN]);
});
