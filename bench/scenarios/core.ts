import { limits } from '../limits.ts';
import { compare, pickGateways, ratioOf } from './compare.ts';
import { BODY_BYTES, plainRequests, streamRequests, warmStreams } from './loads.ts';
import { comparisonTable, cpuFigure, errors, figure, timesNginx } from './tables.ts';
import { check, type Scenario } from './types.ts';
import { windowsOf } from './windows.ts';

const REQUESTS = 'requests';
const STREAMS = 'streams';
const CONNECTIONS = 64;
const STREAM_COUNT = 400;
const EVENT_INTERVAL_MS = 25;
const EVENTS_PER_STREAM = 120;
/** Every gateway with one thread or process: with generator and upstream, that is all that two cores carry at once. */
const WORKERS = 1;

/** CPU per request and per relayed event beside nginx: the two figures that survive a noisy machine. */
export const core: Scenario = {
  name: 'core',
  title: 'CPU per request and per event',
  byNameOnly: true,
  method: `Closed loop, every gateway with one worker. Requests: ${CONNECTIONS} connections, bodies of ${BODY_BYTES} bytes, each different, upstream answers at once. Streams: ${STREAM_COUNT} at a time, an event every ${EVENT_INTERVAL_MS} ms. CPU is user and system time of all the gateway's processes and threads over the measured window.`,
  run: async (context) => {
    const gateways = pickGateways(context, ['direct', 'nginx', 'haproxy', 'tokenrouter']);
    const windows = windowsOf(context, { warmupMs: 2000, windowMs: 4000, parts: 4, rounds: 3 });
    const { rounds } = windows;
    const requests = plainRequests(windows, CONNECTIONS);
    const streams = streamRequests(windows, STREAM_COUNT, EVENTS_PER_STREAM, EVENT_INTERVAL_MS);
    const samples = [
      ...(await compare(context, {
        variant: REQUESTS,
        gateways,
        rounds,
        load: requests,
        settings: () => ({ workers: WORKERS }),
      })),
      ...(await compare(context, {
        variant: STREAMS,
        gateways,
        rounds,
        load: streams,
        warm: warmStreams(),
        settings: () => ({ streams: true, workers: WORKERS }),
      })),
    ];
    return {
      tables: [
        comparisonTable(`Requests, ${CONNECTIONS} connections`, samples, REQUESTS, gateways, [
          cpuFigure('CPU µs/request', (sample) => sample.cpuUsPerRequest),
          timesNginx('× nginx', (sample) => sample.cpuUsPerRequest),
          figure('requests/s', (sample) => sample.requestsPerS),
          figure('P50 ms', (sample) => sample.latency.p50Ms),
          figure('P99 ms', (sample) => sample.latency.p99Ms),
          cpuFigure('RSS MiB', (sample) => sample.rssMiB),
          errors,
        ]),
        comparisonTable(`Streams, ${STREAM_COUNT} at a time`, samples, STREAMS, gateways, [
          cpuFigure('CPU µs/event', (sample) => sample.cpuUsPerEvent),
          timesNginx('× nginx', (sample) => sample.cpuUsPerEvent),
          figure('events/s', (sample) => sample.eventsPerS),
          figure('event P50 ms', (sample) => sample.event.p50Ms),
          figure('event P99 ms', (sample) => sample.event.p99Ms),
          errors,
        ]),
      ],
      plots: [],
      samples,
      notes: [],
      checks: [
        check(
          'CPU per request, × nginx',
          ratioOf(samples, REQUESTS, 'tokenrouter', 'nginx', (sample) => sample.cpuUsPerRequest),
          'at most',
          limits.core.cpuPerRequestRatio,
          '×',
        ),
        check(
          'CPU per streamed event, × nginx',
          ratioOf(samples, STREAMS, 'tokenrouter', 'nginx', (sample) => sample.cpuUsPerEvent),
          'at most',
          limits.core.cpuPerEventRatio,
          '×',
        ),
      ],
    };
  },
};
