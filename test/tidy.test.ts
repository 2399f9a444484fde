import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const ROOT = join(import.meta.dir, '..');

/** From the bottom to the top: a folder imports from itself and from those before it. */
const LAYERS = [
  'std',
  'errors',
  'http1',
  'server',
  'shared',
  'models',
  'billing',
  'providers',
  'config',
  'dialects',
  'cache',
  'pipeline',
  'routing',
  'dedup',
  'upstream',
  'storage',
  'telemetry',
  'preparer',
  'admin',
  'primary',
  'gateway',
  'main.ts',
];

/** The bundled simulator is part of the binary; nothing else of the source knows of `bench`. */
const MAY_IMPORT_BENCH = new Set(['src/main.ts', 'src/primary/dev-upstream.ts']);

const MAX_LINES = 400;
const LEFT_FOR_LATER = /\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|expect-error|nocheck)/;
const UNTYPED = /\bas any\b|: any\b|<any>/;
/** `skipUnless` of test/support is the way to skip: it has a reason. */
const SILENT_SKIP = /\b(?:test|it|describe)(?:\.\w+)*\.(?:skip|skipIf|if|todo|todoIf|only)\(/;
const withoutComment = (line: string): string => line.replace(/(^|\s)(\/\/|\/?\*).*/, '');

function files(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(ROOT, path)).isDirectory()) return name.startsWith('.') ? [] : files(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

function importsOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const found = text.matchAll(/(?:from|import\(|import|new URL\()\s*'(\.{1,2}\/[^']+)'/g);
  return [...found].map((match) => relative(ROOT, join(ROOT, dirname(path), match[1]!)));
}

const layerOf = (path: string): number => LAYERS.indexOf(path.split('/')[1]!);

const sources = files('src');
const production = [...sources, ...files('workers'), ...files('bench')].filter(
  (path) => !path.endsWith('.test.ts') && !path.endsWith('-fixture.ts'),
);

describe('tidy', () => {
  test('every folder of src has its layer', () => {
    const folders = new Set(sources.map((path) => path.split('/')[1]!));
    expect([...folders].filter((folder) => !LAYERS.includes(folder))).toEqual([]);
  });

  test('imports point one way', () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((target) => target.startsWith('src/') && layerOf(target) > layerOf(path))
        .map((target) => `${path} → ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('the source knows no tests, no workers but by URL, and of bench only the bundled simulator', () => {
    const wrong = sources
      .filter((path) => !path.endsWith('.test.ts') && !path.endsWith('-fixture.ts'))
      .flatMap((path) =>
        importsOf(path)
          .filter((target) => /^(test|bench)\//.test(target) && !MAY_IMPORT_BENCH.has(path))
          .map((target) => `${path} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  test('the simulator shares no code with the gateway: a common mistake must show', () => {
    const wrong = files('bench/simulator').flatMap((path) =>
      importsOf(path)
        .filter((target) => target.startsWith('src/'))
        .map((target) => `${path} → ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('no file grows past what one can hold in mind', () => {
    const long = production
      .map((path) => ({ path, lines: readFileSync(join(ROOT, path), 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ path, lines }) => `${path}: ${lines}`);
    expect(long).toEqual([]);
  });

  test('nothing is left for later, nothing is typed away', () => {
    const wrong = production.flatMap((path) =>
      readFileSync(join(ROOT, path), 'utf8')
        .split('\n')
        .flatMap((line, index) =>
          LEFT_FOR_LATER.test(line) || UNTYPED.test(withoutComment(line))
            ? [`${path}:${index + 1}: ${line.trim()}`]
            : [],
        ),
    );
    expect(wrong).toEqual([]);
  });

  test('a test that is skipped says why', () => {
    const wrong = ['src', 'bench', 'test']
      .flatMap(files)
      .filter(
        (path) => path.endsWith('.test.ts') && SILENT_SKIP.test(readFileSync(join(ROOT, path), 'utf8')),
      );
    expect(wrong).toEqual([]);
  });

  test('the top level holds what it should', () => {
    const expected = new Set(
      'src workers bench deployments test docs Makefile bunfig.toml package.json tsconfig.json README.md LICENSE bun.lock knip.json docker-compose.yml'.split(
        ' ',
      ),
    );
    const ignored = new Set(['node_modules', 'dist', 'data', 'coverage']);
    const found = readdirSync(ROOT).filter((name) => !name.startsWith('.') && !ignored.has(name));
    expect(found.filter((name) => !expected.has(name))).toEqual([]);
  });
});
