import { afterAll, expect, test } from 'bun:test';
import { skipUnless } from '../../test/support/skip-unless.ts';
import { answer, Clock, request, testClient, TIMEOUTS } from './testing/clients.ts';
import { createAuthority, type Certificate } from './testing/certificates.ts';
import { startRawServer } from './testing/raw-server.ts';
import { eventually, Recorder } from './testing/recorder.ts';

const authority = createAuthority();
const other = createAuthority();
const { test: secure } = skipUnless(authority !== null, 'without openssl');
const ca = authority?.cert;
afterAll(() => {
  authority?.[Symbol.dispose]();
  other?.[Symbol.dispose]();
});

/** One call to a server with that certificate under that host name. */
async function attempt(
  certificate: Certificate,
  host: string,
  publicOnly = false,
): Promise<{ outcome: string; message: string; bytes: number; connections: number }> {
  using server = startRawServer({
    host,
    tls: certificate,
    onRequest: (connection) => connection.write(answer('secure')),
  });
  using client = testClient(new Clock(), publicOnly ? {} : { ca });
  const recorder = new Recorder();
  client.call({ origin: server.origin, ...request() }, recorder);
  const outcome = await recorder.done;
  await eventually(
    'the server saw the end',
    () => outcome === 'end' || server.connections[0]?.closed === true,
  );
  return {
    outcome,
    message: recorder.failure?.message ?? '',
    bytes: server.connections.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
    connections: server.connections.length,
  };
}

secure('a certificate for the host is taken: by name, by address, by common name alone', async () => {
  const good: [Certificate, string][] = [
    [authority!.issue('x', 'DNS:localhost'), 'localhost'],
    [authority!.issue('localhost', ''), 'localhost'],
    [authority!.issue('x', 'IP:127.0.0.1'), '127.0.0.1'],
    [authority!.issue('x', 'DNS:example.com,IP:127.0.0.1,IP:::1'), '::1'],
  ];
  for (const [certificate, host] of good) {
    const { outcome, message, bytes } = await attempt(certificate, host);
    expect([host, outcome, message]).toEqual([host, 'end', '']);
    expect(bytes).toBeGreaterThan(0);
  }
});

secure('any other certificate is refused before a byte of the request is written', async () => {
  const bad: [string, Certificate, string, boolean?][] = [
    ['another name', authority!.issue('x', 'DNS:example.com'), 'localhost'],
    [
      'another name beside the right common name',
      authority!.issue('localhost', 'DNS:example.com'),
      'localhost',
    ],
    ['a name for an address', authority!.issue('x', 'DNS:localhost'), '127.0.0.1'],
    ['the address as a name', authority!.issue('127.0.0.1', 'DNS:127.0.0.1'), '127.0.0.1'],
    ['the address as common name', authority!.issue('127.0.0.1', ''), '127.0.0.1'],
    ['another address', authority!.issue('x', 'IP:127.0.0.2,IP:::2'), '127.0.0.1'],
    ['another IPv6 address', authority!.issue('x', 'IP:127.0.0.1,IP:::2'), '::1'],
    ['expired', authority!.issue('x', 'DNS:localhost', 'past'), 'localhost'],
    ['expired, by address', authority!.issue('x', 'IP:127.0.0.1', 'past'), '127.0.0.1'],
    ['self-signed', authority!.selfSigned('localhost', 'DNS:localhost'), 'localhost'],
    ['another authority', other!.issue('x', 'DNS:localhost'), 'localhost'],
    ['no authority given', authority!.issue('x', 'DNS:localhost'), 'localhost', true],
  ];
  for (const [what, certificate, host, publicOnly] of bad) {
    const { outcome, bytes, connections } = await attempt(certificate, host, publicOnly);
    expect([what, outcome, bytes, connections]).toEqual([what, 'tls', 0, 1]);
  }
});

secure('the environment cannot switch the check off', async () => {
  const script = `
    import { UpstreamClient } from ${JSON.stringify(new URL('client.ts', import.meta.url).href)};
    const client = new UpstreamClient({
      limits: { maxIdle: 1, maxIdlePerHost: 1, maxPerHost: 1, idleTimeoutMs: 1000 },
      timeouts: { connectMs: 9000, firstByteMs: 9000, idleMs: 9000, totalMs: 9000 },
      maxHeadBytes: 1000,
      now: () => performance.now(),
    });
    const origin = { key: 'x', tls: true, host: 'localhost', port: Number(process.env.TEST_PORT) };
    client.call({ origin, head: 'GET / HTTP/1.1\\r\\n\\r\\n', body: new Uint8Array(0) }, {
      onHead() {}, onBody() {},
      onEnd() { console.log('end'); client.close(); },
      onError(failure) { console.log(failure.kind); client.close(); },
    });`;
  for (const certificate of [
    authority!.selfSigned('localhost', 'DNS:localhost'),
    authority!.issue('x', 'DNS:localhost', 'past'),
  ]) {
    using server = startRawServer({ tls: certificate, host: 'localhost' });
    const child = Bun.spawn([process.execPath, '-e', script], {
      env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', TEST_PORT: String(server.port) },
      stdout: 'pipe',
      stderr: 'ignore',
    });
    expect((await new Response(child.stdout).text()).trim()).toBe('tls');
    expect(server.connections[0]?.receivedBytes ?? 0).toBe(0);
  }
});

secure('connections are reused, and stale ones retried, under TLS too', async () => {
  using server = startRawServer({
    host: 'localhost',
    tls: authority!.issue('x', 'DNS:localhost'),
    onRequest(connection, count) {
      if (connection.index === 0 && count === 3) connection.end();
      else connection.write(answer(`${connection.index}.${count}`));
    },
  });
  using client = testClient(new Clock(), { ca });
  const texts: string[] = [];
  for (let count = 0; count < 3; count++) {
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request() }, recorder);
    expect(await recorder.done).toBe('end');
    texts.push(recorder.text);
  }
  expect(texts).toEqual(['0.1', '0.2', '1.1']);
});

test('a server that speaks no TLS, or closes during the handshake, is a TLS failure', async () => {
  for (const how of ['text', 'end', 'reset'] as const) {
    using server = startRawServer({
      onData(connection) {
        if (how === 'text') connection.write('HTTP/1.1 400 Bad Request\r\n\r\n');
        else connection[how]();
      },
    });
    using client = testClient(new Clock());
    const recorder = new Recorder();
    client.call({ origin: { ...server.origin, tls: true }, ...request() }, recorder);
    expect(await recorder.done).toBe('tls');
    expect(server.connections[0]?.text).not.toContain('secret-key');
    expect(server.connections.length).toBe(1);
  }
});

test('a handshake that never comes is a connect timeout', async () => {
  const clock = new Clock();
  using server = startRawServer({});
  using client = testClient(clock);
  const recorder = new Recorder();
  client.call({ origin: { ...server.origin, tls: true }, ...request() }, recorder).pause();
  await eventually('the handshake began', () => (server.connections[0]?.receivedBytes ?? 0) > 0);
  clock.ms += TIMEOUTS.connectMs;
  client.sweep();
  expect(recorder.order).toEqual([]);
  clock.ms += 1;
  client.sweep();
  expect(recorder.failure?.kind).toBe('connect_timeout');
  await eventually('it is closed', () => server.connections[0]?.closed === true);
});
