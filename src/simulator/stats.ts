import type { Bill } from './bill.ts';
import type { Counts } from './counters.ts';

/** What a simulated vendor has seen, and what it would charge. */
export interface SimulatorStats extends Counts {
  readonly bill: Bill;
}

/** Sums what several simulators on one port have seen; greatest values are summed too, so they are an upper bound. */
export function addStats(all: readonly SimulatorStats[]): SimulatorStats {
  const bill: Record<string, Bill[string]> = {};
  const sum = { received: 0, inFlight: 0, maxInFlight: 0, aborted: 0 };
  for (const stats of all) {
    for (const name of ['received', 'inFlight', 'maxInFlight', 'aborted'] as const) sum[name] += stats[name];
    for (const [model, line] of Object.entries(stats.bill)) {
      const other = bill[model];
      bill[model] =
        other === undefined
          ? line
          : {
              requests: other.requests + line.requests,
              uncachedTokens: other.uncachedTokens + line.uncachedTokens,
              cachedTokens: other.cachedTokens + line.cachedTokens,
              writtenTokens: other.writtenTokens + line.writtenTokens,
              writtenLongTokens: other.writtenLongTokens + line.writtenLongTokens,
              outputTokens: other.outputTokens + line.outputTokens,
              usd: other.usd === null || line.usd === null ? null : other.usd + line.usd,
            };
    }
  }
  return { ...sum, bill };
}
