import { afterAll, expect, test } from 'bun:test';
import { skipUnless } from '../../test/support/skip-unless.ts';
import { FetchTransport } from './fetch-transport.ts';
import { createAuthority } from './testing/certificates.ts';
import { answer, Clock, LIMITS, request, TIMEOUTS } from './testing/clients.ts';
import { startForwardProxy } from './testing/forward-proxy.ts';
import { startRawServer, type RawConnection } from './testing/raw-server.ts';
import { Recorder } from './testing/recorder.ts';

const authority = createAuthority();
const { test: secure } = skipUnless(authority !== null, 'without openssl');
afterAll(() => authority?.[Symbol.dispose]());

const fetching = (proxyUrl: string | null): FetchTransport & Disposable => {
  const transport = new FetchTransport({
    proxyUrl,
    limits: LIMITS,
    timeouts: TIMEOUTS,
    now: new Clock().now,
    ca: authority?.cert,
  });
  return Object.assign(transport, { [Symbol.dispose]: () => transport.close() });
};
const ok = { onRequest: (connection: RawConnection) => connection.write(answer('ok')) };

test('http: goes to the proxy in absolute form, with its credentials', async () => {
  using proxy = await startForwardProxy();
  using server = startRawServer(ok);
  using transport = fetching(proxy.url.replace('http://', 'http://user:pass%20word@'));
  const recorder = new Recorder();
  transport.call({ origin: server.origin, ...request('/v1/x') }, recorder);
  expect(await recorder.done).toBe('end');
  expect(recorder.text).toBe('ok');
  expect(proxy.requests).toEqual([`user:pass word POST http://127.0.0.1:${server.port}/v1/x HTTP/1.1`]);
  expect(server.connections[0]?.text.toLowerCase()).toContain('authorization: bearer secret-key');
});

secure("https: goes through a tunnel, whose certificate is the vendor's", async () => {
  using proxy = await startForwardProxy();
  using transport = fetching(proxy.url);
  const good = authority!.issue('x', 'DNS:localhost');
  const bad = [
    authority!.issue('x', 'DNS:example.com'),
    authority!.issue('x', 'DNS:localhost', 'past'),
    authority!.selfSigned('localhost', 'DNS:localhost'),
  ];
  for (const certificate of [good, ...bad]) {
    using server = startRawServer({ ...ok, tls: certificate, host: 'localhost' });
    const recorder = new Recorder();
    transport.call({ origin: server.origin, ...request() }, recorder);
    expect(await recorder.done).toBe(certificate === good ? 'end' : 'tls');
    expect(proxy.requests.at(-1)).toBe(`CONNECT localhost:${server.port} HTTP/1.1`);
    if (certificate !== good) expect(server.connections[0]?.receivedBytes ?? 0).toBe(0);
  }
});

secure(
  'a tunnel that the proxy does not open, and a proxy that is not there, are connect failures',
  async () => {
    using refusing = startRawServer({
      onRequest: (connection) =>
        connection.write('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n'),
    });
    const origin = { key: 'x', tls: true, host: 'vendor.example', port: 443 };
    {
      using transport = fetching(`http://user:secret@127.0.0.1:${refusing.port}`);
      const recorder = new Recorder();
      transport.call({ origin, ...request() }, recorder);
      expect(await recorder.done).toBe('connect');
      expect(recorder.failure?.message).toBe('the proxy opened no tunnel (status 407)');
      expect(refusing.connections[0]?.text).not.toContain('secret-key');
    }
    using transport = fetching('http://user:secret@127.0.0.1:1');
    for (const tls of [true, false]) {
      const recorder = new Recorder();
      transport.call({ origin: { ...origin, tls }, ...request() }, recorder);
      expect(await recorder.done).toBe('connect');
      expect(recorder.failure?.message).toBe('the connection could not be opened (ECONNREFUSED)');
    }
  },
);

test('the environment has no say', async () => {
  using proxy = await startForwardProxy();
  using server = startRawServer(ok);
  const names = ['HTTP_PROXY', 'NO_PROXY'] as const;
  const before = names.map((name) => process.env[name]);
  try {
    for (const [proxyUrl, http, no, through] of [
      [null, proxy.url, '', 0],
      [proxy.url, '', '127.0.0.1', 1],
    ] as const) {
      process.env['HTTP_PROXY'] = http;
      process.env['NO_PROXY'] = no;
      using transport = fetching(proxyUrl);
      const recorder = new Recorder();
      transport.call({ origin: server.origin, ...request() }, recorder);
      expect(await recorder.done).toBe('end');
      expect(proxy.requests.length).toBe(through);
    }
  } finally {
    for (const [index, name] of names.entries()) {
      if (before[index] === undefined) delete process.env[name];
      else process.env[name] = before[index];
    }
  }
});

test('a connection that closes without an answer is no reason to send again, fresh or reused', async () => {
  {
    using server = startRawServer({
      onRequest: (connection, count) => (count === 1 ? connection.write(answer('ok')) : connection.end()),
    });
    using transport = fetching(null);
    const outcomes: string[] = [];
    for (let count = 0; count < 2; count++) {
      const recorder = new Recorder();
      transport.call({ origin: server.origin, ...request() }, recorder);
      outcomes.push(await recorder.done);
    }
    expect(outcomes).toEqual(['end', 'closed']);
    expect(server.connections.length).toBe(1);
  }
  using server = startRawServer({ onRequest: (connection) => connection.end() });
  using transport = fetching(null);
  const recorder = new Recorder();
  transport.call({ origin: server.origin, ...request('/', Buffer.from('\r\n\r\n')) }, recorder);
  expect(await recorder.done).toBe('closed');
  expect(server.connections.length).toBe(1);
  expect(server.connections[0]?.text.split('POST ').length).toBe(2);
});

test('head and body are told as they are, methods without a body included', async () => {
  using server = startRawServer({
    onRequest(connection) {
      connection.write(
        connection.text.startsWith('HEAD ')
          ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
          : answer('x', 'Set-Cookie: a\r\nset-cookie: b\r\n'),
      );
    },
  });
  using transport = fetching(null);
  for (const method of ['GET', 'HEAD']) {
    const recorder = new Recorder();
    const head = `${method} /models?x HTTP/1.1\r\nHost: vendor\r\nX-Api-Key:  k \r\n\r\n`;
    transport.call({ origin: server.origin, head, body: [] }, recorder);
    expect(await recorder.done).toBe('end');
    expect(recorder.text).toBe(method === 'GET' ? 'x' : '');
    if (method === 'GET') expect(recorder.headers?.all('set-cookie')).toEqual(['a', 'b']);
  }
  expect(server.connections[0]?.text).toStartWith('GET /models?x HTTP/1.1\r\n');
  expect(server.connections[0]?.text).toContain('X-Api-Key: k\r\n');
});

secure('the environment cannot switch the check of certificates off', async () => {
  const script = `
    import { FetchTransport } from ${JSON.stringify(new URL('fetch-transport.ts', import.meta.url).href)};
    const transport = new FetchTransport({
      proxyUrl: null,
      limits: { maxIdle: 1, idleTimeoutMs: 1000 },
      timeouts: { connectMs: 9000, firstByteMs: 9000, idleMs: 9000, totalMs: 9000 },
      now: () => performance.now(),
    });
    const origin = { key: 'x', tls: true, host: 'localhost', port: Number(process.env.TEST_PORT) };
    transport.call({ origin, head: 'GET / HTTP/1.1\\r\\n\\r\\n', body: [] }, {
      onHead() {}, onBody() {},
      onEnd() { console.log('end'); transport.close(); },
      onError(failure) { console.log(failure.kind); transport.close(); },
    });`;
  using server = startRawServer({
    ...ok,
    tls: authority!.selfSigned('localhost', 'DNS:localhost'),
    host: 'localhost',
  });
  const child = Bun.spawn([process.execPath, '-e', script], {
    env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', TEST_PORT: String(server.port) },
    stdout: 'pipe',
    stderr: 'ignore',
  });
  expect((await new Response(child.stdout).text()).trim()).toBe('tls');
  expect(server.connections[0]?.receivedBytes ?? 0).toBe(0);
});
