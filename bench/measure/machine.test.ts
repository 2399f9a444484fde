import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeVersions } from './machine.ts';

const folder = mkdtempSync(join(tmpdir(), 'bench-machine-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const git = (...rest: string[]): void => {
  const { exitCode, stderr } = Bun.spawnSync(['git', '-c', 'user.name=x', '-c', 'user.email=x@x', ...rest], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
  });
  if (exitCode !== 0) throw new Error(stderr.toString());
};
const version = (): string => describeVersions(folder, folder)['tokenrouter'] ?? '';

test('a version that was not measured as it was committed says so', () => {
  mkdirSync(join(folder, 'src'));
  const file = join(folder, 'src/main.ts');
  writeFileSync(file, '1');
  git('init', '-q');
  git('add', '-A');
  git('commit', '-q', '-m', 'x');
  expect(version()).toMatch(/^[0-9a-f]{12}$/);
  writeFileSync(join(folder, 'README.md'), 'not what runs');
  expect(version()).toMatch(/^[0-9a-f]{12}$/);
  writeFileSync(file, '2');
  expect(version()).toMatch(/^[0-9a-f]{12}\+$/);
  git('add', '-A');
  expect(version()).toMatch(/^[0-9a-f]{12}\+$/);
  git('commit', '-q', '-m', 'y');
  writeFileSync(join(folder, 'src/new.ts'), '');
  expect(version()).toMatch(/^[0-9a-f]{12}\+$/);
});
