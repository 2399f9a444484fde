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
  'telemetry',
  'models',
  'billing',
  'providers',
  'config',
  'dialects',
  'cache',
  'pipeline',
  'preparer',
  'routing',
  'dedup',
  'keys',
  'limits',
  'upstream',
  'storage',
  'call',
  'admin',
  'threads',
  'gateway',
  'simulator',
  'primary',
  'main.ts',
];

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

const ANY_REFERENCE = /(?:from|import\(|import|new URL\()\s*'(\.{1,2}\/[^']+)'/g;

function importsOf(path: string, kinds = ANY_REFERENCE): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const found = text.matchAll(kinds);
  return [...found].map((match) => relative(ROOT, join(ROOT, dirname(path), match[1]!)));
}

const layerOf = (path: string): number => LAYERS.indexOf(path.split('/')[1]!);

const sources = files('src');
const production = [...sources, ...files('workers'), ...files('bench')].filter(
  (path) => !path.endsWith('.test.ts') && !path.includes('/testing/'),
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

  test('no imports run in a circle, not even through types alone', () => {
    // The entry of a thread, named by its URL, is no import.
    const targets = new Map(
      production.map((path) => [path, importsOf(path, /(?:from|import\()\s*'(\.{1,2}\/[^']+)'/g)]),
    );
    /** Files that have been left again, and those on the way to the one that is looked at. */
    const done = new Set<string>();
    const way: string[] = [];
    const circles: string[] = [];
    const visit = (path: string): void => {
      if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' → '));
      if (done.has(path) || way.includes(path)) return;
      way.push(path);
      for (const target of targets.get(path) ?? []) visit(target);
      way.pop();
      done.add(path);
    };
    for (const path of targets.keys()) visit(path);
    expect(circles).toEqual([]);
  });

  test('the source knows no tests, no benches, and workers only by URL', () => {
    const wrong = sources
      .filter((path) => !path.endsWith('.test.ts') && !path.includes('/testing/'))
      .flatMap((path) =>
        importsOf(path)
          .filter((target) => /^(test|bench)\//.test(target))
          .map((target) => `${path} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  test('the simulator shares no code with the gateway: a common mistake must show', () => {
    const wrong = files('src/simulator').flatMap((path) =>
      importsOf(path)
        .filter((target) => target.startsWith('src/') && !target.startsWith('src/simulator/'))
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
      'src workers bench deployments test docs Makefile bunfig.toml package.json tsconfig.json README.md CONTRIBUTING.md LICENSE bun.lock knip.json docker-compose.yml'.split(
        ' ',
      ),
    );
    const ignored = new Set(['node_modules', 'dist', 'data', 'coverage']);
    const found = readdirSync(ROOT).filter((name) => !name.startsWith('.') && !ignored.has(name));
    expect(found.filter((name) => !expected.has(name))).toEqual([]);
  });
});
