import { afterAll, expect, test } from 'bun:test';
import { skipUnless } from '../../test/support/skip-unless.ts';
import { answer, Clock, request, testClient } from './testing/clients.ts';
import { createAuthority } from './testing/certificates.ts';
import { startRawServer, type RawConnection } from './testing/raw-server.ts';
import { eventually, Recorder } from './testing/recorder.ts';

const authority = createAuthority();
afterAll(() => authority?.[Symbol.dispose]());

/** More than the kernel's buffers on both sides hold. */
const LARGE = 200 * 1024 * 1024;
const HELD_AT_MOST = 40 * 1024 * 1024;

const variants = [
  { name: 'plain', tls: false },
  { name: 'TLS', tls: true },
];

for (const { name, tls } of variants) {
  const { test: run } = skipUnless(!tls || authority !== null, 'without openssl');
  const options = (): object =>
    tls ? { tls: authority!.issue('x', 'DNS:localhost'), host: 'localhost' } : {};

  run(`${name}: a paused call stops the vendor, and resumes without a loss`, async () => {
    const piece = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < piece.length; at += 4) piece.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
    using server = startRawServer({
      ...options(),
      onRequest(connection: RawConnection) {
        connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
        for (let sent = 0; sent < LARGE; sent += piece.length) connection.write(piece);
      },
    });
    using client = testClient(new Clock(), { ca: authority?.cert });
    const hash = new Bun.CryptoHasher('sha1');
    const expected = new Bun.CryptoHasher('sha1');
    for (let sent = 0; sent < LARGE; sent += piece.length) expected.update(piece);
    const recorder = new Recorder(false);
    const count = recorder.onBody.bind(recorder);
    const call = client.call(
      { origin: server.origin, ...request() },
      Object.assign(recorder, {
        onBody(chunk: Uint8Array, start: number, end: number) {
          count(chunk, start, end);
          hash.update(chunk.subarray(start, end));
        },
      }),
    );
    await eventually('the body began', () => recorder.bodyBytes > 0);
    call.pause();
    const { sentBytes } = server.connections[0]!;
    // It is stuck when nothing moves for many turns of the event loop.
    let last = -1;
    let still = 0;
    await eventually('the server is stuck', () => {
      const now = server.connections[0]!.sentBytes + recorder.bodyBytes;
      still = now === last ? still + 1 : 0;
      last = now;
      return still > 50;
    });
    expect(server.connections[0]!.sentBytes).toBeGreaterThanOrEqual(sentBytes);
    expect(server.connections[0]!.sentBytes).toBeLessThan(HELD_AT_MOST);
    expect(recorder.bodyBytes).toBeLessThan(HELD_AT_MOST);
    call.resume();
    expect(await recorder.done).toBe('end');
    expect(recorder.bodyBytes).toBe(LARGE);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    expect(client.stats()[0]).toMatchObject({ idle: 1, active: 0 });
  });

  run(`${name}: a call paused before it is connected reads nothing until it is resumed`, async () => {
    using server = startRawServer({
      ...options(),
      onRequest: (connection: RawConnection) => connection.write(answer('x'.repeat(1_000))),
    });
    using client = testClient(new Clock(), { ca: authority?.cert });
    for (let count = 0; count < 2; count++) {
      const recorder = new Recorder();
      const call = client.call({ origin: server.origin, ...request() }, recorder);
      call.pause();
      const written = (): number => server.connections[0]?.sentBytes ?? 0;
      const before = written();
      await eventually('the answer was sent', () => written() > before);
      for (let turn = 0; turn < 20; turn++) await Bun.sleep(1);
      expect(recorder.order).toEqual([]);
      call.resume();
      expect(await recorder.done).toBe('end');
    }
    expect(server.connections.length).toBe(1);
  });

  run(`${name}: a large request is written as a slow vendor takes it`, async () => {
    const body = Buffer.alloc(20 * 1024 * 1024);
    for (let at = 0; at < body.length; at += 4) body.writeUInt32LE(Math.imul(at, 2246822519) >>> 0, at);
    const hash = new Bun.CryptoHasher('sha1');
    let head = '';
    let bodyBytes = 0;
    using server = startRawServer({
      ...options(),
      keep: false,
      onData(connection: RawConnection, chunk: Buffer) {
        // Stutters: reads a piece, then nothing for a turn.
        connection.pause();
        setImmediate(() => connection.resume());
        let at = 0;
        if (!head.endsWith('\r\n\r\n')) {
          const end = chunk.indexOf('\r\n\r\n');
          at = end < 0 ? chunk.length : end + 4;
          head += chunk.toString('latin1', 0, at);
        }
        hash.update(chunk.subarray(at));
        bodyBytes += chunk.length - at;
        if (bodyBytes === body.length) connection.write(answer('got it'));
      },
    });
    using client = testClient(new Clock(), { ca: authority?.cert });
    const recorder = new Recorder();
    const pieces = [body.subarray(0, 7), body.subarray(7, 9_000_000), body.subarray(9_000_000)];
    client.call({ origin: server.origin, ...request('/', ...pieces) }, recorder);
    expect(await recorder.done).toBe('end');
    expect(recorder.text).toBe('got it');
    expect(hash.digest('hex')).toBe(new Bun.CryptoHasher('sha1').update(body).digest('hex'));
    expect(head).toBe(request('/', body).head);
    expect(client.stats()[0]).toMatchObject({ idle: 1, active: 0 });
  });
}

test('requests around the size of one write arrive whole', async () => {
  let got = '';
  using server = startRawServer({
    keep: false,
    onData(connection, chunk) {
      got += chunk.toString('latin1');
      if (got.endsWith('!')) {
        connection.write(answer(String(got.length)));
        got = '';
      }
    },
  });
  using client = testClient(new Clock());
  const headBytes = request('/', Buffer.alloc(65_000)).head.length;
  for (const total of [65_535, 65_536, 65_537, 70_000]) {
    const body = Buffer.alloc(total - headBytes, 'x');
    body[body.length - 1] = 0x21;
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request('/', body) }, recorder);
    expect(await recorder.done).toBe('end');
    expect(recorder.text).toBe(String(total));
  }
});
