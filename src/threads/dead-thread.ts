import { ClaimTable } from '../dedup/claim-table.ts';
import { releaseWorker, type SharedMemory } from '../shared/memory-map.ts';
import type { KeyInvalidation } from './key-invalidation.ts';

/** A proxy thread that has closed: nothing of it runs or writes any more. */
export interface DeadProxy {
  readonly worker: number;
  readonly incarnation: number;
}

/** Where it had something that others need back. */
export interface LeftBehind {
  readonly memory: SharedMemory;
  readonly tellPeers: (incarnation: number) => void;
  readonly invalidation: Pick<KeyInvalidation, 'gone'>;
}

type Step = (dead: DeadProxy, left: LeftBehind) => void;

/**
 * All that a dead proxy thread gives back, in this order, in one synchronous block and before its successor is started. What
 * stays in shared memory for the successor is named in the test.
 */
const GIVEN_BACK: readonly Step[] = [
  // The calls it led can be led by others. Before these are told: they look up again at once.
  ({ incarnation }, { memory }) => ClaimTable.sweep(memory.claims, incarnation),
  // What it counted towards limits that all threads share.
  ({ worker }, { memory }) => releaseWorker(memory, worker),
  // Its answers will not go on, and it follows none any more.
  ({ incarnation }, { tellPeers }) => tellPeers(incarnation),
  // It goes by no old record of a key. Last, as it lets others go on: an admin call may be answered now.
  ({ worker }, { invalidation }) => invalidation.gone(worker),
];

export function giveBack(dead: DeadProxy, left: LeftBehind): void {
  for (const step of GIVEN_BACK) step(dead, left);
}
