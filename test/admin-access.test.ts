import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './support/command.ts';
import { temporaryFolder } from './support/config-file.ts';
import { errorOf, expectError } from './support/errors.ts';
import { ADMIN_TOKEN, startGateway, type Gateway } from './support/gateway.ts';
import { bodyOf, openRaw, sendRaw, statusOf } from './support/raw-http.ts';
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

describe('the admin token', () => {
  const start = (dataDir: string): Promise<Gateway> =>
    startGateway({ dataDir, env: { ...stage.upstream, ADMIN_TOKEN: '' } });
  const list = (at: Gateway, headers: Record<string, string>): Promise<Response> =>
    fetch(`${at.url}/admin/api-keys`, { headers });

  test('is made at the first start, kept for the owner alone, shown once, and stays', async () => {
    const dataDir = temporaryFolder();
    const first = await start(dataDir);
    const [, shown = ''] = await first.printed(/admin token \(shown once.*\): (\S+)/);
    const path = join(dataDir, 'admin-token');
    expect(readFileSync(path, 'utf8').trim()).toBe(shown);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(shown.length).toBeGreaterThanOrEqual(32);
    expect((await list(first, { authorization: `Bearer ${shown}` })).status).toBe(200);
    expect(await first.stop()).toBe(0);

    await using second = await start(dataDir);
    expect((await list(second, { authorization: `Bearer ${shown}` })).status).toBe(200);
    expect(second.output).not.toContain(shown);
    expect(readFileSync(path, 'utf8').trim()).toBe(shown);
  });

  test('is made anew in a file that was empty, which then is for the owner alone', async () => {
    const dataDir = temporaryFolder();
    writeFileSync(join(dataDir, 'admin-token'), '', { mode: 0o644 });
    await using one = await start(dataDir);
    await one.printed(/admin token \(shown once/);
    expect(statSync(join(dataDir, 'admin-token')).mode & 0o777).toBe(0o600);
  });

  test('nothing else opens, loopback or not', async () => {
    const { key } = await gateway.createKey();
    const wrong: Record<string, string>[] = [
      {},
      { authorization: '' },
      { authorization: 'Bearer' },
      { authorization: 'Bearer ' },
      { authorization: `Bearer ${key}` },
      { authorization: `Bearer ${ADMIN_TOKEN}x` },
      { authorization: `Bearer ${ADMIN_TOKEN.slice(0, -1)}` },
      { authorization: `Bearer ${ADMIN_TOKEN.toUpperCase()}` },
      { authorization: `Basic ${btoa(`admin:${ADMIN_TOKEN}`)}` },
      { authorization: ADMIN_TOKEN },
      { 'x-api-key': ADMIN_TOKEN },
      { host: 'localhost' },
      { host: 'localhost', 'x-forwarded-for': '127.0.0.1' },
    ];
    for (const headers of wrong) {
      for (const [method, path] of [
        ['GET', '/admin/api-keys'],
        ['POST', '/admin/api-keys'],
        ['DELETE', `/admin/api-keys/${NO_ID}`],
        ['GET', '/admin/anything'],
      ] as const) {
        const response = await fetch(`${gateway.url}${path}`, { method, headers });
        expect(response.headers.get('www-authenticate')).toBe('Bearer');
        await expectError(response, 401, 'admin_token_invalid');
      }
    }
    expect((await list(gateway, { authorization: `bearer  ${ADMIN_TOKEN}` })).status).toBe(200);
    // Nothing of a body is waited for.
    await using connection = await openRaw(gateway.url);
    await connection.send(
      'POST /admin/api-keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\nContent-Length: 1000000\r\n\r\n',
    );
    expect(statusOf(await connection.until((text) => text.includes('\r\n\r\n')))).toBe(401);
  });
});

describe('make dev', () => {
  let dev: Gateway;
  beforeAll(async () => {
    dev = await startGateway({ args: ['--dev'], env: { ADMIN_TOKEN: '', HOST: '' } });
    await dev.printed(/Say hello\.".*\n/);
  });
  afterAll(() => dev[Symbol.asyncDispose]());

  const bash = (script: string): Promise<{ code: number; stdout: string }> =>
    runProgram(['bash', '-c', script]);

  test('binds to loopback, says who answers, and prints a request that works when pasted', async () => {
    // 127.0.0.1 as Linux writes it; the message would say the same of 0.0.0.0.
    if (process.platform === 'linux') {
      const port = Number(new URL(dev.url).port).toString(16).toUpperCase().padStart(4, '0');
      const listening = readFileSync('/proc/net/tcp', 'utf8').matchAll(
        /: ([0-9A-F]{8}):([0-9A-F]{4}) 0{8}:0000 0A/g,
      );
      const hosts = [...listening].filter((one) => one[2] === port).map((one) => one[1]);
      expect(new Set(hosts)).toEqual(new Set(['0100007F']));
    }
    expect(dev.output).toContain('bundled vendor simulator');
    const [curl = ''] = /^curl [^]*?'\n(?=\n|$)/m.exec(dev.output) ?? [];
    const { code, stdout } = await bash(curl);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ object: 'chat.completion' });
  });

  test("the README's curl works as printed", async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [, curl = ''] = /```sh\n(curl [^]*?api-keys[^]*?)```/.exec(readme) ?? [];
    expect(curl).not.toContain('authorization');
    const { stdout } = await bash(curl.replace('http://127.0.0.1:8080', dev.url));
    const { key } = JSON.parse(stdout) as { key: string };
    expect((await dev.chat(key, chatBody('hello'))).status).toBe(200);
  });

  const call = async (fields: string, method = 'GET'): Promise<number | null> => {
    const answer = await sendRaw(
      dev.url,
      `${method} /admin/api-keys HTTP/1.1\r\n${fields}Content-Length: 0\r\n\r\n`,
    );
    if (statusOf(answer) !== 200) errorOf(bodyOf(answer));
    return statusOf(answer);
  };

  test.each(['localhost', 'localhost:8080', '127.0.0.1', '127.0.0.1:1234'])(
    'Host %s needs no token',
    async (host) => {
      expect(await call(`Host: ${host}\r\n`)).toBe(200);
    },
  );

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example:127',
    '0.0.0.0',
    '10.0.0.1',
  ])('Host %s does: a name that was made to lead here gets nothing', async (host) => {
    expect(await call(`Host: ${host}\r\n`)).toBe(401);
  });

  test.each(['http://evil.example', 'http://localhost:8080', 'null', ''])(
    'Origin %j does: a page is asking',
    async (origin) => {
      expect(await call(`Host: localhost\r\nOrigin: ${origin}\r\n`)).toBe(401);
      expect(await call(`Host: localhost\r\nOrigin: ${origin}\r\n`, 'POST')).toBe(401);
    },
  );

  test.each([
    'Forwarded: for=10.0.0.1',
    'X-Forwarded-For: 127.0.0.1',
    'X_Forwarded_For: 10.0.0.1',
    'x-FORWARDED-proto: https',
    'X-Forwarded: yes',
    'X-Real-IP: 10.0.0.1',
    'X-Client-IP: 10.0.0.1',
    'X-Cluster-Client-Ip: 10.0.0.1',
    'X-Original-Host: example.com',
    'CF-Connecting-IP: 10.0.0.1',
    'True-Client-IP: 10.0.0.1',
    'X-Envoy-External-Address: 10.0.0.1',
    'Via: 1.1 squid',
    'vIA: ',
    'Referer: http://evil.example/',
    'Sec-Fetch-Site: cross-site',
    'Sec-Fetch-Mode: no-cors',
    'sec-fetch-dest: image',
    'Proxy-Connection: keep-alive',
    'Connection: close',
    'Connection: x, CLOSE',
  ])('%s does: a page or a proxy is between', async (field) => {
    expect(await call(`Host: localhost\r\n${field}\r\n`)).toBe(401);
    expect(await call(`${field}\r\nHost: 127.0.0.1:8080\r\n`, 'POST')).toBe(401);
  });

  test.each([
    'User-Agent: x',
    'Accept-Language: de',
    'X-Request-Id: via-origin-1',
    'Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'Connection: keep-alive',
    'Content-Type: application/json',
  ])('%s does not', async (field) => {
    expect(await call(`Host: LocalHost\r\n${field}\r\n`)).toBe(200);
  });

  test('HTTP/1.0 does, as nginx speaks it, kept alive or not', async () => {
    for (const connection of ['', 'Connection: close\r\n', 'Connection: keep-alive\r\n']) {
      const answer = await sendRaw(
        dev.url,
        `GET /admin/api-keys HTTP/1.0\r\nHost: 127.0.0.1:8080\r\n${connection}\r\n`,
      );
      expect([connection, statusOf(answer)]).toEqual([connection, 401]);
    }
  });

  test('a target for a proxy does, whatever Host says', async () => {
    for (const target of ['http://evil.example/admin/api-keys', 'http://localhost/admin/api-keys']) {
      const answer = await sendRaw(dev.url, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      expect([target, statusOf(answer)]).toEqual([target, 401]);
    }
  });

  test('with the token none of this matters', async () => {
    const token = readFileSync(join(dev.dataDir, 'admin-token'), 'utf8').trim();
    const fields = `Host: gateway.example\r\nVia: 1.1 squid\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n`;
    expect(await call(fields)).toBe(200);
  });

  test('the start says what is trusted', async () => {
    await dev.printed(/admin calls from this machine need no token .*\n.*can undo that/);
  });

  test('two Host fields do', async () => {
    expect(await call('Host: localhost\r\nHost: evil.example\r\n')).toBe(400);
    expect(await call('Host: evil.example\r\nHost: localhost\r\n')).toBe(400);
  });

  test('a wrong token is wrong here too', async () => {
    expect(await call('Host: localhost\r\nAuthorization: Bearer wrong\r\n')).toBe(401);
    expect(await call('Host: localhost\r\nAuthorization: \r\n')).toBe(401);
  });
});
