import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { rootFolder } from '../setup.ts';

const binary = join(rootFolder, 'dist/tokenrouter');
let fromSource = false;

/** Runs the project from its sources instead of the built binary, for profiles and work in progress. */
export function runFromSource(): void {
  fromSource = true;
}

/** The command line that runs this project. */
export function programCommand(...rest: readonly string[]): string[] {
  if (fromSource) return [process.execPath, join(rootFolder, 'src/main.ts'), ...rest];
  if (!existsSync(binary)) throw new Error('dist/tokenrouter is missing: run `make build` first');
  return [binary, ...rest];
}
