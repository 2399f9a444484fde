import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Deadlines, PHASE, type Timed } from './deadlines.ts';
import type { HttpExchange } from './http-exchange.ts';
import { answer, Clock, request, testClient, TIMEOUTS } from './testing/clients.ts';
import { startRawServer, type RawConnection } from './testing/raw-server.ts';
import { eventually, Recorder } from './testing/recorder.ts';

const OK = answer('ok');

test('waiting for a place and connecting have deadlines of their own', async () => {
  const clock = new Clock();
  const open: RawConnection[] = [];
  using server = startRawServer({ onRequest: (connection) => open.push(connection) });
  using client = testClient(clock, { limits: { maxPerHost: 1 } });
  const [first, early, late] = [new Recorder(), new Recorder(), new Recorder()];
  client.call({ origin: server.origin, ...request() }, first);
  await eventually('the first request came', () => open.length === 1);
  client.call({ origin: server.origin, ...request() }, early);
  clock.ms += TIMEOUTS.connectMs - 1;
  client.call({ origin: server.origin, ...request() }, late);
  client.sweep();
  expect(early.order).toEqual([]);
  clock.ms += 2;
  client.sweep();
  expect(early.failure).toEqual({ kind: 'pool_full', message: 'no connection became free in time' });
  expect(client.stats()[0]?.waiting).toBe(1);

  // The queue's time does not count as connecting: the connection of the first breaks, the last gets a new one.
  clock.ms += TIMEOUTS.connectMs - 2;
  open[0]?.reset();
  expect(await first.done).toBe('closed');
  clock.ms += 3;
  client.sweep();
  await eventually('the last request came', () => open.length === 2);
  open[1]?.write(OK);
  expect(await late.done).toBe('end');
});

test('the retry of a stale call has a whole connect timeout', async () => {
  const clock = new Clock();
  const second = Promise.withResolvers<RawConnection>();
  using server = startRawServer({
    onRequest(connection, count) {
      if (connection.index > 0) second.resolve(connection);
      else if (count === 1) connection.write(OK);
      else {
        // By then the call is older than a connect timeout.
        clock.ms += TIMEOUTS.connectMs + 1;
        connection.reset();
      }
    },
  });
  using client = testClient(clock);
  const warm = new Recorder();
  client.call({ origin: server.origin, ...request() }, warm);
  await warm.done;
  const recorder = new Recorder();
  client.call({ origin: server.origin, ...request() }, recorder);
  // Swept in the very turn of the event loop in which the new connection was begun.
  while (client.stats()[0]?.retried === 0) await new Promise(setImmediate);
  client.sweep();
  expect(recorder.order).toEqual([]);
  (await second.promise).write(OK);
  expect(await recorder.done).toBe('end');
});

test('deadlines: connecting, first byte, between bytes, in all', async () => {
  const clock = new Clock();
  using server = startRawServer({
    onRequest(connection) {
      if (connection.text.includes('/head'))
        connection.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n');
      if (connection.text.includes('/interim'))
        connection.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200');
    },
  });
  using client = testClient(clock);
  const start = (path: string): Recorder => {
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request(path) }, recorder);
    return recorder;
  };
  const requests = (): number => server.connections.filter(({ text }) => text !== '').length;

  const connecting = start('/never');
  clock.ms += TIMEOUTS.connectMs + 1;
  client.sweep();
  expect(connecting.failure?.kind).toBe('connect_timeout');

  const silent = start('/silent');
  const interim = start('/interim');
  await eventually('the requests came', () => requests() === 2);
  clock.ms += TIMEOUTS.firstByteMs;
  client.sweep();
  expect([...silent.order, ...interim.order]).toEqual([]);
  clock.ms += 1;
  client.sweep();
  // An unfinished head is no answer yet.
  expect([silent.failure?.kind, interim.failure?.kind]).toEqual(['first_byte_timeout', 'first_byte_timeout']);

  const stalled = start('/head');
  await eventually('the head came', () => stalled.status === 200);
  clock.ms += TIMEOUTS.idleMs;
  server.connections.at(-1)?.write('x');
  await eventually('a byte came', () => stalled.bodyBytes === 1);
  clock.ms += TIMEOUTS.idleMs;
  client.sweep();
  expect(stalled.failure).toBeNull();
  clock.ms += 1;
  client.sweep();
  expect(stalled.failure?.kind).toBe('idle_timeout');

  const endless = start('/head');
  await eventually('the head came', () => endless.status === 200);
  for (let count = 1; clock.ms < TIMEOUTS.totalMs; count++) {
    clock.ms += TIMEOUTS.idleMs;
    server.connections.at(-1)?.write('x');
    await eventually('a byte came', () => endless.bodyBytes === count);
    client.sweep();
    if (endless.failure !== null) break;
  }
  clock.ms += TIMEOUTS.idleMs * 30;
  client.sweep();
  expect(endless.failure?.kind).toBe('total_timeout');
  await eventually('all are closed', () => server.connections.every(({ closed }) => closed));
  expect(client.stats()[0]).toMatchObject({ idle: 0, active: 0, waiting: 0 });
});

test('a paused call does not time out between bytes, only in all', async () => {
  const clock = new Clock();
  using server = startRawServer({
    onRequest: (connection) => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx'),
  });
  using client = testClient(clock);
  const recorder = new Recorder();
  const call = client.call({ origin: server.origin, ...request() }, recorder);
  await eventually('a byte came', () => recorder.bodyBytes === 1);
  call.pause();
  clock.ms += TIMEOUTS.idleMs * 3;
  client.sweep();
  expect(recorder.failure).toBeNull();
  // The pause is no silence of the vendor's either.
  call.resume();
  client.sweep();
  expect(recorder.failure).toBeNull();
  call.pause();
  clock.ms += TIMEOUTS.totalMs;
  client.sweep();
  expect(recorder.failure?.kind).toBe('total_timeout');
});

test('while the vendor still takes the request, the first byte has time', async () => {
  const clock = new Clock();
  using server = startRawServer({
    keep: false,
    onOpen: (connection) => connection.pause(),
    onData: (connection) => connection.pause(),
  });
  using client = testClient(clock);
  const recorder = new Recorder();
  const body = Buffer.alloc(60_000_000);
  const exchange = client.call({ origin: server.origin, ...request('/', body) }, recorder) as HttpExchange;
  await eventually('it is connected', () => server.connections.length === 1);
  for (let step = 0; step < 4; step++) {
    clock.ms += TIMEOUTS.firstByteMs * 0.75;
    client.sweep();
    expect(recorder.failure).toBeNull();
    await eventually('the client could write more', () => {
      server.connections[0]?.resume();
      return exchange.sinceMs === clock.ms;
    });
  }
  clock.ms += TIMEOUTS.firstByteMs + 1;
  client.sweep();
  expect(recorder.failure?.kind).toBe('first_byte_timeout');
});

test('a call whose place in the queue comes free with its deadline still gets it', async () => {
  const clock = new Clock();
  using server = startRawServer({
    onRequest: (connection) => connection.index > 0 && connection.write(OK),
  });
  using client = testClient(clock, {
    limits: { maxPerHost: 1 },
    timeouts: { ...TIMEOUTS, firstByteMs: TIMEOUTS.connectMs },
  });
  const [first, second] = [new Recorder(), new Recorder()];
  client.call({ origin: server.origin, ...request() }, first);
  client.call({ origin: server.origin, ...request() }, second);
  await eventually('the request came', () => (server.connections[0]?.text ?? '') !== '');
  clock.ms += TIMEOUTS.connectMs + 1;
  client.sweep();
  expect(first.failure?.kind).toBe('first_byte_timeout');
  expect(await second.done).toBe('end');
});

test('property: any order of coming and going leaves each open call its deadline', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat()), { maxLength: 60 }), (steps) => {
      const deadlines = new Deadlines<Timed>(TIMEOUTS);
      const open: Timed[] = [];
      const expired: Timed[] = [];
      for (const [comes, at] of steps) {
        if (comes || open.length === 0) {
          const call: Timed = {
            startedAtMs: 0,
            phase: PHASE.Sent,
            sinceMs: 0,
            paused: false,
            slot: -1,
            expire() {
              deadlines.remove(call);
              expired.push(call);
            },
          };
          deadlines.add(call);
          open.push(call);
        } else {
          const [gone] = open.splice(at % open.length, 1);
          deadlines.remove(gone!);
        }
      }
      expect(deadlines.size).toBe(open.length);
      deadlines.sweep(TIMEOUTS.firstByteMs);
      expect(expired).toEqual([]);
      deadlines.sweep(TIMEOUTS.firstByteMs + 1);
      expect(new Set(expired)).toEqual(new Set(open));
      expect([expired.length, deadlines.size]).toEqual([open.length, 0]);
    }),
    { numRuns: 300 },
  );
});
