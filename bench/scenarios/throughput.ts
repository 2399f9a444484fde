import { limits } from '../limits.ts';
import { compare, pickGateways, ratioOf } from './compare.ts';
import { BODY_BYTES, plainRequests } from './loads.ts';
import type { Sample } from './sample.ts';
import { comparisonTable, cpuFigure, errors, figure, timesNginx } from './tables.ts';
import { check, type Scenario } from './types.ts';
import { windowsOf } from './windows.ts';

const CONNECTIONS = [64, 256] as const;

const variantOf = (connections: number): string => `${connections} connections`;

/** As many requests as two cores carry, generator and upstream among them. */
export const throughput: Scenario = {
  name: 'throughput',
  title: 'Throughput',
  method: `autocannon in a closed loop, bodies of ${BODY_BYTES} bytes, each different, the upstream answers at once. nginx and HAProxy only pass bytes on: the practical limit. Portkey runs under Bun. TokenRouter has everything on.`,
  run: async (context) => {
    const gateways = pickGateways(context, ['direct', 'nginx', 'haproxy', 'tokenrouter', 'portkey']);
    const windows = windowsOf(context, { warmupMs: 1000, windowMs: 4000, parts: 4, rounds: 3 });
    const samples: Sample[] = [];
    for (const connections of CONNECTIONS)
      samples.push(
        ...(await compare(context, {
          variant: variantOf(connections),
          gateways,
          rounds: windows.rounds,
          load: plainRequests(windows, connections),
          driver: 'autocannon',
        })),
      );
    const ratio = (connections: number, of: (sample: Sample) => number): number =>
      ratioOf(samples, variantOf(connections), 'tokenrouter', 'nginx', of);
    return {
      tables: CONNECTIONS.map((connections) =>
        comparisonTable(variantOf(connections), samples, variantOf(connections), gateways, [
          figure('requests/s', (sample) => sample.requestsPerS),
          timesNginx('× nginx', (sample) => sample.requestsPerS),
          cpuFigure('CPU µs/request', (sample) => sample.cpuUsPerRequest),
          timesNginx('× nginx', (sample) => sample.cpuUsPerRequest),
          figure('P50 ms', (sample) => sample.latency.p50Ms),
          figure('P99 ms', (sample) => sample.latency.p99Ms),
          timesNginx('× nginx', (sample) => sample.latency.p99Ms),
          cpuFigure('RSS MiB', (sample) => sample.rssMiB),
          errors,
        ]),
      ),
      plots: [],
      checks: CONNECTIONS.flatMap((connections) => [
        check(
          `${connections} connections: requests/s, × nginx`,
          ratio(connections, (sample) => sample.requestsPerS),
          'at least',
          limits.throughput.requestsPerSRatio,
          '×',
        ),
        check(
          `${connections} connections: CPU per request, × nginx`,
          ratio(connections, (sample) => sample.cpuUsPerRequest),
          'at most',
          limits.throughput.cpuPerRequestRatio,
          '×',
        ),
        check(
          `${connections} connections: P99, × nginx`,
          ratio(connections, (sample) => sample.latency.p99Ms),
          'at most',
          limits.throughput.p99Ratio,
          '×',
        ),
      ]),
      notes: [],
      samples,
    };
  },
};
