import type { SimulatorPeers } from './control.ts';
import { Pending } from './pending.ts';
import type { Command, FromThread, SimulatorFlags, ToThread } from './protocol.ts';
import { type Simulator, startSimulator } from './server.ts';
import type { SimulatorStats } from './stats.ts';

const ANSWER_DEADLINE_MS = 5000;
const COMPILED_ROOT = 'file:///$bunfs/root/';

/** In a compiled binary every module's URL is the binary's own, and entries keep their paths from the root of the project. */
const THREAD_ENTRY = import.meta.url.startsWith(COMPILED_ROOT)
  ? new URL('src/simulator/thread.ts', COMPILED_ROOT)
  : new URL('./thread.ts', import.meta.url);

/** Carries a command out on one simulator. */
export function obey(simulator: Simulator, command: Command): SimulatorStats {
  if (command.name === 'reset') simulator.reset();
  else if (command.name === 'advance') simulator.advance(command.byMs);
  return simulator.stats();
}

/** `/_sim/…` by way of `ask`, which has every thread carry the command out. */
export function peersBy(ask: (command: Command) => Promise<readonly SimulatorStats[]>): SimulatorPeers {
  return {
    stats: () => ask({ name: 'stats' }),
    reset: async () => void (await ask({ name: 'reset' })),
    advance: async (byMs) => void (await ask({ name: 'advance', byMs })),
  };
}

class OtherThread {
  readonly #worker = new Worker(THREAD_ENTRY);
  readonly #commands = new Pending<SimulatorStats>(ANSWER_DEADLINE_MS);

  /** Resolves once it listens. */
  start(
    options: { readonly port: number; readonly host: string; readonly fast: boolean },
    everywhere: (command: Command) => Promise<readonly SimulatorStats[]>,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#worker.onerror = (event) => reject(new Error(event.message));
      this.#worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
        if (data.kind === 'listening') resolve();
        else if (data.kind === 'done') this.#commands.answer(data.id, data.stats);
        else {
          const { id } = data;
          void everywhere(data.command).then((stats) => this.#post({ kind: 'result', id, stats }));
        }
      };
      this.#post({ kind: 'start', ...options });
    });
  }

  command(command: Command): Promise<SimulatorStats> {
    return this.#commands.ask((id) => this.#post({ kind: 'command', id, command }));
  }

  stop(): void {
    this.#worker.terminate();
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message);
  }
}

/**
 * Simulators on one port, one in this thread and one in each further one; the kernel spreads the connections. Caches, barriers
 * and directives know their own thread only: threads are for load tests.
 */
export async function startThreads(flags: SimulatorFlags & { readonly threads: number }): Promise<Simulator> {
  const { host, fast = false, threads } = flags;
  const others: OtherThread[] = [];
  const everywhere = async (command: Command): Promise<readonly SimulatorStats[]> => [
    obey(first, command),
    ...(await Promise.all(others.map((other) => other.command(command)))),
  ];
  const first: Simulator = startSimulator({
    port: flags.port,
    host,
    fast,
    reusePort: threads > 1,
    peers: peersBy(everywhere),
  });
  const starting: Promise<void>[] = [];
  for (let index = 1; index < threads; index++) {
    const other = new OtherThread();
    starting.push(other.start({ port: first.port, host, fast }, everywhere));
    others.push(other);
  }
  await Promise.all(starting);
  return {
    ...first,
    stop: () => {
      for (const other of others) other.stop();
      return first.stop();
    },
  };
}
