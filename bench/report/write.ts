import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine, Versions } from '../measure/machine.ts';
import type { ScenarioOutcome } from '../scenarios/types.ts';
import { renderHtml } from './html.ts';
import { renderMarkdown } from './markdown.ts';

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

/** Results that are there, in the given order. */
export function loadRuns(folder: string, names: readonly string[]): ScenarioRun[] {
  return names
    .map((name) => join(folder, `${name}.json`))
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, 'utf8')) as ScenarioRun);
}

export function writeReports(runs: readonly ScenarioRun[], folder: string): void {
  if (runs.length === 0) return;
  writeFileSync(join(folder, 'report.md'), renderMarkdown(runs));
  writeFileSync(join(folder, 'report.html'), renderHtml(runs));
}
