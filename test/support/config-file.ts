import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let root: string | null = null;

/** A new folder, with all the others of this run in one under the system's own for what is temporary. */
export function temporaryFolder(): string {
  root ??= mkdtempSync(join(tmpdir(), 'tokenrouter-tests-'));
  return mkdtempSync(join(root, 'folder-'));
}

/** Writes a `tokenrouter.yaml` into a folder of its own; answers the variables that name it. */
export function configFile(yaml: string): { readonly TOKENROUTER_CONFIG: string } {
  const path = join(temporaryFolder(), 'tokenrouter.yaml');
  writeFileSync(path, yaml);
  return { TOKENROUTER_CONFIG: path };
}
