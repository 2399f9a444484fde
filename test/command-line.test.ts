import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runToEnd } from './support/command.ts';
import { temporaryFolder } from './support/config-file.ts';
import { ADMIN_TOKEN, startGateway, type Gateway } from './support/gateway.ts';
import { skipUnless } from './support/skip-unless.ts';
import { startStage, type Stage } from './support/stage.ts';

let stage: Stage;
let gateway: Gateway;

beforeAll(async () => {
  stage = await startStage({ key: null });
  ({ gateway } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

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

  /** A folder as a gateway leaves it that has made its own token. */
  const tokenFolder = (): string => {
    const dataDir = temporaryFolder();
    writeFileSync(join(dataDir, 'admin-token'), `${ADMIN_TOKEN}\n`);
    return dataDir;
  };
  const port = (): string => new URL(gateway.url).port;

  test.each<[string, Record<string, string>]>([
    ['unset', {}],
    // As docker-compose.yml passes them where the operator says nothing.
    ['empty', { ADMIN_TOKEN: '', TOKENROUTER_URL: '', HOST: '' }],
    ['of the gateway', { ADMIN_TOKEN: '', HOST: '0.0.0.0', DATABASE_URL: '', REDIS_URL: '', WORKERS: '' }],
    ['of the gateway, and wrong', { OPENAI_BASE_URL: 'nonsense', WORKERS: '-1', LOG_LEVEL: 'loud' }],
    ['for an address', { HOST: '127.0.0.1' }],
    ['for all addresses', { HOST: '::' }],
  ])('finds the token in DATA_DIR and the gateway by PORT; other variables are %s', async (_, more) => {
    const { code, stderr } = await runToEnd(['keys', 'list'], {
      DATA_DIR: tokenFolder(),
      PORT: port(),
      ...more,
    });
    expect([code, stderr]).toEqual([0, '']);
  });

  test('takes a URL as it is written, and then asks for nothing else that says where the gateway is', async () => {
    for (const url of [`${gateway.url}/`, ` ${gateway.url} `]) {
      const { code, stderr } = await runToEnd(['keys', 'list'], {
        ...env(),
        TOKENROUTER_URL: url,
        PORT: 'nonsense',
        HOST: '10.255.255.1',
      });
      expect([code, stderr]).toEqual([0, '']);
    }
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['PORT', { PORT: '80a' }, /PORT: must be a whole number/],
    ['PORT', { PORT: '0' }, /PORT: 0 .*TOKENROUTER_URL/],
    ['ADMIN_TOKEN', { ADMIN_TOKEN: 'short' }, /ADMIN_TOKEN: must have at least 16/],
    ['TOKENROUTER_URL', { TOKENROUTER_URL: 'localhost:8080' }, /TOKENROUTER_URL: must be an http/],
    [
      'DATA_DIR',
      { ADMIN_TOKEN: '', DATA_DIR: '/dev/null' },
      /DATA_DIR: cannot read \/dev\/null\/admin-token/,
    ],
  ])('names %s when its value cannot be', async (_, bad, why) => {
    const { TOKENROUTER_URL: _url, ...token } = env();
    const { code, stderr } = await runToEnd(['keys', 'list'], { ...token, ...bad });
    expect(code).toBe(1);
    expect(stderr).toMatch(why);
    expect(stderr).not.toContain('    at ');
  });

  test('looks for an empty DATA_DIR where the gateway does', async () => {
    const cwd = temporaryFolder();
    mkdirSync(join(cwd, 'data'));
    writeFileSync(join(cwd, 'data/admin-token'), ADMIN_TOKEN);
    const child = Bun.spawn([process.execPath, join(import.meta.dir, '../src/main.ts'), 'keys', 'list'], {
      cwd,
      env: { PORT: port(), DATA_DIR: '', ADMIN_TOKEN: '' },
      stdout: 'ignore',
      stderr: 'pipe',
    });
    expect(await new Response(child.stderr).text()).toBe('');
    expect(await child.exited).toBe(0);
  });

  // Elsewhere that address must be set up first.
  skipUnless(process.platform === 'linux', 'off Linux, where 127.0.0.2 must be set up first').test(
    'reaches a gateway that binds one address alone, by HOST',
    async () => {
      await using other = await startGateway({ env: { ...stage.upstream, HOST: '127.0.0.2' } });
      const at = { ADMIN_TOKEN, HOST: '127.0.0.2', PORT: new URL(other.url).port };
      const { code, stderr } = await runToEnd(['keys', 'list'], at);
      expect([code, stderr]).toEqual([0, '']);
    },
  );

  test('says that what answers is no gateway, and follows it nowhere', async () => {
    const seen: string[] = [];
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request) {
        seen.push(new URL(request.url).pathname);
        return seen.length === 1
          ? new Response('<html>', { headers: { 'content-type': 'text/html' } })
          : Response.redirect('/elsewhere', 302);
      },
    });
    const at = { ADMIN_TOKEN, TOKENROUTER_URL: server.url.href };
    expect((await runToEnd(['keys', 'list'], at)).stderr).toContain('is no tokenrouter');
    expect((await runToEnd(['keys', 'list'], at)).stderr).toContain('302');
    expect(seen).toEqual(['/admin/api-keys', '/admin/api-keys']);
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
