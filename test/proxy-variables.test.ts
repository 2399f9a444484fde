import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { startForwardProxy, type ForwardProxy } from '../src/upstream/testing/forward-proxy.ts';
import { SqliteStore } from '../src/storage/sqlite-store.ts';
import { runProgram, runToEnd } from './support/command.ts';
import { temporaryFolder } from './support/config-file.ts';
import { ADMIN_TOKEN, startGateway, type Gateway } from './support/gateway.ts';

const NAMES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'];
/** Nothing listens there. */
const DEAD = 'http://127.0.0.1:9';

let proxy: ForwardProxy;
beforeAll(async () => {
  proxy = await startForwardProxy();
});
afterAll(() => proxy[Symbol.dispose]());

const variables = (url: string): Record<string, string> =>
  Object.fromEntries(NAMES.map((name) => [name, url]));

/** `make dev` on any port; resolves with the request that it prints. */
async function startDev(env: Record<string, string>): Promise<{ gateway: Gateway; curl: string }> {
  const gateway = await startGateway({ args: ['--dev'], env: { ADMIN_TOKEN: '', HOST: '', ...env } });
  const [curl] = await gateway.printed(/^curl [^]*?'\n(?=\n|$)/m);
  return { gateway, curl };
}

describe('with a proxy in the environment', () => {
  test('a first answer comes, and nothing of it passes through the proxy', async () => {
    for (const url of [proxy.url, DEAD]) {
      const { gateway, curl } = await startDev(variables(url));
      await using _ = gateway;
      const { code, stdout } = await runProgram(['bash', '-c', curl], variables(url));
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ object: 'chat.completion' });
    }
    expect(proxy.requests).toEqual([]);
  });

  test('the command line never goes through it', async () => {
    await using gateway = await startGateway();
    for (const name of NAMES) {
      for (const host of ['127.0.0.1', 'localhost']) {
        const { code, stderr } = await runToEnd(['keys', 'list'], {
          [name]: proxy.url,
          ADMIN_TOKEN,
          TOKENROUTER_URL: gateway.url.replace('127.0.0.1', host),
        });
        expect([name, code, stderr]).toEqual([name, 0, '']);
      }
    }
    // Not to another machine either, where it could be needed: the token is nobody else's.
    const { stderr } = await runToEnd(['keys', 'list'], {
      ...variables(proxy.url),
      ADMIN_TOKEN,
      TOKENROUTER_URL: 'http://gateway.invalid',
    });
    expect(stderr).toContain('no gateway answers at http://gateway.invalid');
    expect(proxy.requests).toEqual([]);
  }, 60_000);
});

test('a gateway that could not greet says so and serves', async () => {
  const dataDir = temporaryFolder();
  const path = join(dataDir, 'tokenrouter.db');
  new SqliteStore(path).close();
  using database = new Database(path);
  database.run(
    "CREATE TRIGGER no_keys BEFORE INSERT ON api_keys BEGIN SELECT RAISE(ABORT, 'no room for keys'); END",
  );
  await using gateway = await startGateway({ args: ['--dev'], env: { HOST: '' }, dataDir });
  await gateway.printed(/could not make a client key.*is serving.*no room for keys/);
  expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
  expect(await gateway.stop()).toBe(0);
});
