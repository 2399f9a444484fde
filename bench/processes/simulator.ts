import { answersOk, freePort, startChild, type Child } from './child.ts';
import { programCommand } from './program.ts';

/** The simulated vendor as upstream of a run. */
export interface RunningSimulator {
  readonly port: number;
  readonly child: Child;
  stats(): Promise<SimulatorCounts>;
}

export interface SimulatorCounts {
  readonly received: number;
  readonly maxInFlight: number;
  readonly aborted: number;
}

const STATS_TIMEOUT_MS = 5000;

/** Starts the vendor simulator in its own process, in the mode that costs least per request. */
export async function startSimulatorProcess(threads = 1): Promise<RunningSimulator> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}/_sim/stats`;
  const where = ['--host', '127.0.0.1', '--port', String(port), '--threads', String(threads)];
  const child = await startChild({
    name: 'simulator',
    command: programCommand('simulate', '--fast', ...where),
    isUp: () => answersOk(url),
  });
  return {
    port,
    child,
    stats: async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(STATS_TIMEOUT_MS) });
      const counts = (await response.json()) as Partial<SimulatorCounts>;
      return {
        received: counts.received ?? 0,
        maxInFlight: counts.maxInFlight ?? 0,
        aborted: counts.aborted ?? 0,
      };
    },
  };
}
