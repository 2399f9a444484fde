import type { Machine, Versions } from '../measure/machine.ts';
import type { ScenarioOutcome } from '../scenarios/types.ts';

/** One scenario as it was run, as kept in `results/NAME.json` (its samples without their histograms). */
export interface ScenarioRun extends ScenarioOutcome {
  readonly name: string;
  readonly title: string;
  readonly method: string;
  readonly finishedAt: string;
  readonly seconds: number;
  readonly quick: boolean;
  readonly machine: Machine;
  readonly versions: Versions;
}
