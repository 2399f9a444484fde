import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Writes a `tokenrouter.yaml` into a folder of its own; answers the variables that name it. */
export function configFile(yaml: string): { readonly TOKENROUTER_CONFIG: string } {
  const path = join(mkdtempSync(join(tmpdir(), 'tokenrouter-config-')), 'tokenrouter.yaml');
  writeFileSync(path, yaml);
  return { TOKENROUTER_CONFIG: path };
}
