import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { descriptorLimit } from './proc.ts';

/** What a number was measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly system: string;
  readonly descriptorLimit: number;
}

/** What a number was measured with. */
export interface Versions {
  readonly [program: string]: string;
}

export function describeMachine(): Machine {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    system,
    descriptorLimit: descriptorLimit(),
  };
}

function firstLine(command: readonly string[], pattern: RegExp): string {
  try {
    const ran = Bun.spawnSync([...command], { stdout: 'pipe', stderr: 'pipe' });
    const text = `${ran.stdout.toString()}\n${ran.stderr.toString()}`;
    return pattern.exec(text)?.[1] ?? 'absent';
  } catch {
    return 'absent';
  }
}

/** Versions of all that takes part; `commit` ends in `+` where the work tree differs from it. */
export function describeVersions(root: string, portkeyFolder: string): Versions {
  const git = (pattern: RegExp, ...rest: string[]): string =>
    firstLine(['git', '-C', root, ...rest], pattern);
  // Two letters a file, the first of them a space for what is changed and not yet staged.
  const changed = git(/^( ?\S+) /, 'status', '--porcelain', '--', 'src', 'workers', 'package.json');
  let portkey = 'absent';
  try {
    const manifest: unknown = JSON.parse(readFileSync(`${portkeyFolder}/package.json`, 'utf8'));
    portkey = (manifest as { version?: string }).version ?? 'absent';
  } catch {
    // Not installed: its row is missing as well.
  }
  return {
    tokenrouter: `${git(/^(\S+)/, 'rev-parse', '--short=12', 'HEAD')}${changed === 'absent' ? '' : '+'}`,
    bun: Bun.version,
    node: firstLine(['node', '--version'], /v(\S+)/),
    nginx: firstLine(['nginx', '-v'], /nginx\/(\S+)/),
    haproxy: firstLine(['haproxy', '-v'], /version (\S+)/),
    portkey,
  };
}
