import { describe, expect, test } from 'bun:test';
import type { Incoming } from './incoming.ts';
import { fieldLine } from '../http1/fields.ts';
import { until } from '../std/testing/until.ts';
import { TestServer } from './testing/serve.ts';

const GET = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';
const answers = (text: string): number => text.match(/HTTP\/1\.1 200/g)?.length ?? 0;

describe('many requests in one piece', () => {
  for (const [how, answer] of [
    ['at once', (request: Incoming) => request.send(200, '', '')],
    ['later', (request: Incoming) => queueMicrotask(() => request.send(200, '', ''))],
  ] as const) {
    test(`answered ${how}: all of them, and others have their turn meanwhile`, async () => {
      let requests = 0;
      let othersTurn = 0;
      using server = new TestServer((request) => {
        if (requests++ === 0) setImmediate(() => (othersTurn = requests));
        answer(request);
      });
      const client = await server.client();
      client.send(GET.repeat(5_000));
      await until(() => requests === 5_000);
      expect(othersTurn).toBeLessThan(200);
      await client.until((text) => answers(text) === 5_000);
    });
  }

  test('a stop does not forget those that wait their turn', async () => {
    let requests = 0;
    using server = new TestServer((request) => {
      requests++;
      request.send(200, '', '');
    });
    const client = await server.client();
    client.send(GET.repeat(1_000));
    await until(() => requests > 0);
    expect(server.listener.busy).toBe(requests < 1_000 ? 1 : 0);
    server.listener.stop();
    // The next answer says that it is the last.
    await client.until((text, closed) => text.includes('connection: close') && closed);
  });
});

describe('a head', () => {
  test('has its time as a whole, not byte by byte', async () => {
    using server = new TestServer((request) => request.send(200, '', ''));
    const slow = await server.client();
    const other = await server.client();
    let asked = 0;
    for (const byte of 'GET') {
      slow.send(byte);
      // What this one hears came behind the byte.
      other.send(GET);
      asked++;
      await other.until((text) => answers(text) === asked);
      await until(() => server.listener.busy === 1);
      server.pass(400);
    }
    await slow.until((_, closed) => closed);
  });

  test('that does not become whole holds up no stop', async () => {
    using server = new TestServer((request) => request.send(200, '', ''), 60_000);
    const half = await server.client();
    half.send('GET / HT');
    await until(() => server.listener.busy === 1);
    server.listener.stop();
    server.pass(5_001);
    await half.until((_, closed) => closed);
    expect(server.listener.busy).toBe(0);
  });

  test('empty lines before it are none', async () => {
    using server = new TestServer((request) => request.send(200, '', ''));
    const client = await server.client();
    client.send('\r');
    await until(() => server.listener.busy === 1);
    client.send('\n');
    await until(() => server.listener.busy === 0);
    client.send(GET);
    await client.until((text) => answers(text) === 1);
  });

  test('of an answer goes out whole, however large', async () => {
    const field = fieldLine('x-large', 'a'.repeat(70_000));
    using server = new TestServer((request) => {
      request.begin(200, field);
      if (request.path === '/a') request.end();
      else queueMicrotask(() => queueMicrotask(() => request.end()));
    });
    const client = await server.client();
    client.send(GET + GET.replace('/a', '/later'));
    const text = await client.until((sofar) => sofar.split('0\r\n\r\n').length === 3);
    expect(text.split(field).length).toBe(3);
  });
});

test('a client that waited for leave to send its body, and was answered without, is not believed to go on', async () => {
  using server = new TestServer((request) => request.send(401, '', ''));
  const client = await server.client();
  client.send('POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  await client.until((text, closed) => text.includes('connection: close') && closed);
});

test('trailers end in CR LF, line by line', async () => {
  using server = new TestServer((request) => {
    void Promise.resolve(request.readBody(100)).then(
      () => request.send(200, '', ''),
      () => {},
    );
  });
  const send = async (trailers: string): Promise<string> => {
    const client = await server.client();
    client.send(
      `POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n${trailers}`,
    );
    return client.until((_, closed) => closed);
  };
  expect(await send('X: y\r\n\r\n')).toStartWith('HTTP/1.1 200');
  for (const trailers of ['X: y\n\r\n', 'X: y\r\n\n', 'X: y\rZ: a\r\n\r\n', '\n'])
    expect([trailers, (await send(trailers)).slice(0, 12)]).toEqual([trailers, 'HTTP/1.1 400']);
});
