import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startSimulator, type Simulator } from '../bench/simulator/server.ts';
import { runToEnd } from './support/command.ts';
import { temporaryFolder } from './support/config-file.ts';
import { ADMIN_TOKEN, startGateway, type Gateway } from './support/gateway.ts';

let simulator: Simulator;
let gateway: Gateway;

const upstream = (): Record<string, string> => ({ OPENAI_API_KEY: 'sk-up', OPENAI_BASE_URL: simulator.url });

beforeAll(async () => {
  simulator = startSimulator({ port: 0 });
  gateway = await startGateway({ env: upstream() });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await simulator.stop();
});

const chatBody = (content: string): object => ({ model: 'gpt-4o', messages: [{ role: 'user', content }] });
const NO_ID = '00000000-0000-4000-8000-000000000000';

describe('the command line', () => {
  const env = (): Record<string, string> => ({ TOKENROUTER_URL: gateway.url, ADMIN_TOKEN });

  test('makes, lists and revokes keys of the running gateway', async () => {
    const created = await runToEnd(
      ['keys', 'create', '--name', 'from the shell', '--quota-usd', '2.5'],
      env(),
    );
    expect(created.code).toBe(0);
    const { id, key, quota_usd } = JSON.parse(created.stdout) as {
      id: string;
      key: string;
      quota_usd: number;
    };
    expect(quota_usd).toBe(2.5);
    expect((await gateway.chat(key, chatBody('shell'))).status).toBe(200);

    const listed = await runToEnd(['keys', 'list'], env());
    expect(listed.stdout).toContain(id);
    expect(listed.stdout).not.toContain(key);

    expect((await runToEnd(['keys', 'revoke', id], env())).code).toBe(0);
    expect((await gateway.chat(key, chatBody('shell'))).status).toBe(401);
  });

  test('finds the token in DATA_DIR and the gateway by PORT', async () => {
    const dataDir = temporaryFolder();
    writeFileSync(join(dataDir, 'admin-token'), `${ADMIN_TOKEN}\n`);
    const { port } = new URL(gateway.url);
    expect((await runToEnd(['keys', 'list'], { DATA_DIR: dataDir, PORT: port })).code).toBe(0);
  });

  test.each([
    [['keys', 'create'], /--name/],
    [['keys', 'create', '--name', 'x', '--quota-usd', 'five'], /--quota-usd/],
    [['keys', 'create', '--name', 'x', '--quota-usd', ''], /--quota-usd/],
    [['keys', 'create', '--name', 'x', '--quota-usd', '-1'], /quota_usd/],
    [['keys', 'create', '--name', ''], /name/],
    [['keys', 'revoke'], /id/],
    [['keys', 'revoke', NO_ID], /404/],
    [['keys', 'surprise'], /surprise/],
    [['surprise'], /surprise/],
    [['serve', '--surprise'], /surprise/],
  ])('%j fails and says why', async (args, why) => {
    const count = async (): Promise<number> =>
      ((await (await gateway.admin('GET', '/admin/api-keys')).json()) as { data: unknown[] }).data.length;
    const before = await count();
    const { code, stdout, stderr } = await runToEnd(args, env());
    expect(code).toBe(1);
    expect(stderr).toMatch(why);
    expect(stderr).not.toContain('    at ');
    expect(stdout).toBe('');
    expect(await count()).toBe(before);
  });

  test('says that the token is wrong, or that no gateway answers', async () => {
    const wrong = await runToEnd(['keys', 'list'], { ...env(), ADMIN_TOKEN: 'wrong-but-long-enough' });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('401');
    const nobody = await runToEnd(['keys', 'list'], { ADMIN_TOKEN, TOKENROUTER_URL: 'http://127.0.0.1:1' });
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toContain('no gateway answers at http://127.0.0.1:1');
  });

  test('--help and --version', async () => {
    const help = await runToEnd(['--help']);
    expect(help.code).toBe(0);
    for (const word of ['serve', 'keys', 'simulate', '--version']) expect(help.stdout).toContain(word);
    const keysHelp = await runToEnd(['keys', '--help']);
    for (const word of ['create', 'list', 'revoke']) expect(keysHelp.stdout).toContain(word);
    const version = await runToEnd(['--version']);
    expect(version.stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(version.code).toBe(0);
  });
});
