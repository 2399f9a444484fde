import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Material that nobody on this project wrote; beside the repository where it is present. */
export const CASES = join(import.meta.dir, '../../../shared/cases');
export const casesPresent = existsSync(CASES);
if (!casesPresent) console.log('skipped: cases absent');

export function caseLines<Line>(path: string): Line[] {
  return readFileSync(join(CASES, path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
