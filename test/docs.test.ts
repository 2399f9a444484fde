import { describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import { ALL_DIALECTS } from '../src/dialects/registry.ts';
import { commandSchema, environmentSchema } from '../src/config/environment.ts';
import { fileSchema } from '../src/config/file.ts';
import { loadConfig } from '../src/config/load.ts';
import { ERRORS, type ErrorSpec } from '../src/errors/catalogue.ts';
import { METRICS } from '../src/telemetry/catalogue.ts';
import * as labelSets from '../src/shared/labels.ts';
import { knownProfile } from '../src/providers/registry.ts';
import { LABEL_BYTES, MAX_ROWS, METRIC_WORDS } from '../src/shared/counter-layout.ts';
import { WorkerMetrics } from '../src/shared/counters.ts';
import { createMemory } from '../src/shared/memory-map.ts';
import { exposition } from '../src/telemetry/exposition.ts';

const ROOT = join(import.meta.dir, '..');

const errorsText = read('docs/errors.md');
const metricsText = read('docs/metrics.md');
const configurationText = read('docs/configuration.md');
const apiText = read('docs/api.md');

describe('docs/errors.md', () => {
  const rows = cellsOf(errorsText, 'code');

  test('has every code, and none that does not exist', () => {
    expect(rows.map((row) => code(row['code'])).sort()).toEqual(Object.keys(ERRORS).sort());
  });

  test('says of each what the catalogue says', () => {
    for (const row of rows) {
      const name = code(row['code']) as keyof typeof ERRORS;
      const documented = {
        status: Number(row['status']),
        source: row['source'],
        retryable: row['retryable'] === 'yes',
        type: code(row['type']),
      };
      expect({ name, ...documented }).toEqual({ name, ...(ERRORS[name] satisfies ErrorSpec) });
      expect(row['meaning']).not.toBe('');
    }
  });

  test('codes called reserved are those that nothing answers', () => {
    const source = sourceTexts('src').filter(([path]) => !path.endsWith('errors/catalogue.ts'));
    const unused = Object.keys(ERRORS).filter(
      (name) => !source.some(([, text]) => text.includes(`'${name}'`)),
    );
    const reserved = rows.filter((row) => row['meaning']?.startsWith('Reserved') === true);
    expect(reserved.map((row) => code(row['code'])).sort()).toEqual(unused.sort());
  });
});

describe('docs/metrics.md', () => {
  const rows = cellsOf(metricsText, 'metric');

  test('has every metric with its type, and none that does not exist', () => {
    const documented = rows.map((row) => `${code(row['metric'])} ${row['type']}`);
    expect(documented.sort()).toEqual(
      Object.entries(METRICS)
        .map(([name, [type]]) => `${name} ${type}`)
        .sort(),
    );
  });

  test('names the labels that a scrape has', async () => {
    const labels = await scrapedLabels();
    for (const row of rows) {
      const documented = [...(row['labels'] ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1]!);
      const name = code(row['metric']);
      expect([name, documented.sort()]).toEqual([name, [...(labels.get(name) ?? [])].sort()]);
    }
  });

  test('names the values of the closed label sets', () => {
    const values = (label: string): string[] => {
      const row = cellsOf(metricsText, 'label').find((one) => one['label'] === label);
      return [...(row?.['values'] ?? '').matchAll(/`([\w]+)`/g)].map((match) => match[1]!);
    };
    expect(values('`status`')).toEqual(
      labelSets.STATUSES.map((status) => (status === 0 ? 'other' : String(status))),
    );
    expect(values('`stage`')).toEqual([...labelSets.STAGE_LABELS]);
    expect(values('`kind` of `tokens_total`')).toEqual([...labelSets.TOKEN_KINDS]);
    expect(values('`kind` of `in_flight`')).toEqual([...labelSets.REQUEST_KINDS]);
    expect(values('`role`')).toEqual([...labelSets.DEDUP_ROLES]);
    expect(values('`reason` of `dedup_unclaimed_total`')).toEqual([...labelSets.UNCLAIMED_REASONS]);
    expect(values('`reason` of `rejected_total`')).toEqual([...labelSets.REJECTED_REASONS]);
    expect(values('`state`')).toEqual([...labelSets.CONNECTION_STATES]);
  });

  test('expressions use metrics that exist', () => {
    for (const name of metricsText.matchAll(/tokenrouter_(\w+?)(?:_bucket)?[{[]/g))
      expect(Object.keys(METRICS)).toContain(name[1]!);
  });
});

describe('docs/configuration.md', () => {
  const environment = section(configurationText, '## Environment', '### Command line');
  const rows = cellsOf(environment, 'variable');
  const schema: Readonly<Record<string, z.ZodType>> = environmentSchema.shape;

  test('has every variable, and none that does not exist', () => {
    expect(rows.map((row) => code(row['variable'])).sort()).toEqual(Object.keys(schema).sort());
  });

  test('states the defaults', () => {
    for (const row of rows) {
      const name = code(row['variable']);
      const fallback = schema[name]!.parse(undefined);
      if (name === 'WORKERS') expect(row['default']).toBe('*cores*');
      else if (fallback === undefined)
        expect([name, row['default']]).toEqual([name, expect.stringMatching(/^\*.+\*$/)]);
      else expect([name, schema[name]!.parse(code(row['default']))]).toEqual([name, fallback]);
    }
  });

  test("states the vendors' addresses", () => {
    for (const id of ['deepseek', 'openai', 'anthropic']) {
      const row = rows.find((one) => code(one['variable']) === `${id.toUpperCase()}_BASE_URL`);
      expect(row?.['default']).toBe(`*\`${knownProfile(id)!.defaultBaseUrl}\`*`);
    }
  });

  test('marks what has no effect yet: nothing reads it', () => {
    const source = sourceTexts('src').filter(([path]) => !path.endsWith('config/environment.ts'));
    // Warned of at the start, and not read otherwise.
    const warned = new Set(['REDIS_URL']);
    const idle = Object.keys(schema).filter(
      (name) => warned.has(name) || !source.some(([, text]) => new RegExp(`\\b${name}\\b`).test(text)),
    );
    const marked = rows.filter((row) => row['meaning']?.startsWith('†') === true);
    expect(marked.map((row) => code(row['variable'])).sort()).toEqual(idle.sort());
  });

  test('names what the command line reads', () => {
    const [table] = tables(section(configurationText, '### Command line', '## tokenrouter.yaml'));
    const documented = table!.map((row) => code(row['variable']));
    expect(documented.sort()).toEqual(Object.keys(commandSchema.shape).sort());
  });

  test('the example of tokenrouter.yaml is taken', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-docs-'));
    try {
      for (const text of [configurationText, read('README.md')]) {
        const yaml = /```yaml\n([^]*?)```/.exec(text)?.[1];
        expect(yaml).toBeString();
        const path = join(folder, 'tokenrouter.yaml');
        writeFileSync(path, yaml!);
        const variables: Record<string, string> = { TOKENROUTER_CONFIG: path, DEEPSEEK_API_KEY: 'sk-d' };
        for (const name of yaml!.matchAll(/api_key_env: (\w+)/g)) variables[name[1]!] = 'sk-x';
        expect(loadConfig(variables).routing.providers.length).toBeGreaterThan(1);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('has every field of tokenrouter.yaml, and none that does not exist', () => {
    const documented = cellsOf(configurationText, 'field').map((row) => code(row['field']));
    expect(documented.sort()).toEqual(fieldPaths(fileSchema(), '').sort());
  });
});

describe('.env.example', () => {
  const lines = read('.env.example').split('\n');
  const schema: Readonly<Record<string, z.ZodType>> = { ...commandSchema.shape, ...environmentSchema.shape };
  const settings = lines
    .map((line) => /^# ([A-Z_]+)=(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map((match) => [match[1]!, match[2]!] as const);

  test('names every variable once, and none that does not exist', () => {
    expect(settings.map(([name]) => name).sort()).toEqual(Object.keys(schema).sort());
  });

  test('sets nothing, and shows values that are taken and change no default', () => {
    for (const line of lines) expect(line).toMatch(/^(#|$)/);
    for (const [name, value] of settings) {
      const fallback = schema[name]!.parse(undefined);
      const shown = schema[name]!.parse(value);
      if (fallback !== undefined) expect([name, shown]).toEqual([name, fallback]);
    }
  });
});

describe('docs/api.md', () => {
  test('has the headers that the gateway reads and sends', () => {
    const used = new Set<string>();
    for (const [, text] of sourceTexts('src'))
      for (const match of text.matchAll(/(?:['`]|\\n)(x-tokenrouter-[a-z-]+)/g)) used.add(match[1]!);
    const documented = ['request header', 'answer header'].flatMap((heading) =>
      cellsOf(apiText, heading).map((row) => code(row[heading])),
    );
    expect(new Set(documented.filter((name) => name.startsWith('x-tokenrouter-')))).toEqual(used);
  });

  test('has the paths that the gateway serves', () => {
    const server = read('src/gateway/server.ts');
    const served = Array.from(server.matchAll(/router\.add\('(\/[^']*)'/g), (match) => match[1]!).concat(
      ALL_DIALECTS.flatMap(({ clientPaths }) => Object.values(clientPaths).filter(Array.isArray).flat()),
    );
    const documented = cellsOf(apiText, 'route').map((row) => code(row['route']).split(' ')[1]!);
    const covered = (path: string): boolean =>
      path === '/admin/*'
        ? documented.some((one) => one.startsWith('/admin/'))
        : documented.some((one) => [path, `/v1${path}`].includes(one.replace(':id', '*')));
    expect(served.length).toBeGreaterThan(5);
    expect(served.filter((path) => !covered(path))).toEqual([]);
    const isServed = (path: string): boolean =>
      path.startsWith('/admin/') || served.includes(path.replace(':id', '*'));
    expect(documented.filter((path) => !isServed(path))).toEqual([]);
  });
});

test('src/README.md names files, classes and functions that exist', () => {
  const text = read('src/README.md');
  const source = ['src', 'workers'].flatMap(sourceTexts);
  const paths = new Set(source.map(([path]) => path));
  for (const match of text.matchAll(/\b((?:[a-z-]+\/)+[a-z-]+\.ts)\b/g)) {
    const path = match[1]!;
    const found = paths.has(path) || paths.has(`src/${path}`) || existsSync(join(ROOT, path));
    expect([path, found]).toEqual([path, true]);
  }
  const whole = source.map(([, one]) => one).join('\n');
  // A capital within a word: how code writes names, and prose does not.
  const names = text.matchAll(/(?<![\w.'])([A-Z][a-z]+[A-Z]\w*|[a-z]+[A-Z]\w*)\b/g);
  const foreign = new Set([
    'SharedArrayBuffers',
    'MessagePort',
    'PostgreSQL',
    'MiB',
    'KiB',
    'uWebSockets',
    'xxHash3',
  ]);
  for (const [, name = ''] of names) {
    if (foreign.has(name)) continue;
    expect([name, new RegExp(`\\b${name}\\b`).test(whole)]).toEqual([name, true]);
  }
});

test('links between the documents lead somewhere', () => {
  const documents = [
    'README.md',
    'src/README.md',
    'deployments/README.md',
    'CONTRIBUTING.md',
    'docs/api.md',
    'docs/conversions.md',
    'docs/configuration.md',
    'docs/errors.md',
    'docs/metrics.md',
  ];
  for (const path of documents) {
    for (const match of read(path).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      const found = existsSync(join(ROOT, dirname(path), match[1]!));
      expect([path, match[1], found]).toEqual([path, match[1], true]);
    }
  }
});

/** Every source file below a folder but tests, with its text. */
function sourceTexts(folder: string): (readonly [path: string, text: string])[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map((path) => [path, read(join(folder, path))] as const);
}

/** `a`, `a.b`, `list[].b`: every path of a schema that has a value of its own, and those of lists of objects. */
function fieldPaths(schema: z.ZodType, prefix: string): string[] {
  const def = schema.def as {
    readonly type: string;
    readonly innerType?: z.ZodType;
    readonly element?: z.ZodType;
    readonly shape?: Readonly<Record<string, z.ZodType>>;
  };
  if (def.type === 'optional') return fieldPaths(def.innerType!, prefix);
  if (def.type === 'array') {
    const inner = fieldPaths(def.element!, `${prefix}[]`);
    // Of a list within a list the documents name the list too.
    return inner.length > 1 && prefix.includes('.') ? [`${prefix}[]`, ...inner] : inner;
  }
  if (def.type === 'object') {
    return Object.entries(def.shape!).flatMap(([name, inner]) =>
      fieldPaths(inner, prefix === '' ? name : `${prefix}.${name}`),
    );
  }
  return [prefix];
}

/** The names of each metric's labels (`le` aside), from a scrape in which every metric has a series. */
async function scrapedLabels(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const memory = createMemory({
    workers: 1,
    metricWords: METRIC_WORDS,
    labelBytes: MAX_ROWS * LABEL_BYTES,
    maxKeys: 1,
  });
  const metrics = new WorkerMetrics(memory, 0);
  const row = metrics.row('openai', 'gpt-4o');
  metrics.status(row, 200, true);
  metrics.times(row, 1, 1, 1);
  const text = await exposition({ memory, alive: [true], providers: ['openai'], residentBytes: 1 });
  const labels = new Map<string, Set<string>>();
  for (const line of text.split('\n')) {
    const match = /^tokenrouter_(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$/.exec(line);
    if (match === null) continue;
    const names = labels.get(match[1]!) ?? new Set();
    labels.set(match[1]!, names);
    for (const pair of (match[2] ?? '').matchAll(/(\w+)="/g)) if (pair[1] !== 'le') names.add(pair[1]!);
  }
  return labels;
}

/** A file of the repository. */
function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** A row of a table by the heading of its column, as it is written. */
type Row = Readonly<Record<string, string>>;

/** The tables of a Markdown text. A `|` in a cell is written `\|`. */
function tables(markdown: string): Row[][] {
  const found: Row[][] = [];
  let headings: string[] | null = null;
  let current: Row[] | null = null;
  for (const line of markdown.split('\n')) {
    if (!line.startsWith('|')) {
      headings = current = null;
      continue;
    }
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('\\|', '|'));
    if (headings === null) headings = cells;
    else if (current === null) found.push((current = []));
    else {
      const names = headings;
      if (cells.length !== names.length) throw new Error(`a row has ${cells.length} cells: ${line}`);
      current.push(Object.fromEntries(names.map((name, index) => [name, cells[index]!])));
    }
  }
  return found;
}

/** The rows of all tables whose first column has this heading. */
function cellsOf(markdown: string, heading: string): Row[] {
  return tables(markdown)
    .filter(([first]) => first !== undefined && Object.keys(first)[0] === heading)
    .flat();
}

/** The text from one heading to another. */
function section(markdown: string, from: string, to: string): string {
  const start = markdown.indexOf(`\n${from}\n`);
  const end = markdown.indexOf(`\n${to}\n`, start);
  if (start < 0 || end < 0) throw new Error(`no section from ${from} to ${to}`);
  return markdown.slice(start, end);
}

/** The code of a cell that begins with some. */
function code(cell: string | undefined): string {
  const match = /^\*?`([^`]+)`/.exec(cell ?? '');
  if (match === null) throw new Error(`no code in the cell ${JSON.stringify(cell)}`);
  return match[1]!;
}
