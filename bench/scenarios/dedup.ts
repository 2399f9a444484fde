import { compare, medianOf, percentileCurve, pickGateways } from './compare.ts';
import { openRequests } from './loads.ts';
import type { Sample } from './sample.ts';
import type { Scenario, Table } from './types.ts';
import { windowsOf } from './windows.ts';

const SHARES = [0, 0.1, 0.2, 0.3, 0.4, 0.5] as const;
const THREADS = [1, 2] as const;
const RATE_PER_S = 2000;
const CONNECTIONS = 1000;
const UPSTREAM_MS = 200;
const DUPLICATE_AGE_MS = 100;

const variantOf = (threads: number, share: number): string =>
  `${threads} ${threads === 1 ? 'thread' : 'threads'}, ${Math.round(share * 100)} %`;

/** What identical requests in flight save, and what following costs the follower. */
export const dedup: Scenario = {
  name: 'dedup',
  title: 'Identical requests in flight',
  method: `Open loop, ${RATE_PER_S.toLocaleString('en-US')} requests/s over ${CONNECTIONS.toLocaleString('en-US')} connections, the upstream answers after ${UPSTREAM_MS} ms. A share of the requests repeats one sent at most ${DUPLICATE_AGE_MS} ms earlier. With one thread every follower is on its leader’s thread, with two about half are on the other. A follower’s delay is counted from the end of the call it follows.`,
  run: async (context) => {
    const gateways = pickGateways(context, ['tokenrouter']);
    const windows = windowsOf(context, { warmupMs: 1200, windowMs: 2500, parts: 1, rounds: 1 });
    const samples: Sample[] = [];
    for (const threads of THREADS)
      for (const share of SHARES)
        samples.push(
          ...(await compare(context, {
            variant: variantOf(threads, share),
            gateways,
            rounds: windows.rounds,
            load: {
              ...openRequests(windows, CONNECTIONS, RATE_PER_S, UPSTREAM_MS),
              duplicates: { share, ageMs: DUPLICATE_AGE_MS },
            },
            settings: () => ({ workers: threads }),
          })),
        );
    const rows = THREADS.flatMap((threads) => SHARES.map((share) => [threads, share] as const));
    const table: Table = {
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
      rows: rows.map(([threads, share]) => {
        const of = (figure: (sample: Sample) => number): number =>
          medianOf(samples, variantOf(threads, share), 'tokenrouter', figure);
        return [
          String(threads),
          of((sample) => (100 * sample.duplicatesSent) / sample.sent),
          of((sample) => (100 * sample.dedup.follower) / sample.answered),
          of((sample) => 100 * (1 - sample.simulator.received / sample.sentInAll)),
          of((sample) => sample.overhead.p50Ms),
          of((sample) => sample.overhead.p99Ms),
          of((sample) => (sample.follower.count === 0 ? Number.NaN : sample.follower.p50Ms)),
          of((sample) => (sample.follower.count === 0 ? Number.NaN : sample.follower.p99Ms)),
          of((sample) => sample.cpuUsPerRequest),
          of((sample) => sample.errorCount),
        ];
      }),
    };
    return {
      tables: [table],
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
      checks: [],
      notes: [],
      samples,
    };
  },
};
