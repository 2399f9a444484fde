import { direct } from '../gateways/direct.ts';
import { haproxy } from '../gateways/haproxy.ts';
import { nginx } from '../gateways/nginx.ts';
import { portkey } from '../gateways/portkey.ts';
import { tokenrouter } from '../gateways/tokenrouter.ts';
import type { Gateway, GatewaySettings } from '../gateways/types.ts';
import { mergeEncoded } from '../measure/histogram.ts';
import { median } from '../measure/statistics.ts';
import { warmRequests } from './loads.ts';
import type { Driver } from '../load/run.ts';
import { measure, type LoadShape, type Sample } from './sample.ts';
import type { BenchContext } from './types.ts';

const GATEWAYS: Readonly<Record<string, Gateway>> = { direct, nginx, haproxy, portkey, tokenrouter };

/** Those of the named gateways that can take part and were not left out. */
export function pickGateways(context: BenchContext, names: readonly string[]): Gateway[] {
  const { rivals, only } = context;
  const present = (name: string): boolean =>
    (name !== 'nginx' || rivals.nginx) &&
    (name !== 'haproxy' || rivals.haproxy) &&
    (name !== 'portkey' || rivals.portkey);
  return names
    .filter((name) => present(name) && (only === null || only.includes(name)))
    .flatMap((name) => GATEWAYS[name] ?? []);
}

export interface Comparison {
  readonly variant: string;
  readonly gateways: readonly Gateway[];
  readonly rounds: number;
  readonly load: LoadShape;
  /** What warms a gateway that is compiled while it runs; plain requests unless given. */
  readonly warm?: LoadShape;
  readonly settings?: (gateway: Gateway) => Omit<GatewaySettings, 'upstreamPort' | 'folder'>;
  readonly upstreamThreads?: number;
  readonly driver?: Driver;
}

/**
 * Measures gateways in turn, each in fresh processes, and turns the order round from one round to the next, so that a drift of
 * the machine favours nobody.
 */
export async function compare(context: BenchContext, comparison: Comparison): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let round = 0; round < comparison.rounds; round++) {
    const order = round % 2 === 0 ? comparison.gateways : comparison.gateways.toReversed();
    for (const gateway of order) {
      const sample = await measure({
        gateway,
        round,
        variant: comparison.variant,
        load: comparison.load,
        warm: gateway.warms === true && !context.quick ? (comparison.warm ?? warmRequests()) : null,
        ...(comparison.settings === undefined ? {} : { settings: comparison.settings(gateway) }),
        ...(comparison.upstreamThreads === undefined ? {} : { upstreamThreads: comparison.upstreamThreads }),
        ...(comparison.driver === undefined ? {} : { driver: comparison.driver }),
      });
      samples.push(sample);
      context.log(`  ${comparison.variant} round ${round + 1} ${gateway.name}: ${describe(sample)}`);
    }
  }
  return samples;
}

function describe(sample: Sample): string {
  const parts = [
    `${Math.round(sample.requestsPerS)} requests/s`,
    sample.eventsPerS > 0 ? `${Math.round(sample.eventsPerS)} events/s` : '',
    `gateway ${Number.isNaN(sample.gatewayCpuUs) ? '-' : (sample.eventsPerS > 0 ? sample.cpuUsPerEvent : sample.cpuUsPerRequest).toFixed(1)} µs`,
    `P50 ${(sample.eventsPerS > 0 ? sample.event : sample.overhead).p50Ms} ms`,
    `P99 ${(sample.eventsPerS > 0 ? sample.event : sample.overhead).p99Ms} ms`,
    sample.errorCount > 0 ? `errors ${JSON.stringify(sample.errors)}` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

export function samplesOf(samples: readonly Sample[], variant: string, gateway: string): Sample[] {
  return samples.filter((sample) => sample.variant === variant && sample.gateway === gateway);
}

/** Median over the rounds of one figure of one gateway; `NaN` where it did not take part. */
export function medianOf(
  samples: readonly Sample[],
  variant: string,
  gateway: string,
  figure: (sample: Sample) => number,
): number {
  return median(samplesOf(samples, variant, gateway).map(figure));
}

/** Median over the rounds of the ratio of two gateways in the same round: what the machine did to both falls out. */
export function ratioOf(
  samples: readonly Sample[],
  variant: string,
  gateway: string,
  to: string,
  figure: (sample: Sample) => number,
): number {
  const ratios: number[] = [];
  for (const sample of samplesOf(samples, variant, gateway)) {
    const other = samplesOf(samples, variant, to).find((one) => one.round === sample.round);
    if (other !== undefined) ratios.push(figure(sample) / figure(other));
  }
  return median(ratios);
}

const CURVE = [0, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99];

/** Percentile curve of one gateway over all its rounds, for a plot; ms. */
export function percentileCurve(
  samples: readonly Sample[],
  variant: string,
  gateway: string,
  metric: keyof Sample['histograms'],
): (readonly [number, number])[] {
  const merged = mergeEncoded(
    samplesOf(samples, variant, gateway).map((sample) => sample.histograms[metric]),
  );
  if (merged.totalCount === 0) return [];
  return CURVE.filter((percentile) => merged.totalCount * (1 - percentile / 100) >= 1).map(
    (percentile) => [percentile, merged.getValueAtPercentile(percentile) / 1000] as const,
  );
}
