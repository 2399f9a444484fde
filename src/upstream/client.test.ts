import { expect, test } from 'bun:test';
import { HttpExchange } from './http-exchange.ts';
import { answer, Clock, request, testClient } from './testing/clients.ts';
import { startRawServer, type RawConnection } from './testing/raw-server.ts';
import { eventually, Recorder } from './testing/recorder.ts';

const OK = answer('ok');

/** Answers every request at once. */
const echoing = { onRequest: (connection: RawConnection) => connection.write(OK) };

test('the request is let go as soon as it is sent and a byte has come', async () => {
  const clock = new Clock();
  using server = startRawServer({
    onData(connection, chunk) {
      if (chunk.includes('end of body'))
        connection.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345');
    },
  });
  using client = testClient(clock);
  for (const size of [10, 1_000_000]) {
    const recorder = new Recorder();
    const body = Buffer.concat([Buffer.alloc(size, 'x'), Buffer.from('end of body')]);
    const call = client.call({ origin: server.origin, ...request('/', body) }, recorder);
    expect(call).toBeInstanceOf(HttpExchange);
    const exchange = call as HttpExchange;
    expect(exchange.request?.body[0]).toBe(body);
    await eventually('the answer began', () => recorder.bodyBytes === 5);
    expect(exchange.request).toBeNull();
    expect(exchange.over).toBe(false);
    server.connections.at(-1)?.write('67890');
    expect(await recorder.done).toBe('end');
  }
});

test('an answer before the whole request was sent is told, and the connection not used again', async () => {
  using server = startRawServer({
    onOpen(connection) {
      connection.pause();
      connection.write(answer('too large'));
    },
  });
  using client = testClient(new Clock());
  const recorder = new Recorder();
  client.call({ origin: server.origin, ...request('/', Buffer.alloc(30_000_000)) }, recorder);
  expect(await recorder.done).toBe('end');
  expect(recorder.text).toBe('too large');
  expect(client.stats()[0]).toMatchObject({ idle: 0, active: 0 });
});

test('an exception of a handler ends its call and nothing else', async () => {
  using server = startRawServer(echoing);
  for (const method of ['onHead', 'onBody', 'onEnd', 'onError'] as const) {
    const defects: unknown[] = [];
    using client = testClient(new Clock(), { onDefect: (error) => defects.push(error) });
    const recorder = new Recorder();
    const thrown = new Error('Bearer secret-key');
    const explode = (): never => {
      throw thrown;
    };
    const bad = Object.assign(new Recorder(), { [method]: explode });
    // For `onError` to be called, something must have failed before.
    if (method === 'onError') bad.onHead = explode;
    client.call({ origin: server.origin, ...request() }, bad);
    await eventually('it was noticed', () => defects.length > 0);
    expect(defects[0]).toBe(thrown);
    if (method !== 'onError') {
      expect(await bad.done).toBe('protocol');
      expect(bad.failure?.message).toBe('the answer could not be processed');
    }
    client.call({ origin: server.origin, ...request() }, recorder);
    expect(await recorder.done).toBe('end');
  }
});

test('what is not HTTP is a protocol failure', async () => {
  for (const bytes of [
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  ]) {
    using server = startRawServer({ onRequest: (connection) => connection.write(bytes) });
    using client = testClient(new Clock());
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request() }, recorder);
    expect(await recorder.done).toBe('protocol');
    expect(client.stats()[0]).toMatchObject({ idle: 0, active: 0 });
  }
});

test('a body without length ends with the connection, in order only', async () => {
  let how: 'end' | 'reset' = 'end';
  using server = startRawServer({
    onRequest(connection) {
      connection.write('HTTP/1.1 200 OK\r\n\r\nall of it');
      if (how === 'end') connection.end();
    },
  });
  using client = testClient(new Clock());
  const whole = new Recorder();
  client.call({ origin: server.origin, ...request() }, whole);
  expect(await whole.done).toBe('end');
  expect(whole.text).toBe('all of it');
  how = 'reset';
  const cut = new Recorder();
  client.call({ origin: server.origin, ...request() }, cut);
  await eventually('the body came', () => cut.bodyBytes === 9);
  server.connections.at(-1)?.reset();
  expect(await cut.done).toBe('closed');
});

test('an answer to HEAD has no body, whatever its length says', async () => {
  using server = startRawServer({
    onRequest: (connection) => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'),
  });
  using client = testClient(new Clock());
  for (let count = 0; count < 2; count++) {
    const recorder = new Recorder();
    const head = 'HEAD / HTTP/1.1\r\nHost: vendor\r\n\r\n';
    client.call({ origin: server.origin, head, body: [] }, recorder);
    expect(await recorder.done).toBe('end');
    expect(recorder.order).toEqual(['head', 'end']);
  }
  expect(server.connections.length).toBe(1);
});

test('a host that refuses, or has no address, is a connect failure', async () => {
  using client = testClient(new Clock());
  let port: number;
  {
    using server = startRawServer({});
    port = server.port;
  }
  const origins = [
    { key: 'refused', tls: false, host: '127.0.0.1', port },
    { key: 'refused by TLS', tls: true, host: '127.0.0.1', port },
    { key: 'unknown', tls: false, host: 'no-such-host.invalid', port: 80 },
    { key: 'bad port', tls: false, host: '127.0.0.1', port: 99_999 },
  ];
  for (const origin of origins) {
    const recorder = new Recorder();
    client.call({ origin, ...request() }, recorder);
    expect(await recorder.done).toBe('connect');
    expect(recorder.failure?.message).not.toContain('secret-key');
  }
  expect(client.stats().every(({ active, idle, waiting }) => active + idle + waiting === 0)).toBe(true);
});

test('abort closes the connection and silences the call, wherever it is', async () => {
  using server = startRawServer({
    onRequest: (connection) => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx'),
  });
  using client = testClient(new Clock());
  const early = new Recorder();
  client.call({ origin: server.origin, ...request() }, early).abort();
  expect(client.stats()[0]?.active).toBe(0);
  const late = new Recorder();
  const call = client.call({ origin: server.origin, ...request() }, late);
  await eventually('a byte came', () => late.bodyBytes === 1);
  call.abort();
  call.abort();
  call.resume();
  await eventually('both are closed', () => server.connections.every(({ closed }) => closed));
  const inside = new Recorder();
  const reins = client.call(
    { origin: server.origin, ...request() },
    Object.assign(inside, {
      onHead() {
        inside.order.push('head');
        reins.abort();
      },
    }),
  );
  await eventually('the head came', () => inside.order.length > 0);
  await eventually('all are closed', () => server.connections.every(({ closed }) => closed));
  expect([early.order, late.order, inside.order]).toEqual([[], ['head', 'body'], ['head']]);
  expect(client.stats()[0]).toMatchObject({ idle: 0, active: 0 });
});

test('a closed client ends its calls and takes no more', async () => {
  using server = startRawServer({});
  const client = testClient(new Clock(), { limits: { maxPerHost: 1 } });
  const recorders = [new Recorder(), new Recorder(), new Recorder()];
  client.call({ origin: server.origin, ...request() }, recorders[0]!);
  client.call({ origin: server.origin, ...request() }, recorders[1]!);
  await eventually('the request came', () => server.connections[0]?.text !== undefined);
  client.close();
  client.call({ origin: server.origin, ...request() }, recorders[2]!);
  for (const recorder of recorders) expect(recorder.order).toEqual(['error']);
  for (const recorder of recorders) expect(recorder.failure?.kind).toBe('closed');
  expect(client.stats()[0]).toMatchObject({ idle: 0, active: 0, waiting: 0 });
  await eventually('it is closed', () => server.connections.every(({ closed }) => closed));
});

test('an answer that begins before the request is sent lets it go when it is', async () => {
  using server = startRawServer({
    keep: false,
    onOpen(connection) {
      connection.pause();
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345');
    },
  });
  using client = testClient(new Clock());
  const recorder = new Recorder();
  const body = Buffer.alloc(30_000_000);
  const exchange = client.call({ origin: server.origin, ...request('/', body) }, recorder) as HttpExchange;
  await eventually('the answer began', () => recorder.bodyBytes === 5);
  expect(exchange.request?.body[0]).toBe(body);
  server.connections[0]?.resume();
  await eventually('the request was sent', () => exchange.request === null);
  expect(exchange.over).toBe(false);
  server.connections[0]?.write('67890');
  expect(await recorder.done).toBe('end');
});

test('a call that ends while it is paused leaves a connection that reads', async () => {
  using server = startRawServer(echoing);
  using client = testClient(new Clock());
  for (let count = 0; count < 3; count++) {
    const recorder = new Recorder();
    const call = client.call(
      { origin: server.origin, ...request() },
      Object.assign(recorder, { onHead: () => call.pause() }),
    );
    expect(await recorder.done).toBe('end');
  }
  expect(server.connections.length).toBe(1);
});

test('attempts to connect that were given up are bounded, until the system is done with them', async () => {
  using client = testClient(new Clock());
  using server = startRawServer(echoing);
  let refusing: number;
  {
    using closed = startRawServer({});
    refusing = closed.port;
  }
  for (const port of [server.port, refusing]) {
    const origin = { key: String(port), tls: false, host: '127.0.0.1', port };
    const start = (): Recorder => {
      const recorder = new Recorder();
      client.call({ origin, ...request() }, recorder);
      return recorder;
    };
    for (let count = 0; count < 256; count++) client.call({ origin, ...request() }, new Recorder()).abort();
    expect(start().failure).toEqual({
      kind: 'connect',
      message: 'too many earlier attempts to connect are still unanswered',
    });
    await eventually('calls connect again', () => start().failure === null);
    expect(await start().done).toBe(port === refusing ? 'connect' : 'end');
  }
});
