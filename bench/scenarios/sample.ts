import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Gateway, GatewaySettings, RunningGateway } from '../gateways/types.ts';
import type { LoadPlan, LoadResult, WindowPart } from '../load/plan.ts';
import { runLoad, type Driver } from '../load/run.ts';
import { MAX_SEED } from '../load/request-template.ts';
import { mergeEncoded, summarize, type LatencySummary } from '../measure/histogram.ts';
import { cpuUsOfTree, rssMiBOfTree } from '../measure/proc.ts';
import { share } from '../measure/statistics.ts';
import {
  callsBetween,
  startSimulatorProcess,
  type RunningSimulator,
  type UpstreamCalls,
} from '../processes/simulator.ts';
import { runFolder } from '../setup.ts';

/**
 * One gateway, measured once: the raw material of every table. What could not be measured is `NaN`. CPU, memory and the upstream's
 * calls are those of whole processes while the load ran: where several loads run at once, each sample has them for all.
 */
export interface Sample {
  readonly gateway: string;
  readonly round: number;
  /** What distinguishes it from other samples of the scenario, e.g. `connections=64`. */
  readonly variant: string;
  readonly requestsPerS: number;
  readonly eventsPerS: number;
  /** `NaN` without a gateway, as is all that is derived from it, and `rssMiB`. */
  readonly gatewayCpuUs: number;
  readonly upstreamCpuUs: number;
  readonly generatorCpuUs: number;
  readonly cpuUsPerRequest: number;
  readonly cpuUsPerEvent: number;
  /** The most that was seen. */
  readonly rssMiB: number;
  /** Seconds since the load began and MiB, where it was taken regularly. */
  readonly rssSeries: readonly (readonly [number, number])[];
  readonly readyMs: number;
  readonly sent: number;
  readonly inAll: LoadResult['inAll'];
  readonly answered: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly errorCount: number;
  readonly dedup: LoadResult['dedup'];
  readonly duplicatesSent: number;
  readonly maxInFlight: number;
  readonly latency: LatencySummary;
  readonly overhead: LatencySummary;
  readonly follower: LatencySummary;
  readonly firstToken: LatencySummary;
  readonly event: LatencySummary;
  readonly lag: LatencySummary;
  readonly parts: readonly WindowPart[];
  /** Calls that reached the upstream, before, in and after the window: compare them with `inAll`. */
  readonly upstream: UpstreamCalls;
  /** Encoded histograms, for merging over rounds; left out of the files. */
  readonly histograms: LoadResult['histograms'];
}

/**
 * A percentile of a part of the window; `NaN` where nothing was recorded in it, which JSON, in which parts leave the load process,
 * cannot say.
 */
export function partMs(summary: LatencySummary, percentile: 'p50Ms' | 'p99Ms'): number {
  return summary.count === 0 ? Number.NaN : summary[percentile];
}

/** A load plan without what only the running gateway can say. */
export type LoadShape = Omit<LoadPlan, 'port' | 'path' | 'headers' | 'seed'>;

export interface GatewayOptions {
  readonly gateway: Gateway;
  readonly settings?: Omit<GatewaySettings, 'upstreamPort' | 'folder'>;
  readonly upstreamThreads?: number;
  /** Kept for the next start; without it the gateway gets an empty folder that goes with it. */
  readonly folder?: string;
}

export interface ObserveOptions {
  readonly load: LoadShape;
  readonly variant: string;
  readonly round: number;
  readonly driver?: Driver;
  /** Take the gateway's resident memory so often, 0 for at the marks only. */
  readonly rssEveryMs?: number;
}

let seeds = Math.floor(Date.now() / 1000) % 500_000;

/** Each load process numbers its requests in a range of its own. */
function nextSeed(): number {
  return ++seeds % MAX_SEED;
}

/** An empty working folder for one gateway. */
export function freshFolder(name: string): string {
  const folder = join(runFolder, 'gateways', `${name}-${process.pid}-${nextSeed()}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A gateway and its upstream, started afresh. */
export interface Stage {
  readonly name: string;
  readonly running: RunningGateway;
  readonly simulator: RunningSimulator;
}

/** Starts upstream and gateway in fresh processes, lends them to `use`, and stops them. */
export async function withGateway<T>(options: GatewayOptions, use: (stage: Stage) => Promise<T>): Promise<T> {
  const { gateway } = options;
  const folder = options.folder ?? freshFolder(gateway.name);
  const simulator = await startSimulatorProcess(options.upstreamThreads ?? 1);
  try {
    const running = await gateway.start({ upstreamPort: simulator.port, folder, ...options.settings });
    try {
      return await use({ name: gateway.name, running, simulator });
    } finally {
      await running.child?.stop();
    }
  } finally {
    await simulator.child.stop();
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Drives a gateway by one plan and takes its CPU time between the marks. */
export async function observe(stage: Stage, options: ObserveOptions): Promise<Sample> {
  const { name, running, simulator } = stage;
  const { load } = options;
  const pid = running.child?.pid ?? 0;
  const cpu = { gateway: pid > 0 ? 0 : Number.NaN, upstream: 0 };
  const rssSeries: (readonly [number, number])[] = [];
  const before = await simulator.settledCounts();
  const startedMs = performance.now();
  const takeRss = (): void => {
    if (pid > 0) rssSeries.push([(performance.now() - startedMs) / 1000, rssMiBOfTree(pid)]);
  };
  const rssEveryMs = options.rssEveryMs ?? 0;
  const rssTimer = rssEveryMs > 0 ? setInterval(takeRss, rssEveryMs) : null;
  try {
    const result = await runLoad(
      { ...load, port: running.port, path: running.path, headers: running.headers, seed: nextSeed() },
      (mark) => {
        const sign = mark === 'window-start' ? -1 : 1;
        cpu.upstream += sign * cpuUsOfTree(simulator.child.pid);
        if (pid > 0) cpu.gateway += sign * cpuUsOfTree(pid);
        takeRss();
      },
      options.driver,
    );
    if (running.child?.exited === true)
      throw new Error(`${name} died under load:\n${running.child.output()}`);
    const {
      histograms,
      windowMs,
      answeredBetweenMarks,
      eventsBetweenMarks,
      bytesBetweenMarks: _,
      ...counts
    } = result;
    return {
      ...counts,
      gateway: name,
      round: options.round,
      variant: options.variant,
      requestsPerS: (answeredBetweenMarks / windowMs) * 1000,
      eventsPerS: (eventsBetweenMarks / windowMs) * 1000,
      gatewayCpuUs: cpu.gateway,
      upstreamCpuUs: cpu.upstream,
      cpuUsPerRequest: share(cpu.gateway, answeredBetweenMarks),
      cpuUsPerEvent: share(cpu.gateway, eventsBetweenMarks),
      rssMiB: pid > 0 ? Math.max(...rssSeries.map(([, mib]) => mib)) : Number.NaN,
      rssSeries: rssEveryMs > 0 ? rssSeries : [],
      readyMs: running.child?.readyMs ?? 0,
      errorCount: Object.values(result.errors).reduce((sum, count) => sum + count, 0),
      ...summaries(result),
      upstream: callsBetween(before, await simulator.settledCounts()),
      histograms,
    };
  } finally {
    if (rssTimer !== null) clearInterval(rssTimer);
  }
}

/** One gateway in fresh processes, driven by one plan; before it by `warm`, of which nothing is reported. */
export function measure(
  options: GatewayOptions & ObserveOptions & { readonly warm?: LoadShape | null },
): Promise<Sample> {
  const { warm } = options;
  return withGateway(options, async (stage) => {
    if (warm !== undefined && warm !== null)
      await observe(stage, { load: warm, variant: 'warm', round: options.round });
    return observe(stage, options);
  });
}

function summaries(
  result: LoadResult,
): Record<'latency' | 'overhead' | 'follower' | 'firstToken' | 'event' | 'lag', LatencySummary> {
  const of = (encoded: string): LatencySummary => summarize(mergeEncoded([encoded]));
  const { histograms } = result;
  return {
    latency: of(histograms.latency),
    overhead: of(histograms.overhead),
    follower: of(histograms.follower),
    firstToken: of(histograms.firstToken),
    event: of(histograms.event),
    lag: of(histograms.lag),
  };
}
