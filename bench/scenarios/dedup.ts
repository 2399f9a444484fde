import { limits } from '../limits.ts';
import { share } from '../measure/statistics.ts';
import { compare, medianOf, percentileCurve, pickGateways, samplesOf } from './compare.ts';
import { openRequests } from './loads.ts';
import type { Sample } from './sample.ts';
import { check, type Check, type Scenario, type Table } from './types.ts';
import { windowsOf } from './windows.ts';

const SHARES = [0, 0.1, 0.2, 0.3, 0.4, 0.5] as const;
const THREADS = [1, 2] as const;
const VARIANTS = THREADS.flatMap((threads) => SHARES.map((repeated) => [threads, repeated] as const));
const RATE_PER_S = 2000;
const CONNECTIONS = 1000;
const UPSTREAM_MS = 200;
const DUPLICATE_AGE_MS = 100;

const variantOf = (threads: number, repeated: number): string =>
  `${threads} ${threads === 1 ? 'thread' : 'threads'}, ${Math.round(repeated * 100)} %`;

/** Share of the requests that repeat another, over the whole load. */
const repeatedShare = ({ inAll }: Sample): number => share(inAll.duplicates, inAll.sent);
/**
 * Share of the answers that took no call of the upstream, over the whole load, since the upstream knows no window. A request that
 * failed is no call saved; one that the gateway tried twice is a call more, and below zero is what it looks like.
 */
export const savedShare = ({ inAll, upstream }: Sample): number =>
  share(inAll.answered - upstream.received, inAll.answered);

/** One row per number of threads and share of identical requests. */
export function dedupTable(samples: readonly Sample[]): Table {
  return {
    title: 'By share of identical requests',
    columns: [
      'threads',
      'repeated %',
      'followers %',
      'upstream calls saved %',
      'overhead P50 ms',
      'overhead P99 ms',
      'follower P50 ms',
      'follower P99 ms',
      'CPU µs/request',
      'errors',
    ],
    rows: VARIANTS.map(([threads, repeated]) => {
      const of = (figure: (sample: Sample) => number): number =>
        medianOf(samples, variantOf(threads, repeated), 'tokenrouter', figure);
      return [
        String(threads),
        of((sample) => 100 * repeatedShare(sample)),
        of((sample) => 100 * share(sample.inAll.followers, sample.inAll.answered)),
        of((sample) => 100 * savedShare(sample)),
        of((sample) => sample.overhead.p50Ms),
        of((sample) => sample.overhead.p99Ms),
        of((sample) => sample.follower.p50Ms),
        of((sample) => sample.follower.p99Ms),
        of((sample) => sample.cpuUsPerRequest),
        of((sample) => sample.errorCount),
      ];
    }),
  };
}

/** Every repeated request must save its call, and no other may seem to. */
export function dedupCheck(samples: readonly Sample[]): Check {
  const points = VARIANTS.flatMap(([threads, repeated]) => {
    const own = samplesOf(samples, variantOf(threads, repeated), 'tokenrouter');
    return own.length === 0
      ? [Number.NaN]
      : own.map((sample) => Math.abs(100 * (savedShare(sample) - repeatedShare(sample))));
  });
  return check(
    'upstream calls saved off the repeated share',
    Math.max(...points),
    'at most',
    limits.dedup.savedPoints,
    'points',
  );
}

/** What identical requests in flight save, and what following costs the follower. */
export const dedup: Scenario = {
  name: 'dedup',
  title: 'Identical requests in flight',
  method: `Open loop, ${RATE_PER_S.toLocaleString('en-US')} requests/s over ${CONNECTIONS.toLocaleString('en-US')} connections, the upstream answers after ${UPSTREAM_MS} ms. A share of the requests repeats one sent at most ${DUPLICATE_AGE_MS} ms earlier. The three shares are of the whole load, in which its ramp and its end are, since the upstream counts calls and knows no window; calls saved are answers less calls that reached the upstream. With one thread every follower is on its leader’s thread, with two about half are on the other. A follower’s delay is counted from the end of the call it follows.`,
  run: async (context) => {
    const gateways = pickGateways(context, ['tokenrouter']);
    const windows = windowsOf(context, { warmupMs: 1200, windowMs: 2500, parts: 1, rounds: 1 });
    const samples: Sample[] = [];
    for (const [threads, repeated] of VARIANTS)
      samples.push(
        ...(await compare(context, {
          variant: variantOf(threads, repeated),
          gateways,
          rounds: windows.rounds,
          load: {
            ...openRequests(windows, CONNECTIONS, RATE_PER_S, UPSTREAM_MS),
            duplicates: { share: repeated, ageMs: DUPLICATE_AGE_MS },
          },
          settings: () => ({ workers: threads }),
        })),
      );
    return {
      tables: [dedupTable(samples)],
      plots: [
        {
          title: 'Delay of followers, half of the requests repeated',
          xLabel: 'percentile',
          yLabel: 'ms',
          xScale: 'percentile',
          yScale: 'log',
          series: THREADS.map((threads) => ({
            name: `${threads} ${threads === 1 ? 'thread' : 'threads'}`,
            points: percentileCurve(samples, variantOf(threads, 0.5), 'tokenrouter', 'follower'),
          })),
        },
      ],
      checks: [dedupCheck(samples)],
      notes: [],
      samples,
    };
  },
};
