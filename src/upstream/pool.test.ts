import { expect, test } from 'bun:test';
import { answer, Clock, request, testClient } from './testing/clients.ts';
import { startRawServer, type RawConnection } from './testing/raw-server.ts';
import { eventually, Recorder } from './testing/recorder.ts';

const OK = answer('ok');

/** Answers every request at once. */
const echoing = { onRequest: (connection: RawConnection) => connection.write(OK) };

test('a connection is reused, last in first out', async () => {
  using server = startRawServer(echoing);
  using client = testClient(new Clock());
  const first = [new Recorder(), new Recorder()];
  for (const recorder of first) client.call({ origin: server.origin, ...request() }, recorder);
  for (const recorder of first) expect(await recorder.done).toBe('end');
  await eventually('both are idle', () => client.stats()[0]?.idle === 2);
  for (let count = 0; count < 3; count++) {
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request() }, recorder);
    expect(await recorder.done).toBe('end');
    expect(recorder.text).toBe('ok');
    expect(recorder.order).toEqual(['head', 'body', 'end']);
  }
  expect(server.connections.length).toBe(2);
  const requests = server.connections.map(({ text }) => text.split('POST ').length - 1);
  expect(requests.sort((a, b) => a - b)).toEqual([1, 4]);
  expect(client.stats()).toEqual([
    { origin: server.origin.key, idle: 2, active: 0, waiting: 0, opened: 2, reused: 3, retried: 0 },
  ]);
});

test('an aborted call in the queue does not swallow the wake-up', async () => {
  const open: RawConnection[] = [];
  using server = startRawServer({ onRequest: (connection) => open.push(connection) });
  using client = testClient(new Clock(), { limits: { maxPerHost: 1 } });
  const [first, second, third, fourth] = [new Recorder(), new Recorder(), new Recorder(), new Recorder()];
  client.call({ origin: server.origin, ...request('/1') }, first);
  const aborted = [second, third].map((one) => client.call({ origin: server.origin, ...request('/2') }, one));
  client.call({ origin: server.origin, ...request('/4') }, fourth);
  expect(client.stats()[0]).toMatchObject({ active: 1, waiting: 3 });
  for (const call of aborted) call.abort();
  expect(client.stats()[0]?.waiting).toBe(1);
  await eventually('the first request came', () => open.length === 1);
  open[0]?.write(OK);
  expect(await first.done).toBe('end');
  await eventually('the fourth request came', () => open.length === 2);
  open[1]?.write(OK);
  expect(await fourth.done).toBe('end');
  expect([...second.order, ...third.order]).toEqual([]);
  expect(server.connections.length).toBe(1);
});

test('a place freed by a closed connection goes to the next live call', async () => {
  using server = startRawServer({
    onRequest: (connection) => (connection.index === 0 ? connection.reset() : connection.write(OK)),
  });
  using client = testClient(new Clock(), { limits: { maxPerHost: 1 } });
  const [first, second, third] = [new Recorder(), new Recorder(), new Recorder()];
  client.call({ origin: server.origin, ...request() }, first);
  const call = client.call({ origin: server.origin, ...request() }, second);
  client.call({ origin: server.origin, ...request() }, third);
  call.abort();
  expect(await first.done).toBe('closed');
  expect(await third.done).toBe('end');
});

test('the server closes an idle connection: the next call opens another', async () => {
  using server = startRawServer({
    onRequest(connection) {
      connection.write(OK);
      connection.end();
    },
  });
  using client = testClient(new Clock());
  for (let count = 1; count <= 3; count++) {
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request() }, recorder);
    expect(await recorder.done).toBe('end');
    await eventually('its end was seen', () => client.stats()[0]?.idle === 0);
  }
  expect(client.stats()[0]).toMatchObject({ opened: 3, active: 0, retried: 0 });
});

test('idle connections are bounded for all origins together; the oldest goes', async () => {
  const clock = new Clock();
  using a = startRawServer(echoing);
  using b = startRawServer(echoing);
  using client = testClient(clock, { limits: { maxIdle: 3, maxIdlePerHost: 2 } });
  const burst = async (origin: typeof a.origin, count: number): Promise<void> => {
    const recorders = Array.from({ length: count }, () => new Recorder());
    for (const recorder of recorders) client.call({ origin, ...request() }, recorder);
    for (const recorder of recorders) expect(await recorder.done).toBe('end');
    clock.ms++;
  };
  const idle = (): number[] => client.stats().map((stats) => stats.idle);
  await burst(a.origin, 4);
  await eventually('two stay', () => idle()[0] === 2 && client.stats()[0]?.active === 0);
  await burst(b.origin, 2);
  await eventually('one of the first makes room', () => idle().join() === '1,2');
  await eventually('it is closed', () => a.connections.filter(({ closed }) => closed).length === 3);

  client.sweep();
  expect(idle()).toEqual([1, 2]);
  clock.ms += 30_000 - 1;
  client.sweep();
  expect(idle()).toEqual([0, 2]);
  clock.ms += 2;
  client.sweep();
  expect(idle()).toEqual([0, 0]);
});

test('no idle connections are kept when none are allowed', async () => {
  using server = startRawServer(echoing);
  for (const limits of [{ maxIdle: 0 }, { maxIdlePerHost: 0 }]) {
    using client = testClient(new Clock(), { limits });
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request() }, recorder);
    expect(await recorder.done).toBe('end');
    await eventually('it is closed', () => client.stats()[0]?.active === 0);
    expect(client.stats()[0]?.idle).toBe(0);
  }
});

test('bytes that nobody asked for end an idle connection', async () => {
  using server = startRawServer({
    onRequest(connection, count) {
      if (connection.index === 0) connection.write(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`);
      else connection.write(count === 1 && connection.index === 1 ? OK : answer('third'));
    },
  });
  using client = testClient(new Clock());
  const first = new Recorder();
  client.call({ origin: server.origin, ...request() }, first);
  expect(await first.done).toBe('end');
  expect(client.stats()[0]).toMatchObject({ idle: 0, active: 0 });
  const second = new Recorder();
  client.call({ origin: server.origin, ...request() }, second);
  expect(await second.done).toBe('end');
  await eventually('it is idle', () => client.stats()[0]?.idle === 1);
  server.connections[1]?.write('HTTP/1.1 408 Request Timeout\r\n\r\n');
  await eventually('it is closed', () => client.stats()[0]?.idle === 0);
  const third = new Recorder();
  client.call({ origin: server.origin, ...request() }, third);
  expect(await third.done).toBe('end');
  expect(third.text).toBe('third');
});

test('what says that it closes is not reused', async () => {
  for (const head of [
    'HTTP/1.1 200 OK\r\nConnection: Close',
    'HTTP/1.0 200 OK',
    'HTTP/1.1 204 No\r\nconnection: x , close',
  ]) {
    using server = startRawServer({
      onRequest: (connection) => connection.write(`${head}\r\nContent-Length: 0\r\n\r\n`),
    });
    using client = testClient(new Clock());
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request() }, recorder);
    expect(await recorder.done).toBe('end');
    expect(client.stats()[0]).toMatchObject({ idle: 0, active: 0 });
  }
});

test('a call started by the end of another may use its connection later, and never loses its place', async () => {
  using server = startRawServer(echoing);
  using client = testClient(new Clock(), { limits: { maxPerHost: 1 } });
  const all = Promise.withResolvers<number>();
  let ended = 0;
  const next = (): void => {
    const recorder = new Recorder();
    client.call(
      { origin: server.origin, ...request() },
      Object.assign(recorder, {
        onEnd() {
          if (++ended === 50) all.resolve(ended);
          else next();
        },
        onError: (failure: { kind: string }) => all.reject(new Error(failure.kind)),
      }),
    );
  };
  next();
  expect(await all.promise).toBe(50);
  expect(server.connections.length).toBe(1);
});
test('a call is retried once, on a new connection, when a reused one closes before a byte', async () => {
  for (const how of ['end', 'reset'] as const) {
    using server = startRawServer({
      onRequest(connection, count) {
        if (count === 1 && connection.index === 0) connection.write(OK);
        else if (connection.index === 0) connection[how]();
        else connection.write(answer('again'));
      },
    });
    using client = testClient(new Clock());
    const warm = new Recorder();
    client.call({ origin: server.origin, ...request() }, warm);
    await warm.done;
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request('/x', Buffer.from('body\r\n\r\n')) }, recorder);
    expect(await recorder.done).toBe('end');
    expect(recorder.text).toBe('again');
    expect(server.connections.length).toBe(2);
    expect(server.connections[1]?.text).toEndWith('\r\n\r\nbody\r\n\r\n');
    expect(client.stats()[0]).toMatchObject({ opened: 2, reused: 1, retried: 1 });
  }
});

test('a call is never sent again on a fresh connection, after a byte, twice, or late', async () => {
  const clock = new Clock();
  let script: (connection: RawConnection, count: number) => void = () => {};
  using server = startRawServer({ onRequest: (connection, count) => script(connection, count) });
  const run = async (warmUp: boolean): Promise<[string, number]> => {
    using client = testClient(clock);
    const before = server.connections.length;
    if (warmUp) {
      const answering = script;
      script = (connection) => connection.write(OK);
      const warm = new Recorder();
      client.call({ origin: server.origin, ...request() }, warm);
      await warm.done;
      script = answering;
    }
    const recorder = new Recorder();
    client.call({ origin: server.origin, ...request() }, recorder);
    return [await recorder.done, server.connections.length - before];
  };
  script = (connection) => connection.reset();
  expect(await run(false)).toEqual(['closed', 1]);
  // The second connection is fresh: its end is the call's.
  expect(await run(true)).toEqual(['closed', 2]);
  script = (connection) => {
    connection.write('H');
    connection.end();
  };
  expect(await run(true)).toEqual(['closed', 1]);
  script = (connection) => {
    clock.ms += 11_000;
    connection.end();
  };
  expect(await run(true)).toEqual(['closed', 1]);
});

test('when attempts to connect run out, nobody is left in the queue', () => {
  using server = startRawServer(echoing);
  using client = testClient(new Clock(), { limits: { maxPerHost: 1 } });
  const recorders = Array.from({ length: 300 }, () => new Recorder());
  const calls = recorders.map((recorder) => client.call({ origin: server.origin, ...request() }, recorder));
  expect(client.stats()[0]).toMatchObject({ active: 1, waiting: 299 });
  // Each takes its connection attempt with it, and the next in the queue begins another.
  for (const call of calls.slice(0, 256)) call.abort();
  expect(recorders.map(({ failure }) => failure?.kind ?? '').join()).toBe(
    [...Array<string>(256).fill(''), ...Array<string>(44).fill('connect')].join(),
  );
  expect(client.stats()[0]).toMatchObject({ active: 0, waiting: 0 });
});

test('the queue is bounded', () => {
  using server = startRawServer(echoing);
  using client = testClient(new Clock(), { limits: { maxPerHost: 1 } });
  const failures: string[] = [];
  const handler = { onHead() {}, onBody() {}, onEnd() {}, onError: () => failures.push('') };
  for (let count = 0; count < 20_001; count++) client.call({ origin: server.origin, ...request() }, handler);
  expect(failures.length).toBe(0);
  const last = new Recorder();
  client.call({ origin: server.origin, ...request() }, last);
  expect(last.failure).toEqual({ kind: 'pool_full', message: 'too many calls wait for a connection' });
});

test('reuse does not use up the room for idle connections; close closes them', async () => {
  using server = startRawServer(echoing);
  using client = testClient(new Clock(), { limits: { maxIdle: 2 } });
  const burst = async (count: number): Promise<void> => {
    const recorders = Array.from({ length: count }, () => new Recorder());
    for (const recorder of recorders) client.call({ origin: server.origin, ...request() }, recorder);
    for (const recorder of recorders) expect(await recorder.done).toBe('end');
  };
  for (let count = 0; count < 10; count++) await burst(1);
  await burst(2);
  await eventually('both are idle', () => client.stats()[0]?.idle === 2);
  expect(client.stats()[0]).toMatchObject({ opened: 2, reused: 10 });
  client.close();
  expect(client.stats()[0]).toMatchObject({ idle: 0, active: 0 });
  await eventually('both are closed', () => server.connections.every(({ closed }) => closed));
});

test('a call that waits, for a connection or for one to open, can be taken back with its body', async () => {
  const open: RawConnection[] = [];
  using server = startRawServer({
    onData: (connection, chunk) => void (chunk.includes('body') && open.push(connection)),
  });
  using client = testClient(new Clock(), { limits: { maxPerHost: 1 } });
  const recorders = [new Recorder(), new Recorder(), new Recorder(), new Recorder()];
  const bodies = recorders.map((_, index) => [Buffer.from(`body ${index}`)]);
  const calls = recorders.map((recorder, index) =>
    client.call({ origin: server.origin, ...request(`/${index}`, ...bodies[index]!) }, recorder),
  );
  // Its connection is being opened.
  expect(calls[0]!.recall()).toEqual(bodies[0]!);
  expect(calls[0]!.sent).toBe(false);
  // In the queue.
  expect(calls[2]!.recall()).toEqual(bodies[2]!);
  expect(calls[2]!.recall()).toBeNull();
  await eventually('the second request came', () => open.length === 1);
  expect(calls[1]!.recall()).toBeNull();
  open[0]?.write(OK);
  expect(await recorders[1]!.done).toBe('end');
  expect(calls[1]!.recall()).toBeNull();
  await eventually('the fourth request came', () => open.length === 2);
  open[1]?.write(OK);
  expect(await recorders[3]!.done).toBe('end');
  expect([...recorders[0]!.order, ...recorders[2]!.order]).toEqual([]);
  expect(server.connections.flatMap(({ text }) => text.match(/body \d/g) ?? [])).toEqual([
    'body 1',
    'body 3',
  ]);
});
