import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentSchema } from './environment.ts';
import { ConfigError, loadConfig } from './load.ts';
import { parseDurationMs, parseSizeBytes } from './units.ts';

const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, `${crypto.randomUUID()}.yaml`);
  writeFileSync(path, text);
  return path;
}

function faults(variables: Record<string, string>): readonly string[] {
  try {
    loadConfig(variables);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('configuration', () => {
  test('names what is set and has no effect yet, and refuses an order of tools that is not built', () => {
    const { notInUse } = loadConfig({
      LEDGER_SYNC: 'always',
      DB_MAX_OPEN_CONNS: '5',
      TOOL_ORDER: 'sorted',
      LEDGER_SYNC_INTERVAL: '',
    });
    expect(notInUse.toSorted((one, other) => one.localeCompare(other))).toEqual([
      'DB_MAX_OPEN_CONNS',
      'LEDGER_SYNC',
      'TOOL_ORDER',
    ]);
    expect(loadConfig({}).notInUse).toEqual([]);
    expect(() => loadConfig({ TOOL_ORDER: 'client' })).toThrow('TOOL_ORDER');
  });

  test('nothing set: the documented defaults, frozen to the bottom', () => {
    const config = loadConfig({});
    expect(config.env).toMatchObject({
      PORT: 8080,
      HOST: '0.0.0.0',
      DATA_DIR: './data',
      CACHE_TTL: '5m',
      DEDUP_TTL: 120_000,
      DEDUP_SCOPE: 'key',
      MAX_BODY_BYTES: 32 * 1024 * 1024,
      SHUTDOWN_TIMEOUT: 30_000,
      GLOBAL_CONCURRENT_LIMIT: 10_000,
      UPSTREAM_FIRST_BYTE_TIMEOUT: 300_000,
      AUTH_CACHE_TTL: 300_000,
    });
    expect(config.routing.providers).toEqual([]);
    expect(Object.isFrozen(config.env)).toBe(true);
    expect(Object.isFrozen(config.routing.providers)).toBe(true);
  });

  test('an empty variable is an unset one', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: '', OPENAI_API_KEY: '' }).env.PORT).toBe(8080);
  });

  test('white space is dropped, words may be in any case, and quotes are named', () => {
    const { env, quoted } = loadConfig({
      ADMIN_TOKEN: ' 0123456789abcdef\t',
      LOG_LEVEL: 'INFO',
      DEDUP_ENABLED: 'False ',
      CACHE_TTL: '5M',
      OPENAI_API_KEY: '"sk-quoted"',
      PORT: ' 9000\r\n',
    });
    expect(env).toMatchObject({
      ADMIN_TOKEN: '0123456789abcdef',
      LOG_LEVEL: 'info',
      DEDUP_ENABLED: false,
      CACHE_TTL: '5m',
      PORT: 9000,
    });
    expect(quoted).toEqual(['OPENAI_API_KEY']);
  });

  test('a limit of 0 is none; elsewhere 0 stays 0', () => {
    const { env } = loadConfig({
      UPSTREAM_CONNECT_TIMEOUT: '0s',
      UPSTREAM_FIRST_BYTE_TIMEOUT: '0s',
      UPSTREAM_IDLE_TIMEOUT: '0ms',
      UPSTREAM_TOTAL_TIMEOUT: '0h',
      PROXY_IDLE_CONN_TIMEOUT: '0s',
      AUTH_CACHE_TTL: '0s',
      SHUTDOWN_TIMEOUT: '0s',
    });
    for (const name of ['CONNECT', 'FIRST_BYTE', 'IDLE', 'TOTAL'] as const)
      expect(env[`UPSTREAM_${name}_TIMEOUT`]).toBe(Number.POSITIVE_INFINITY);
    expect(env.PROXY_IDLE_CONN_TIMEOUT).toBe(Number.POSITIVE_INFINITY);
    expect([env.AUTH_CACHE_TTL, env.SHUTDOWN_TIMEOUT]).toEqual([0, 0]);
  });

  test('origins are origins', () => {
    expect(loadConfig({ CORS_ORIGINS: 'https://a.example, null' }).env.CORS_ORIGINS).toEqual([
      'https://a.example',
      'null',
    ]);
    expect(faults({ CORS_ORIGINS: 'https://a.example/page' })).toHaveLength(1);
  });

  test('every fault is told at once, each with its variable', () => {
    const found = faults({
      PORT: 'http',
      WORKERS: '0',
      DEDUP_TTL: 'soon',
      MAX_BODY_BYTES: 'big',
      CACHE_INJECT_ENABLED: 'maybe',
      OPENAI_BASE_URL: 'ftp://x',
      ADMIN_TOKEN: 'short',
      TOKENROUTER_CONFIG: '/nowhere/tokenrouter.yaml',
    });
    for (const name of [
      'PORT',
      'WORKERS',
      'DEDUP_TTL',
      'MAX_BODY_BYTES',
      'CACHE_INJECT_ENABLED',
      'OPENAI_BASE_URL',
      'ADMIN_TOKEN',
      'TOKENROUTER_CONFIG',
    ]) {
      expect(found.some((fault) => fault.startsWith(`${name}:`))).toBe(true);
    }
    expect(found).toHaveLength(8);
  });

  test('keys make providers, several a pool; the environment wins over the file', () => {
    const path = file(`
providers:
  - id: openai
    base_url: http://127.0.0.1:1/v1
    accounts: [{ name: team, api_key_env: TEAM_KEY }]
  - id: vllm
    base_url: http://127.0.0.1:8000/v1
    models: [qwen3-32b]
aliases: { fast: deepseek/deepseek-flash }
default_provider: vllm
`);
    const { routing } = loadConfig({
      TOKENROUTER_CONFIG: path,
      TEAM_KEY: 'sk-team',
      OPENAI_API_KEY: 'sk-a, sk-b',
      DEEPSEEK_API_KEY: 'sk-d',
    });
    expect(routing.providers.map((one) => one.id)).toEqual(['openai', 'vllm', 'deepseek']);
    expect(routing.providers[0]?.accounts.map((one) => one.apiKey)).toEqual(['sk-a', 'sk-b']);
    expect(routing.providers[0]?.baseUrl).toBe('http://127.0.0.1:1/v1');
    expect(routing.defaultProvider).toBe('vllm');
  });

  test('faults of the file name their place', () => {
    const path = file(`
providers:
  - { id: mine }
  - { id: mine, base_url: "http://h/v1", accounts: [{ api_key_env: MISSING }] }
  - { id: "Bad Id", base_url: "http://h/v1" }
default_provider: other
`);
    expect(faults({ TOKENROUTER_CONFIG: path })[0]).toContain('providers.2.id');
    const second = file(`
providers:
  - { id: mine }
  - { id: mine, base_url: "http://h/v1", accounts: [{ api_key_env: MISSING }] }
aliases: { fast: nobody/model }
surprise: true
`);
    expect(faults({ TOKENROUTER_CONFIG: second })[0]).toContain('surprise');
    const third = file(`
providers:
  - { id: mine }
  - { id: mine, base_url: "http://h/v1", accounts: [{ api_key_env: MISSING }] }
aliases: { fast: nobody/model }
`);
    const found = faults({ TOKENROUTER_CONFIG: third }).join('\n');
    expect(found).toContain('providers.mine.base_url');
    expect(found).toContain('MISSING is not set');
    expect(found).toContain('mine is named twice');
    expect(found).toContain('aliases.fast');
  });

  test('a base URL of the gateway itself is a fault, where it was said', () => {
    const path = file('providers: [{ id: loop, base_url: "http://localhost:8080/v1" }]');
    expect(faults({ TOKENROUTER_CONFIG: path })).toEqual([
      expect.stringMatching(/^providers\.loop\.base_url: is the address of this gateway itself/),
    ]);
    expect(faults({ TOKENROUTER_CONFIG: path, PORT: '8081' })).toEqual([]);
    expect(faults({ DEEPSEEK_BASE_URL: 'http://127.0.0.1:8080', PORT: 'x' })).toEqual([
      expect.stringMatching(/^PORT/),
    ]);
  });

  test('a vendor key that could not stand in a header is refused', () => {
    expect(faults({ OPENAI_API_KEY: 'sk-a\r\nx: y' })[0]).toContain('OPENAI_API_KEY');
  });

  test('.env.example names every variable, sets none, and shows the defaults', () => {
    const text = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    for (const name of Object.keys(environmentSchema.shape)) {
      if (name.endsWith('_PROXY')) continue;
      expect(text).toMatch(new RegExp(`^# ${name}=`, 'm'));
    }
    for (const line of text.split('\n')) expect(line === '' || line.startsWith('#')).toBe(true);
  });
});

describe('units', () => {
  test('durations', () => {
    expect(['250ms', '90s', '2m', '1h', '1.5s'].map(parseDurationMs)).toEqual([
      250, 90_000, 120_000, 3_600_000, 1_500,
    ]);
    expect(['', '5', 's', '-1s', '1d', '1s2m'].map(parseDurationMs)).toEqual([
      null,
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  test('sizes', () => {
    expect(['32MiB', '64kb', '10', '1GiB'].map(parseSizeBytes)).toEqual([
      33_554_432, 64_000, 10, 1_073_741_824,
    ]);
    expect(['', 'MiB', '-1', '1TB'].map(parseSizeBytes)).toEqual([null, null, null, null]);
  });
});
