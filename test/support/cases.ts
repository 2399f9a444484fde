import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { skipUnless } from './skip-unless.ts';

/** Material that nobody on this project wrote; beside the repository where it is present. */
export const CASES = join(import.meta.dir, '../../../shared/cases');
export const casesPresent = existsSync(CASES);
/** For tests of them. */
export const withCases = skipUnless(casesPresent, 'without ../shared/cases');

export function caseLines<Line>(path: string): Line[] {
  return readFileSync(join(CASES, path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
