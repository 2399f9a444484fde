import { limits } from '../limits.ts';
import { median } from '../measure/statistics.ts';
import { compare, percentileCurve, pickGateways, ratioOf } from './compare.ts';
import { streamRequests, warmStreams } from './loads.ts';
import { partMs, type Sample } from './sample.ts';
import { comparisonTable, cpuFigure, errors, figure, timesNginx } from './tables.ts';
import { check, type Scenario } from './types.ts';
import { windowsOf } from './windows.ts';

const SHAPES = [
  { variant: '1,000 streams × 40/s', streams: 1000, perS: 40, eventsPerStream: 160 },
  { variant: '3,000 streams × 15/s', streams: 3000, perS: 15, eventsPerStream: 60 },
] as const;

/** P99 of short windows, median over them: these machines stall for milliseconds when both cores are busy. */
const eventP99Ms = (sample: Sample): number =>
  median(sample.parts.map((part) => partMs(part.event, 'p99Ms')));
const firstTokenP99Ms = (sample: Sample): number =>
  median(sample.parts.map((part) => partMs(part.firstToken, 'p99Ms')));

/** Relaying events: what each costs and how late it comes. */
export const streams: Scenario = {
  name: 'streams',
  title: 'Concurrent streams',
  method:
    'Closed loop, streams start evenly. The upstream writes the time of sending into each event; added latency is the time of arrival less that. P99 is taken in windows of one second; shown is their median. Time to first token is from the request to the first content event, less the upstream’s own time.',
  run: async (context) => {
    const gateways = pickGateways(context, ['direct', 'nginx', 'tokenrouter']);
    const windows = windowsOf(context, { warmupMs: 5000, windowMs: 6000, parts: 6, rounds: 3 });
    const samples: Sample[] = [];
    for (const { variant, streams, perS, eventsPerStream } of SHAPES)
      samples.push(
        ...(await compare(context, {
          variant,
          gateways,
          rounds: windows.rounds,
          load: streamRequests(windows, streams, eventsPerStream, 1000 / perS),
          warm: warmStreams(),
          settings: () => ({ streams: true }),
        })),
      );
    return {
      tables: SHAPES.map(({ variant }) =>
        comparisonTable(variant, samples, variant, gateways, [
          figure('events/s', (sample) => sample.eventsPerS),
          cpuFigure('CPU µs/event', (sample) => sample.cpuUsPerEvent),
          timesNginx('× nginx', (sample) => sample.cpuUsPerEvent),
          figure('added P50 ms', (sample) => sample.event.p50Ms),
          figure('added P99 ms', eventP99Ms),
          timesNginx('× nginx', eventP99Ms),
          figure('first token P50 ms', (sample) => sample.firstToken.p50Ms),
          figure('first token P99 ms', firstTokenP99Ms),
          cpuFigure('RSS MiB', (sample) => sample.rssMiB),
          errors,
        ]),
      ),
      plots: SHAPES.map(({ variant }) => ({
        title: `Added latency per event, ${variant}`,
        xLabel: 'percentile',
        yLabel: 'ms',
        xScale: 'percentile' as const,
        yScale: 'log' as const,
        series: gateways.map(({ name }) => ({
          name,
          points: percentileCurve(samples, variant, name, 'event'),
        })),
      })),
      checks: SHAPES.flatMap(({ variant }) => [
        check(
          `${variant}: CPU per event, × nginx`,
          ratioOf(samples, variant, 'tokenrouter', 'nginx', (sample) => sample.cpuUsPerEvent),
          'at most',
          limits.streams.cpuPerEventRatio,
          '×',
        ),
        check(
          `${variant}: added latency P99, × nginx`,
          ratioOf(samples, variant, 'tokenrouter', 'nginx', eventP99Ms),
          'at most',
          limits.streams.eventP99Ratio,
          '×',
        ),
      ]),
      notes: [],
      samples,
    };
  },
};
