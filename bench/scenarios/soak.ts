import { limits } from '../limits.ts';
import { median } from '../measure/statistics.ts';
import { tokenrouter } from '../gateways/tokenrouter.ts';
import { openRequests, streamRequests } from './loads.ts';
import { observe, withGateway, type LoadShape, type Sample } from './sample.ts';
import { check, type Scenario } from './types.ts';

const FULL_MS = 10 * 60_000;
const QUICK_MS = 8000;
const RSS_EVERY_MS = 1000;
const HEAP_EVERY_MS = 5000;
const SCRAPE_TIMEOUT_MS = 5000;

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
    const heap: [number, number][] = [];
    const samples: Sample[] = await withGateway({ gateway: tokenrouter }, async (stage) => {
      const startedMs = performance.now();
      const timer = setInterval(() => {
        const atS = (performance.now() - startedMs) / 1000;
        heapMiB(stage.running.port).then(
          (mib) => void heap.push([atS, mib]),
          // A scrape that fails is a gap in the plot.
          () => {},
        );
      }, HEAP_EVERY_MS);
      try {
        return await Promise.all(
          loads.map(([variant, load]) =>
            observe(stage, { variant, round: 0, load, rssEveryMs: variant === 'plain' ? RSS_EVERY_MS : 0 }),
          ),
        );
      } finally {
        clearInterval(timer);
      }
    });
    const readings = samples[0]?.rssSeries ?? [];
    const tenth = (from: number, of: readonly (readonly [number, number])[] = readings): number =>
      median(
        of
          .slice(Math.floor((of.length * from) / 10), Math.floor((of.length * (from + 1)) / 10))
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
            sample.requestsPerS,
            Math.round(sample.eventsPerS),
            sample.variant === 'plain' ? sample.overhead.p50Ms : null,
            sample.variant === 'plain' ? sample.overhead.p99Ms : null,
            sample.event.count === 0 ? null : sample.event.p99Ms,
            sample.errorCount,
          ]),
        },
        {
          title: 'Memory, MiB',
          columns: ['', 'second tenth', 'last tenth', 'most'],
          rows: [
            [
              'resident',
              Math.round(tenth(1)),
              Math.round(tenth(9)),
              Math.round(samples[0]?.rssMiB ?? Number.NaN),
            ],
            [
              'heaps of the proxy threads',
              Math.round(tenth(1, heap)),
              Math.round(tenth(9, heap)),
              Math.round(Math.max(...heap.map(([, mib]) => mib))),
            ],
          ],
        },
      ],
      plots: [
        {
          title: 'Memory',
          xLabel: 'seconds',
          yLabel: 'MiB',
          xScale: 'linear',
          yScale: 'linear',
          series: [
            { name: 'resident', points: readings },
            { name: 'heaps', points: heap },
          ],
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

/** Collected heaps of all proxy threads, as the gateway tells them. */
async function heapMiB(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
    signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS),
  });
  const text = await response.text();
  const heaps = [...text.matchAll(/^tokenrouter_heap_bytes\{[^}]*\} (\S+)$/gm)];
  if (heaps.length === 0) throw new Error('no heap is told');
  return heaps.reduce((sum, [, value]) => sum + Number(value), 0) / 1024 ** 2;
}
