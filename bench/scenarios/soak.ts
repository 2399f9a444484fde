import { limits } from '../limits.ts';
import { median, round3 } from '../measure/statistics.ts';
import { tokenrouter } from '../gateways/tokenrouter.ts';
import { openRequests, streamRequests } from './loads.ts';
import { observe, withGateway, type LoadShape, type Sample } from './sample.ts';
import { check, type Scenario } from './types.ts';

const FULL_MS = 10 * 60_000;
const QUICK_MS = 8000;
const RSS_EVERY_MS = 1000;

/** Half the target for ten minutes, with all that clients do wrong: memory must not grow. */
export const soak: Scenario = {
  name: 'soak',
  title: 'Soak',
  method:
    'Ten minutes, three loads at once: 4,500 plain requests/s in an open loop (upstream 50 ms, 8 % repeated); 200 streams of 20 events/s; 100 streams of which a fifth are left by their client after the first bytes and a fifth read by clients that stop for five seconds. Growth is the median of the last tenth of the readings over that of the second tenth.',
  byNameOnly: true,
  run: async (context) => {
    const windowMs = context.quick ? QUICK_MS : FULL_MS;
    const windows = { warmupMs: 3000, windowMs, parts: 10, rounds: 1 };
    const loads: readonly (readonly [string, LoadShape])[] = [
      ['plain', { ...openRequests(windows, 1000, 4500, 50), duplicates: { share: 0.08, ageMs: 40 } }],
      ['streams', streamRequests(windows, 200, 100, 50)],
      [
        'bad clients',
        {
          ...streamRequests(windows, 100, 100, 50),
          misbehaviour: { abortShare: 0.2, stallShare: 0.2, stallMs: 5000 },
        },
      ],
    ];
    const samples: Sample[] = await withGateway({ gateway: tokenrouter }, (stage) =>
      Promise.all(
        loads.map(([variant, load]) =>
          observe(stage, { variant, round: 0, load, rssEveryMs: variant === 'plain' ? RSS_EVERY_MS : 0 }),
        ),
      ),
    );
    const readings = samples[0]?.rssSeries ?? [];
    const tenth = (from: number): number =>
      median(
        readings
          .slice(Math.floor((readings.length * from) / 10), Math.floor((readings.length * (from + 1)) / 10))
          .map(([, mib]) => mib),
      );
    const errorCount = samples.reduce((sum, sample) => sum + sample.errorCount, 0);
    return {
      tables: [
        {
          title: 'Loads',
          columns: [
            'load',
            'requests/s',
            'events/s',
            'overhead P50 ms',
            'overhead P99 ms',
            'event P99 ms',
            'errors',
          ],
          rows: samples.map((sample) => [
            sample.variant,
            round3(sample.requestsPerS),
            Math.round(sample.eventsPerS),
            sample.variant === 'plain' ? round3(sample.overhead.p50Ms) : null,
            sample.variant === 'plain' ? round3(sample.overhead.p99Ms) : null,
            sample.event.count === 0 ? null : round3(sample.event.p99Ms),
            sample.errorCount,
          ]),
        },
        {
          title: 'Resident memory, MiB',
          columns: ['second tenth', 'last tenth', 'most'],
          rows: [
            [
              String(Math.round(tenth(1))),
              Math.round(tenth(9)),
              Math.round(samples[0]?.rssMiB ?? Number.NaN),
            ],
          ],
        },
      ],
      plots: [
        {
          title: 'Resident memory',
          xLabel: 'seconds',
          yLabel: 'MiB',
          xScale: 'linear',
          yScale: 'linear',
          series: [{ name: 'tokenrouter', points: readings }],
        },
      ],
      checks: [
        check('growth of resident memory', tenth(9) / tenth(1) - 1, 'at most', limits.soak.rssGrowth, ''),
        check('errors', errorCount, 'at most', 0, ''),
      ],
      notes: [],
      samples,
    };
  },
};
