import { limits } from '../limits.ts';
import { median, share } from '../measure/statistics.ts';
import { descriptorLimit } from '../measure/proc.ts';
import { compare, medianOf, percentileCurve, pickGateways, samplesOf } from './compare.ts';
import { openRequests } from './loads.ts';
import type { Sample } from './sample.ts';
import { comparisonTable, cpuFigure, errors, figure } from './tables.ts';
import { check, type Check, type Scenario } from './types.ts';
import { windowsOf } from './windows.ts';

const CONNECTIONS_A = 256;
const CONNECTIONS_B = 10_000;
const UPSTREAM_MS = 900;
const DUPLICATE_SHARE = 0.08;
const DUPLICATE_AGE_MS = 200;
const UPSTREAM_SOCKETS = 9300;
/** Descriptors for everything but sockets. */
const SPARE_DESCRIPTORS = 600;

const VARIANT_A = 'a: 10,000/s, upstream at once';
const VARIANT_B = 'b: 10,000/s, 900 ms';
const VARIANT_HALF = 'b: 5,000/s, 900 ms';

/** The gateway's own room for 10,000 in flight. */
const ENVIRONMENT = {
  GLOBAL_CONCURRENT_LIMIT: '12000',
  PROXY_MAX_CONNS_PER_HOST: String(UPSTREAM_SOCKETS),
  PROXY_MAX_IDLE_CONNS: String(UPSTREAM_SOCKETS),
  PROXY_MAX_IDLE_CONNS_PER_HOST: String(UPSTREAM_SOCKETS),
};

/** Share of answers that came by following another call. */
const dedupRate = (sample: Sample): number => share(sample.dedup.follower, sample.answered);
const injectedShare = (sample: Sample): number => share(sample.duplicatesSent, sample.sent);

/**
 * Median over rounds of a percentile of overhead less the direct run's of the same round: what the gateway added to what
 * generator, upstream and machine take by themselves. Less than that is noise and counts as 0; without a direct run it is unknown.
 */
function netOverheadMs(
  samples: readonly Sample[],
  variant: string,
  gateway: string,
  of: (sample: Sample) => number,
): number {
  const own = samplesOf(samples, variant, gateway).map((sample) => {
    const base = samplesOf(samples, variant, 'direct').find((one) => one.round === sample.round);
    return Math.max(0, of(sample) - (base === undefined ? Number.NaN : of(base)));
  });
  return median(own);
}

/** The mission's figure: 10,000 requests/s in an open loop. */
export const target: Scenario = {
  name: 'target',
  title: '10,000 requests per second, open loop',
  method: `Warm. Requests leave by a schedule (bursts of one millisecond), whatever the answers do; latency counts from the time a request was due. (a) ${CONNECTIONS_A} connections, the upstream answers at once. (b) ${CONNECTIONS_B.toLocaleString('en-US')} connections, the upstream answers after ${UPSTREAM_MS} ms, ${DUPLICATE_SHARE * 100} % of the requests repeat one sent at most ${DUPLICATE_AGE_MS} ms earlier. Net overhead is a percentile of overhead less the same percentile of the direct run of that round, 0 where that is more. nginx has two workers in (b), since one may not open 20,000 descriptors.`,
  run: async (context) => {
    const gateways = pickGateways(context, ['direct', 'nginx', 'tokenrouter']);
    const short = windowsOf(context, { warmupMs: 2500, windowMs: 5000, parts: 5, rounds: 3 });
    const samples = await compare(context, {
      variant: VARIANT_A,
      gateways,
      rounds: short.rounds,
      load: openRequests(short, CONNECTIONS_A, limits.target.requestsPerS, 0),
    });
    const notes: string[] = [];
    const available = descriptorLimit();
    notes.push(
      `Each process may open ${available.toLocaleString('en-US')} descriptors; (b) needs ${(CONNECTIONS_B + UPSTREAM_SOCKETS + SPARE_DESCRIPTORS).toLocaleString('en-US')} in the gateway.`,
    );
    const fits = available >= CONNECTIONS_B + UPSTREAM_SOCKETS + SPARE_DESCRIPTORS;
    if (!fits) notes.push('(b) was not run: too few descriptors.');
    const windows = windowsOf(context, { warmupMs: 4000, windowMs: 6000, parts: 6, rounds: 3 });
    const long = { ...windows, warmupMs: Math.max(windows.warmupMs, 2500) };
    const rates = [
      [VARIANT_B, limits.target.requestsPerS],
      [VARIANT_HALF, limits.target.requestsPerS / 2],
    ] as const;
    if (fits)
      for (const [variant, rate] of rates)
        samples.push(
          ...(await compare(context, {
            variant,
            gateways,
            rounds: long.rounds,
            load: {
              ...openRequests(long, CONNECTIONS_B, rate, UPSTREAM_MS),
              duplicates: { share: DUPLICATE_SHARE, ageMs: DUPLICATE_AGE_MS },
            },
            settings: (gateway) =>
              gateway.name === 'tokenrouter' ? { environment: ENVIRONMENT } : { workers: 2 },
          })),
        );
    const variants = fits ? [VARIANT_A, VARIANT_B, VARIANT_HALF] : [VARIANT_A];
    return {
      tables: variants.map((variant) =>
        comparisonTable(variant, samples, variant, gateways, [
          figure('sent', (sample) => sample.sent),
          figure('answered', (sample) => sample.answered),
          errors,
          figure('in flight', (sample) => sample.maxInFlight),
          cpuFigure('CPU µs/request', (sample) => sample.cpuUsPerRequest),
          figure('latency P99 ms', (sample) => sample.latency.p99Ms),
          figure('overhead P50 ms', (sample) => sample.overhead.p50Ms),
          figure('P99 ms', (sample) => sample.overhead.p99Ms),
          figure('P99.9 ms', (sample) => sample.overhead.p999Ms),
          {
            title: 'net P50 ms',
            value: (all, of, name) => netOverheadMs(all, of, name, (sample) => sample.overhead.p50Ms),
          },
          {
            title: 'net P99 ms',
            value: (all, of, name) => netOverheadMs(all, of, name, (sample) => sample.overhead.p99Ms),
          },
          figure('duplicates %', (sample) => 100 * injectedShare(sample)),
          figure('followers %', (sample) => 100 * dedupRate(sample)),
          cpuFigure('RSS MiB', (sample) => sample.rssMiB),
          figure('generator lag P99 ms', (sample) => sample.lag.p99Ms),
        ]),
      ),
      plots: variants.map((variant) => ({
        title: `Overhead, ${variant}`,
        xLabel: 'percentile',
        yLabel: 'ms',
        xScale: 'percentile' as const,
        yScale: 'log' as const,
        series: gateways.map(({ name }) => ({
          name,
          points: percentileCurve(samples, variant, name, 'overhead'),
        })),
      })),
      checks: [...checksOfA(samples), ...(fits ? checksOfB(samples) : [])],
      notes,
      samples,
    };
  },
};

function checksOfA(samples: readonly Sample[]): Check[] {
  const of = (figure: (sample: Sample) => number): number =>
    medianOf(samples, VARIANT_A, 'tokenrouter', figure);
  return [
    check(
      '(a) requests answered per second',
      of((sample) => sample.requestsPerS),
      'at least',
      limits.target.requestsPerS * 0.995,
      '/s',
    ),
    check(
      '(a) end-to-end P99',
      of((sample) => sample.latency.p99Ms),
      'at most',
      limits.target.p99Ms,
      'ms',
    ),
    check(
      '(a) errors',
      worst(samples, VARIANT_A, 'tokenrouter', (sample) => sample.errorCount),
      'at most',
      0,
      '',
    ),
  ];
}

function worst(
  samples: readonly Sample[],
  variant: string,
  gateway: string,
  of: (sample: Sample) => number,
): number {
  const own = samplesOf(samples, variant, gateway);
  return own.length === 0 ? Number.NaN : Math.max(...own.map(of));
}

function checksOfB(samples: readonly Sample[]): Check[] {
  const own = (variant: string, figure: (sample: Sample) => number): number =>
    medianOf(samples, variant, 'tokenrouter', figure);
  const net = (variant: string, gateway: string, figure: (sample: Sample) => number): number =>
    netOverheadMs(samples, variant, gateway, figure);
  const excess = Math.max(
    0,
    worst(samples, VARIANT_B, 'tokenrouter', (sample) => sample.errorCount) -
      worst(samples, VARIANT_B, 'nginx', (sample) => sample.errorCount),
  );
  const p99 = (sample: Sample): number => sample.overhead.p99Ms;
  const p50 = (sample: Sample): number => sample.overhead.p50Ms;
  const ownP99 = own(VARIANT_B, p99);
  const nginxP99 = medianOf(samples, VARIANT_B, 'nginx', p99);
  const points = (variant: string): number =>
    worst(samples, variant, 'tokenrouter', (sample) =>
      Math.abs(100 * (dedupRate(sample) - injectedShare(sample))),
    );
  const { target: limit } = limits;
  return [
    check('(b) errors beyond nginx’s', excess, 'at most', 0, ''),
    check('(b) net overhead P50', net(VARIANT_B, 'tokenrouter', p50), 'at most', limit.overheadP50Ms, 'ms'),
    check('(b) net overhead P99', net(VARIANT_B, 'tokenrouter', p99), 'at most', limit.overheadP99Ms, 'ms'),
    check('(b) overhead P99, × nginx', ownP99 / nginxP99, 'at most', limit.overheadP99Ratio, '×'),
    check(
      '(b) dedup rate off the injected share',
      points(VARIANT_B),
      'at most',
      limit.dedupRatePoints,
      'points',
    ),
    check(
      '(b) resident memory',
      own(VARIANT_B, (sample) => sample.rssMiB),
      'at most',
      limit.rssMiB,
      'MiB',
    ),
    check(
      '(b) 5,000/s: net overhead P50',
      net(VARIANT_HALF, 'tokenrouter', p50),
      'at most',
      limit.halfOverheadP50Ms,
      'ms',
    ),
    check(
      '(b) 5,000/s: net overhead P99',
      net(VARIANT_HALF, 'tokenrouter', p99),
      'at most',
      limit.halfOverheadP99Ms,
      'ms',
    ),
    check(
      '(b) 5,000/s: dedup rate off the injected share',
      points(VARIANT_HALF),
      'at most',
      limit.dedupRatePoints,
      'points',
    ),
  ];
}
