import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

export const benchFolder = import.meta.dir;
export const rootFolder = join(benchFolder, '..');
/** Rivals from npm; ignored by git. */
export const peersFolder = join(benchFolder, '.peers');
/** Working folders of running gateways; ignored by git. */
export const runFolder = join(benchFolder, '.run');
export const portkeyFolder = join(peersFolder, 'node_modules/@portkey-ai/gateway');
const PORTKEY_VERSION = '1.15.2';
const INSTALL_TIMEOUT_MS = 180_000;

function has(program: string): boolean {
  return ['/usr/sbin', '/usr/bin', '/usr/local/bin', '/usr/local/sbin'].some((folder) =>
    existsSync(join(folder, program)),
  );
}

async function run(command: readonly string[]): Promise<boolean> {
  console.log(`$ ${command.join(' ')}`);
  const child = Bun.spawn([...command], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'inherit',
    timeout: INSTALL_TIMEOUT_MS,
  });
  return (await child.exited) === 0;
}

/** Which rivals can take part. */
export interface Rivals {
  readonly nginx: boolean;
  readonly haproxy: boolean;
  readonly portkey: boolean;
}

/** Installs the rivals that are missing: nginx and HAProxy from Debian (where this may), Portkey from npm into a folder of its own. */
export async function installRivals(): Promise<Rivals> {
  const wanted = [has('nginx') ? '' : 'nginx-light', has('haproxy') ? '' : 'haproxy'].filter(
    (name) => name !== '',
  );
  if (wanted.length > 0 && process.getuid?.() === 0 && has('apt-get')) {
    await run(['apt-get', 'update', '-qq']);
    // Its own services are not wanted: the harness starts each rival itself.
    await run(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...wanted]);
  }
  if (!existsSync(portkeyFolder)) {
    mkdirSync(peersFolder, { recursive: true });
    await Bun.write(join(peersFolder, 'package.json'), '{"private": true}\n');
    await run([
      process.execPath,
      'add',
      '--cwd',
      peersFolder,
      '--exact',
      '--ignore-scripts',
      `@portkey-ai/gateway@${PORTKEY_VERSION}`,
    ]);
  }
  const rivals = { nginx: has('nginx'), haproxy: has('haproxy'), portkey: existsSync(portkeyFolder) };
  for (const [name, present] of Object.entries(rivals))
    if (!present) console.log(`${name} is not there and could not be installed: its rows will be missing`);
  return rivals;
}
