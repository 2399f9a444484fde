import type { SimulatorFlags } from './protocol.ts';
import { startThreads } from './threads.ts';

/** `tokenrouter simulate`: prints its URL and runs until it is told to stop. */
export async function runSimulator(flags: SimulatorFlags): Promise<void> {
  const simulator = await startThreads({ ...flags, threads: Math.max(1, flags.threads ?? 1) });
  console.log(`vendor simulator is listening on ${simulator.url}`);
  const stop = (): void => void simulator.stop().then(() => process.exit(0));
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
