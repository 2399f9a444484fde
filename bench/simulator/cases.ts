import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Material that lies beside the repository, where it is present; null (and a note) where it is not. */
export function casesPath(path: string): string | null {
  const full = join(import.meta.dir, '../../../shared/cases', path);
  if (existsSync(full)) return full;
  console.log(`skipped: cases absent (${path})`);
  return null;
}

/** Lines of a JSONL case file. */
export async function caseLines<Row>(path: string): Promise<Row[] | null> {
  const full = casesPath(path);
  if (full === null) return null;
  const text = await Bun.file(full).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}
