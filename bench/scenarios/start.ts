import { limits } from '../limits.ts';
import { tokenrouter } from '../gateways/tokenrouter.ts';
import { rssMiBOfTree } from '../measure/proc.ts';
import { median } from '../measure/statistics.ts';
import { freshFolder, withGateway } from './sample.ts';
import { check, type Scenario } from './types.ts';
import { rmSync } from 'node:fs';

const STARTS = 8;
/** What start-up leaves behind has been given back by then. */
const SETTLE_MS = 2000;

/** How long a start takes and what an idle gateway occupies. */
export const start: Scenario = {
  name: 'start',
  title: 'Start and idle memory',
  method:
    'The built binary on embedded storage: from the call that starts the process until `GET /health/ready` answers 200 (asked every 2 ms), on an empty data folder and on one that was used before. Idle memory is resident memory two seconds later.',
  run: async (context) => {
    const emptyMs: number[] = [];
    const usedMs: number[] = [];
    const idleMiB: number[] = [];
    const starts = context.quick ? 2 : STARTS;
    for (let index = 0; index < starts; index++) {
      const folder = freshFolder('start');
      try {
        for (const list of [emptyMs, usedMs])
          await withGateway({ gateway: tokenrouter, folder }, async ({ running }) => {
            list.push(running.child?.readyMs ?? Number.NaN);
            if (list === emptyMs || index > 1) return;
            await Bun.sleep(SETTLE_MS);
            idleMiB.push(rssMiBOfTree(running.child?.pid ?? 0));
          });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
    const readyMs = median([...emptyMs, ...usedMs]);
    return {
      tables: [
        {
          title: `${starts} starts each`,
          columns: ['', 'median', 'most'],
          rows: [
            ['ready, empty folder, ms', median(emptyMs), Math.max(...emptyMs)],
            ['ready, used folder, ms', median(usedMs), Math.max(...usedMs)],
            [`idle memory of ${idleMiB.length}, MiB`, median(idleMiB), Math.max(...idleMiB)],
          ],
        },
      ],
      plots: [],
      checks: [
        check('start to ready', readyMs, 'at most', limits.start.readyMs, 'ms'),
        check('idle memory', median(idleMiB), 'at most', limits.start.idleRssMiB, 'MiB'),
      ],
      notes: [],
      samples: [],
    };
  },
};
