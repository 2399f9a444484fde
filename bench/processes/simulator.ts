import { answersOk, freePort, startChild, type Child } from './child.ts';
import { programCommand } from './program.ts';

/** The simulated vendor as upstream of a run. */
export interface RunningSimulator {
  readonly port: number;
  readonly child: Child;
  /** Counts since its start, once all that was sent to it has come and left; after two seconds, as they are. */
  settledCounts(): Promise<SimulatorCounts>;
}

/** Calls as the upstream saw them since its process began, warm-up and every earlier load included. */
export interface SimulatorCounts {
  readonly received: number;
  readonly inFlight: number;
  /** Clients that left before their answer was complete. */
  readonly aborted: number;
}

/** Calls of one load. */
export type UpstreamCalls = Omit<SimulatorCounts, 'inFlight'>;

/** What came between two readings: the upstream counts for as long as it lives, a sample is of one load. */
export function callsBetween(before: SimulatorCounts, after: SimulatorCounts): UpstreamCalls {
  return { received: after.received - before.received, aborted: after.aborted - before.aborted };
}

const STATS_TIMEOUT_MS = 5000;
/** A gateway may still hold what its clients sent before they left: so long nothing has to come. */
const SETTLE_MS = 50;
const SETTLE_TIMEOUT_MS = 2000;

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
    settledCounts: () => settledCounts(url),
  };
}

async function readCounts(url: string): Promise<SimulatorCounts> {
  const response = await fetch(url, { signal: AbortSignal.timeout(STATS_TIMEOUT_MS) });
  const { received, inFlight, aborted } = (await response.json()) as SimulatorCounts;
  return { received, inFlight, aborted };
}

async function settledCounts(url: string): Promise<SimulatorCounts> {
  const giveUpMs = performance.now() + SETTLE_TIMEOUT_MS;
  for (let last = await readCounts(url); ;) {
    await Bun.sleep(SETTLE_MS);
    const now = await readCounts(url);
    const settled = now.inFlight === 0 && now.received === last.received;
    if (settled || performance.now() >= giveUpMs) return now;
    last = now;
  }
}
