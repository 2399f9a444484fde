import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { CHAT_PATH, type Gateway } from '../gateways/types.ts';
import { accepts, freePort, startChild } from '../processes/child.ts';
import { benchFolder } from '../setup.ts';
import { compare } from './compare.ts';
import { plainRequests, streamRequests } from './loads.ts';
import { comparisonTable, cpuFigure, errors, figure } from './tables.ts';
import type { Scenario } from './types.ts';
import { windowsOf } from './windows.ts';

const CONNECTIONS = 64;
const STREAMS = 300;

function labGateway(topology: 'accept-all' | 'hand-over'): Gateway {
  return {
    name: topology,
    start: async (settings) => {
      const port = freePort();
      const threads = settings.workers ?? availableParallelism();
      const child = await startChild({
        name: topology,
        command: [
          process.execPath,
          join(benchFolder, 'lab/topology.ts'),
          topology,
          String(port),
          String(settings.upstreamPort),
          String(threads),
        ],
        isUp: () => accepts(port),
      });
      return { port, path: CHAT_PATH, headers: [['authorization', 'Bearer sk-lab']], child };
    },
  };
}

/** Whether every thread should accept, or one for all: measured on two small programs that differ in nothing else. */
export const topology: Scenario = {
  name: 'topology',
  title: 'Threads: every one accepts, or one accepts and hands over',
  method:
    'Two small programs with the same stand-in for a pipeline (parse, SHA-256) and the same upstream client: in one every thread accepts on the shared port, in the other the primary accepts and hands bodies to threads by message, which post answers back once a tick.',
  run: async (context) => {
    const gateways = [labGateway('accept-all'), labGateway('hand-over')];
    const windows = windowsOf(context, { warmupMs: 1500, windowMs: 2500, parts: 1, rounds: 2 });
    const samples = [
      ...(await compare(context, {
        variant: 'requests',
        gateways,
        rounds: windows.rounds,
        load: plainRequests(windows, CONNECTIONS),
      })),
      ...(await compare(context, {
        variant: 'streams',
        gateways,
        rounds: windows.rounds,
        load: streamRequests(windows, STREAMS, 40, 25),
      })),
    ];
    return {
      tables: [
        comparisonTable(`Requests, ${CONNECTIONS} connections`, samples, 'requests', gateways, [
          cpuFigure('CPU µs/request', (sample) => sample.cpuUsPerRequest),
          figure('requests/s', (sample) => sample.requestsPerS),
          figure('P99 ms', (sample) => sample.latency.p99Ms),
          errors,
        ]),
        comparisonTable(`Streams, ${STREAMS} at a time, 40 events/s`, samples, 'streams', gateways, [
          cpuFigure('CPU µs/event', (sample) => sample.cpuUsPerEvent),
          figure('events/s', (sample) => sample.eventsPerS),
          figure('added P99 ms', (sample) => sample.event.p99Ms),
          errors,
        ]),
      ],
      plots: [],
      checks: [],
      notes: [],
      samples,
    };
  },
};
