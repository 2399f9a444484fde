import { limits } from '../limits.ts';
import { median } from '../measure/statistics.ts';
import { pickGateways } from './compare.ts';
import { plainRequests } from './loads.ts';
import { measure, type Sample } from './sample.ts';
import { check, type Scenario } from './types.ts';

const REQUESTS = 1_000_000;
const QUICK_REQUESTS = 30_000;
const CONNECTIONS = 64;
const RATE_WINDOW_MS = 2000;
const RSS_EVERY_MS = 500;

/** Resident memory over a million requests: what grows with the number of requests is a leak. */
export const memory: Scenario = {
  name: 'memory',
  title: 'Memory over a million requests',
  method: `Closed loop, ${CONNECTIONS} connections, a million requests to one process. Growth is the median of the last tenth of the readings less that of the second tenth.`,
  byNameOnly: true,
  run: async (context) => {
    const samples: Sample[] = [];
    const requests = context.quick ? QUICK_REQUESTS : REQUESTS;
    for (const gateway of pickGateways(context, ['tokenrouter'])) {
      const shape = { warmupMs: 1000, windowMs: RATE_WINDOW_MS, parts: 1, rounds: 1 };
      const rate = await measure({
        gateway,
        variant: 'rate',
        round: 0,
        load: plainRequests(shape, CONNECTIONS),
      });
      const windowMs = Math.ceil((requests / rate.requestsPerS) * 1000);
      context.log(
        `  ${Math.round(rate.requestsPerS)} requests/s: ${requests.toLocaleString('en-US')} take ${Math.round(windowMs / 1000)} s`,
      );
      const load = plainRequests({ ...shape, windowMs }, CONNECTIONS);
      samples.push(await measure({ gateway, variant: 'million', round: 0, load, rssEveryMs: RSS_EVERY_MS }));
    }
    const [sample] = samples;
    const readings = sample?.rssSeries ?? [];
    const tenth = (from: number): number =>
      median(
        readings
          .slice(Math.floor((readings.length * from) / 10), Math.floor((readings.length * (from + 1)) / 10))
          .map(([, mib]) => mib),
      );
    const growthMiB = tenth(9) - tenth(1);
    return {
      tables: [
        {
          title: 'Resident memory, MiB',
          columns: ['requests', 'first reading', 'second tenth', 'last tenth', 'most', 'errors'],
          rows: [
            [
              sample?.answered ?? 0,
              Math.round(readings[0]?.[1] ?? Number.NaN),
              Math.round(tenth(1)),
              Math.round(tenth(9)),
              Math.round(sample?.rssMiB ?? Number.NaN),
              sample?.errorCount ?? null,
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
          series: samples.map((one) => ({ name: one.gateway, points: one.rssSeries })),
        },
      ],
      checks: [check('growth over a million requests', growthMiB, 'at most', limits.memory.growthMiB, 'MiB')],
      notes: [],
      samples,
    };
  },
};
