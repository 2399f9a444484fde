import { expect } from 'bun:test';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './support/config-file.ts';
import { skipUnless } from './support/skip-unless.ts';

const ROOT = join(import.meta.dir, '..');

/** A program to its end, with these folders alone to find others in. */
async function run(command: readonly string[], cwd: string, path = process.env['PATH'] ?? '') {
  const child = Bun.spawn([...command], {
    cwd,
    env: { PATH: path, HOME: '' },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

const [, VERSION = ''] = /^BUN_VERSION := (.*)$/m.exec(readFileSync(join(ROOT, 'Makefile'), 'utf8')) ?? [];

/** Stands for Bun: says who it is, what it was called with, and which Bun a script would find. */
const SCRIPT = (name: string): string => `#!/bin/sh
[ "$1" = --version ] && echo ${VERSION} && exit
printf '%s' '${name}'; printf ' [%s]' "$@"; echo; command -v bun
`;

function program(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

const make = Bun.which('make') ?? '';

skipUnless(make !== '', 'without make').test(
  'make works under a path with a space, with the Bun of npm and with one that is installed',
  async () => {
    const folder = join(temporaryFolder(), 'a b', 'c');
    const local = join(folder, '.bun/node_modules/.bin');
    const installed = join(folder, 'installed here');
    for (const made of [local, installed, join(folder, 'node_modules')]) mkdirSync(made, { recursive: true });
    for (const name of ['Makefile', 'package.json', 'bun.lock'])
      copyFileSync(join(ROOT, name), join(folder, name));
    program(join(local, 'bun'), SCRIPT('local'));
    // As `make setup` leaves it.
    writeFileSync(join(folder, 'node_modules/.installed'), '');
    for (const [name, path] of [
      ['local', local],
      ['installed', installed],
    ] as const) {
      // In the first round that folder is empty still: nothing is installed.
      const { code, stdout } = await run([make, '-s', 'dev'], folder, installed);
      expect(stdout).toBe(`${name} [src/main.ts] [serve] [--dev]\n${join(path, 'bun')}\n`);
      expect(code).toBe(0);
      program(join(installed, 'bun'), SCRIPT('installed'));
    }
  },
);

skipUnless(Bun.which('git') !== null, 'without git').test(
  'files with keys in them are not committed by accident',
  async () => {
    const folder = temporaryFolder();
    await run(['git', 'init', '--quiet'], folder);
    copyFileSync(join(ROOT, '.gitignore'), join(folder, '.gitignore'));
    const secret = [
      '.env',
      '.env.local',
      'deployments/.env',
      'data/admin-token',
      'deployments/data/tokenrouter.db',
    ];
    const tracked = ['.env.example', 'deployments/docker-compose.yml'];
    const { stdout } = await run(['git', 'check-ignore', ...secret, ...tracked], folder);
    expect(stdout.trim().split('\n')).toEqual(secret);
  },
);
