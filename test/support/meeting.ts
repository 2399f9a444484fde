import type { Simulator } from '../../bench/simulator/server.ts';
import { eventually, type Gateway } from './gateway.ts';

/** How many of the requests are calls to the vendor of their own, and how many follow one of those. */
export interface Roles {
  readonly calls: number;
  readonly followers: number;
}

/**
 * Sends requests whose calls the vendor holds back (`[[sim:hold=0]]`) until all of them have found their role: however slow the
 * machine is, they meet. Fails if they find other roles than these.
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
  await eventually(
    async () => simulator.stats().received >= received + calls && (await following()) >= before + followers,
    `${calls} calls and ${followers} followers`,
  );
  simulator.release();
  return running;
}
