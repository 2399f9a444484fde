import { runProbe } from '../probes/child.ts';
import type { MicroCost } from '../probes/micro.ts';
import type { Scenario } from './types.ts';

const MEASURE_MS = 500;
const QUICK_MS = 50;

/** Single parts of the hot path. */
export const micro: Scenario = {
  name: 'micro',
  title: 'Single parts',
  method: 'mitata in a process of its own; half a second of CPU each.',
  run: async (context) => {
    const costs = (await runProbe('micro', String(context.quick ? QUICK_MS : MEASURE_MS))) as MicroCost[];
    return {
      tables: [
        {
          title: 'Time per run',
          columns: ['part', 'P50 µs', 'P99 µs', 'ns/byte'],
          rows: costs.map(({ name, bytes, p50Ns, p99Ns }) => [
            name,
            p50Ns / 1000,
            p99Ns / 1000,
            bytes === 0 ? null : p50Ns / bytes,
          ]),
        },
      ],
      plots: [],
      checks: [],
      notes: [],
      samples: [],
    };
  },
};
