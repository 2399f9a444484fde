import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderHtml } from './html.ts';
import { renderMarkdown } from './markdown.ts';
import type { ScenarioRun } from './types.ts';

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
