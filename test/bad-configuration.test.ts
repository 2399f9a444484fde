import { describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { runToEnd, type CommandResult } from './support/command.ts';
import { configFile, temporaryFolder } from './support/config-file.ts';
import { eventually, startGateway } from './support/gateway.ts';

const serve = (env: Record<string, string>): Promise<CommandResult> =>
  runToEnd(['serve'], {
    PORT: '0',
    HOST: '127.0.0.1',
    DATA_DIR: temporaryFolder(),
    LOG_LEVEL: 'warn',
    ...env,
  });

/** It ends with code 1, and with words for whoever runs it: no stack. */
function expectRefused({ code, stderr, stdout }: CommandResult): void {
  expect(`${code} ${stderr}`).toStartWith('1 ');
  expect(stderr).not.toMatch(/^ +at /m);
  expect(stdout).not.toContain('listening');
}

describe('a configuration that cannot work', () => {
  test('is refused with every fault at once, each by its name', async () => {
    const result = await serve({
      PORT: '70000',
      WORKERS: '0',
      DEDUP_TTL: 'soon',
      DEDUP_SCOPE: 'world',
      CACHE_TTL: '10m',
      CACHE_INJECT_ENABLED: 'perhaps',
      MAX_BODY_BYTES: '0',
      LOG_LEVEL: 'loud',
      GLOBAL_CONCURRENT_LIMIT: '-1',
      RATE_LIMIT_RPM: '1.5',
      UPSTREAM_IDLE_TIMEOUT: '5',
      OPENAI_BASE_URL: 'api.openai.com',
      DATABASE_URL: 'mysql://x',
      REDIS_URL: 'http://x',
      ADMIN_TOKEN: 'short',
      OPENAI_API_KEY: 'sk a',
      ...configFile(`
providers:
  - { id: mine }
  - { id: keyless, base_url: "http://h/v1", accounts: [{ api_key_env: NOT_SET }, { api_key: "a\\r\\nx: y" }] }
aliases: { a: b }
default_provider: nobody
`),
    });
    expectRefused(result);
    for (const name of [
      'PORT',
      'WORKERS',
      'DEDUP_TTL',
      'DEDUP_SCOPE',
      'CACHE_TTL',
      'CACHE_INJECT_ENABLED',
      'MAX_BODY_BYTES',
      'LOG_LEVEL',
      'GLOBAL_CONCURRENT_LIMIT',
      'RATE_LIMIT_RPM',
      'UPSTREAM_IDLE_TIMEOUT',
      'OPENAI_BASE_URL',
      'DATABASE_URL',
      'REDIS_URL',
      'ADMIN_TOKEN',
      'OPENAI_API_KEY',
      'providers.mine.base_url',
      'providers.keyless.accounts[0]: NOT_SET is not set',
      'providers.keyless.accounts[1]: api_key',
    ]) {
      expect(result.stderr).toContain(`\n  ${name}`);
    }
    // Values may be secret.
    expect(result.stderr).not.toContain('sk a');
  });

  test('faults of variables do not hide those of the file, nor those between the two', async () => {
    const result = await serve({
      WORKERS: 'many',
      DEEPSEEK_API_KEY: 'sk-up',
      ...configFile(
        'aliases: { fast: nowhere, faster: openai/gpt-4o, good: deepseek/deepseek-flash }\ndefault_provider: nobody\n',
      ),
    });
    expectRefused(result);
    expect(result.stderr).toContain('WORKERS: must be a whole number');
    expect(result.stderr).toContain('default_provider: no provider is named nobody');
    const aliased = await serve({
      DEEPSEEK_API_KEY: 'sk-up',
      ...configFile('aliases: { fast: nowhere, faster: openai/gpt-4o, good: deepseek/deepseek-flash }\n'),
    });
    expectRefused(aliased);
    expect(aliased.stderr).toContain('aliases.fast: nowhere reaches no provider');
    expect(aliased.stderr).toContain('aliases.faster: openai/gpt-4o reaches no provider');
    expect(aliased.stderr).not.toContain('aliases.good');
  });

  test.each([
    ['no YAML', 'providers: [', /tokenrouter\.yaml/],
    ['no mapping', '- a\n- b\n', /tokenrouter\.yaml/],
    ['an unknown field', 'provider: []\n', /provider/],
    ['a field of the wrong type', 'providers: mine\n', /providers/],
    [
      'a provider twice',
      'providers: [{ id: a, base_url: "http://h" }, { id: a, base_url: "http://h" }]\n',
      /a is named twice/,
    ],
  ])('a file that is %s', async (_what, yaml, why) => {
    const result = await serve(configFile(yaml));
    expectRefused(result);
    expect(result.stderr).toMatch(why);
  });

  test('a file that is not there', async () => {
    const result = await serve({ TOKENROUTER_CONFIG: '/nowhere/tokenrouter.yaml' });
    expectRefused(result);
    expect(result.stderr).toContain('TOKENROUTER_CONFIG: cannot read /nowhere/tokenrouter.yaml');
  });

  test('a folder that cannot be used', async () => {
    for (const path of ['/dev/null/data', '/proc/data']) {
      const result = await serve({ DATA_DIR: path });
      expectRefused(result);
      expect(result.stderr).toContain('DATA_DIR');
    }
  });

  test('a database that is none', async () => {
    const dataDir = temporaryFolder();
    writeFileSync(join(dataDir, 'tokenrouter.db'), 'this is a text '.repeat(1_000));
    const result = await serve({ DATA_DIR: dataDir });
    expectRefused(result);
    expect(result.stderr).toContain('not a database');
  });

  test('an address of another machine', async () => {
    const free = createServer();
    await new Promise<void>((resolve) => {
      free.listen(0, '127.0.0.1', resolve);
    });
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => {
      free.close(resolve);
    });
    // 192.0.2.0/24 is for documentation: no machine has an address in it.
    const result = await serve({ HOST: '192.0.2.1', PORT: String(port) });
    expectRefused(result);
    expect(result.stderr).toContain(`cannot listen on 192.0.2.1:${port}`);
  });

  test('a port that is taken, by another instance too', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => {
      other.listen(0, '127.0.0.1', resolve);
    });
    const address = other.address() as { port: number };
    const result = await serve({ PORT: String(address.port) });
    other.close();
    expectRefused(result);
    expect(result.stderr).toContain(`port ${address.port}`);
    expect(result.stderr).toContain('PORT');

    await using first = await startGateway();
    const second = await serve({ PORT: new URL(first.url).port });
    expectRefused(second);
    expect(second.stderr).toContain('another instance of tokenrouter');
    expect((await fetch(`${first.url}/health/live`)).status).toBe(200);
  });
});

describe('a configuration that works', () => {
  test('models with a slash in their name may be listed, and aliases may stand for them', async () => {
    await using gateway = await startGateway({
      env: configFile(`
providers: [{ id: vllm, base_url: "http://127.0.0.1:1/v1", models: [meta-llama/Llama-4] }]
aliases: { llama: meta-llama/Llama-4, direct: vllm/meta-llama/Llama-4 }
`),
    });
    await eventually(async () => (await fetch(`${gateway.url}/health/ready`)).status === 200, 'ready');
  });

  test('aliases without any provider wait for one', async () => {
    await using gateway = await startGateway({
      env: configFile('aliases: { fast: deepseek/deepseek-flash }\n'),
    });
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(503);
  });

  test('an empty file, and one with comments alone', async () => {
    for (const yaml of ['', '# nothing yet\n']) {
      await using gateway = await startGateway({ env: configFile(yaml) });
      expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    }
  });
});
