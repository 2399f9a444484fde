import type { Simulator } from '../../src/simulator/server.ts';
import { eventually, type Gateway } from './gateway.ts';

/** How many of the requests are calls to the vendor of their own, and how many follow one of those. */
export interface Roles {
  readonly calls: number;
  readonly followers: number;
}

const RELEASE_EVERY_MS = 20;

/**
 * Sends requests whose calls the vendor holds back (`[[sim:hold=0]]`) until so many have found their role: however slow the
 * machine is, they meet.
 *
 * But for threads: a follower waits a quarter of a second for a leader on another thread, which a machine that is slow enough
 * does not answer, and then calls itself. Where that is not the point, give the gateway one worker.
 */
export async function meeting(
  gateway: Gateway,
  simulator: Simulator,
  { calls, followers }: Roles,
  send: () => readonly Promise<Response>[],
): Promise<Response[]> {
  const following = (): Promise<number> => gateway.metric('dedup_requests_total', { role: 'follower' });
  const before = await following();
  const { received } = simulator.stats();
  const running = Promise.all(send());
  try {
    await eventually(
      async () => simulator.stats().received >= received + calls && (await following()) >= before + followers,
      `${calls} calls and ${followers} followers`,
    );
  } finally {
    // Who calls late is held, too.
    const releasing = setInterval(() => simulator.release(), RELEASE_EVERY_MS);
    await running.finally(() => clearInterval(releasing));
  }
  return running;
}
