import { expect, test } from 'bun:test';
import { UpstreamClient } from './client.ts';
import { FetchTransport } from './fetch-transport.ts';
import { answer, Clock, LIMITS, request, TIMEOUTS } from './testing/clients.ts';
import { startRawServer } from './testing/raw-server.ts';
import { Recorder } from './testing/recorder.ts';
import { chooseTransports } from './transport.ts';

const options = { limits: LIMITS, timeouts: TIMEOUTS, maxHeadBytes: 65_536, now: new Clock().now };
const origin = (host: string, tls = true) => ({ key: `${String(tls)} ${host}`, tls, host, port: 443 });

test('without a proxy every origin has the one socket client', () => {
  const transports = chooseTransports(options);
  const direct = transports.of(origin('a'));
  expect(direct).toBeInstanceOf(UpstreamClient);
  expect(transports.of(origin('b', false))).toBe(direct);
  transports.close();
});

test('origins behind a proxy share a transport for it, the others the socket client', () => {
  const transports = chooseTransports({
    ...options,
    httpsProxy: 'http://proxy:1',
    httpProxy: 'http://other:1',
    noProxy: 'near.example',
  });
  const proxied = transports.of(origin('a.example'));
  expect(proxied).toBeInstanceOf(FetchTransport);
  expect(transports.of(origin('b.example'))).toBe(proxied);
  expect(transports.of(origin('a.example'))).toBe(proxied);
  const other = transports.of(origin('a.example', false));
  expect(other).toBeInstanceOf(FetchTransport);
  expect(other).not.toBe(proxied);
  const direct = transports.of(origin('near.example'));
  expect(direct).toBeInstanceOf(UpstreamClient);
  expect(transports.of(origin('localhost'))).toBe(direct);
  transports.close();
});

test('a proxy that is no URL is refused', () => {
  expect(() => chooseTransports({ ...options, httpsProxy: 'ftp://x' })).toThrow('HTTPS_PROXY');
});

test('figures of an origin, used or not; after close no call succeeds', async () => {
  using server = startRawServer({ onRequest: (connection) => connection.write(answer('ok')) });
  const transports = chooseTransports({ ...options, httpsProxy: 'http://127.0.0.1:1' });
  const unused = { idle: 0, active: 0, waiting: 0, opened: 0, reused: 0, retried: 0 };
  expect(transports.stats(server.origin)).toEqual({ origin: server.origin.key, ...unused });
  const recorder = new Recorder();
  transports.of(server.origin).call({ origin: server.origin, ...request() }, recorder);
  expect(transports.stats(server.origin)).toMatchObject({ active: 1, opened: 1 });
  expect(await recorder.done).toBe('end');
  const proxied = origin('vendor.example');
  expect(transports.stats(proxied)).toEqual({ origin: proxied.key, ...unused });
  transports.of(proxied);
  transports.close();
  for (const target of [server.origin, proxied]) {
    const late = new Recorder();
    transports.of(target).call({ origin: target, ...request() }, late);
    expect(late.failure?.kind).toBe('closed');
  }
});
