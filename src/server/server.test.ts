import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BodyTimeoutError, BodyTooLargeError, ClientGoneError, type Incoming } from './incoming.ts';
import { fieldLine } from '../http1/fields.ts';
import { until } from '../std/testing/until.ts';
import { TestServer } from './testing/serve.ts';

const GET = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';
const post = (body: string, fields = ''): string =>
  `POST /p HTTP/1.1\r\nHost: x\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
const chunked = (...parts: readonly string[]): string =>
  `POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;
const answers = (text: string): number => text.match(/HTTP\/1\.1 \d{3}/g)?.length ?? 0;

/** Answers with method, path and body. */
async function echo(request: Incoming): Promise<void> {
  try {
    const body = await request.readBody(100_000);
    request.send(200, '', `${request.method} ${request.path} ${Buffer.from(body).toString('latin1')};`);
  } catch (error) {
    request.send(error instanceof BodyTooLargeError ? 413 : 499, '', '');
  }
}
/** As echo, without leaving the turn where the body is here. */
function echoAtOnce(request: Incoming): void {
  const body = request.readBody(100_000);
  if (body instanceof Promise) void body.then((bytes) => request.send(200, '', `${bytes.length};`));
  else request.send(200, '', `${body.length};`);
}

describe('requests and answers', () => {
  test('one after the other on a connection, sized and chunked', async () => {
    using server = new TestServer((request) => void echo(request));
    const client = await server.client();
    client.send(post('one'));
    await client.until((text) => text.endsWith(';'));
    client.send(chunked('tw', 'o'));
    const text = await client.until((sofar) => sofar.endsWith('two;'));
    expect(text).toBe(
      'HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 12\r\n\r\nPOST /p one;' +
        'HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 12\r\n\r\nPOST /p two;',
    );
  });

  test('sent together are answered in order, whether at once or later', async () => {
    for (const handler of [(request: Incoming) => void echo(request), echoAtOnce]) {
      using server = new TestServer(handler);
      const client = await server.client();
      client.send(post('1') + chunked('22') + `\r\n${GET}` + post('4444'));
      await client.until((text) => answers(text) === 4 && text.endsWith(';'));
    }
  });

  test('property: how the bytes are cut changes nothing', async () => {
    const whole = post('hello') + GET + chunked('abc', 'defg', 'h'.repeat(300)) + post('x'.repeat(500));
    using server = new TestServer((request) => void echo(request));
    const expected = [
      'POST /p hello;',
      'GET /a ;',
      `POST /p abcdefg${'h'.repeat(300)};`,
      `POST /p ${'x'.repeat(500)};`,
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: whole.length }), { maxLength: 8 }), async (cuts) => {
        const client = await server.client();
        let from = 0;
        for (const cut of [...cuts.toSorted((a, b) => a - b), whole.length]) {
          client.send(whole.slice(from, cut));
          // A turn of the event loop lets the piece go out alone.
          await new Promise(setImmediate);
          from = cut;
        }
        const text = await client.until((sofar) => sofar.endsWith(`${'x'.repeat(500)};`));
        expect(
          text
            .split('\r\n\r\n')
            .slice(1)
            .map((part) => part.replace(/HTTP[^]*/, '')),
        ).toEqual(expected);
        client.socket.destroy();
      }),
      { numRuns: 40 },
    );
  });

  test('HEAD has the length and no body, 1.0 closes unless it asks otherwise', async () => {
    using server = new TestServer((request) => request.send(200, fieldLine('x-a', 'b'), 'body'));
    const head = await server.client();
    head.send('HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await head.until((_, closed) => closed)).toMatch(/x-a: b\r\n.*content-length: 4\r\n\r\n$/s);
    const old = await server.client();
    old.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    await old.until((text) => text.endsWith('body'));
    expect(old.text).toContain('connection: keep-alive\r\n');
    old.send('GET / HTTP/1.0\r\n\r\n');
    await old.until((_, closed) => closed);
    expect(answers(old.text)).toBe(2);
  });

  test('a large answer arrives whole', async () => {
    const body = Buffer.alloc(3_000_000, 'abcdefg');
    using server = new TestServer((request) => request.send(200, '', body));
    const client = await server.client();
    client.send(GET);
    const text = await client.until((sofar) => sofar.length > body.length && !sofar.endsWith('\r\n\r\n'));
    await client.until((sofar) => sofar.length >= text.indexOf('\r\n\r\n') + 4 + body.length);
    expect(client.text.slice(text.indexOf('\r\n\r\n') + 4) === body.toString('latin1')).toBe(true);
  });

  test('a field cannot end its line', () => {
    expect(fieldLine('a', 'b\r\nc: d\u2028ä')).toBe('a: b??c: d?ä\r\n');
  });
});

describe('a body', () => {
  test('is asked for where the client waits for that, and only then', async () => {
    using server = new TestServer((request) => {
      if (request.path === '/p') void echo(request);
      else request.send(401, '', '');
    });
    const client = await server.client();
    client.send('POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    await client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n');
    client.send('ab');
    await client.until((text) => text.endsWith('ab;'));
    const refused = await server.client();
    refused.send('POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    await refused.until((text) => text.startsWith('HTTP/1.1 401'));
  });

  test('too large: refused by its length or as it comes, and the answer arrives although the client still sends', async () => {
    using server = new TestServer((request) => void echo(request));
    const sized = await server.client();
    sized.send(post('x'.repeat(1_000_000)));
    await sized.until((text, closed) => text.startsWith('HTTP/1.1 413') && closed);
    const streamed = await server.client();
    streamed.send(chunked('x'.repeat(600_000), 'y'.repeat(600_000)));
    await streamed.until((text, closed) => text.startsWith('HTTP/1.1 413') && closed);
  });

  test('that nobody reads is read over when it is small, and ends the connection when not', async () => {
    using server = new TestServer((request) => request.send(200, '', request.path));
    const client = await server.client();
    client.send('POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234');
    await client.until((text) => text.endsWith('/1'));
    client.send(`56789${GET}`);
    await client.until((text) => text.endsWith('/a'));
    client.send('POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n01234');
    await client.until((text, closed) => text.endsWith('/2') && text.includes('connection: close') && closed);
  });

  test('the rest does not come: its reader hears so, once', async () => {
    const failures: unknown[] = [];
    using server = new TestServer((request) => {
      const reading = request.readBody(100);
      if (reading instanceof Promise)
        reading.catch((error: unknown) => {
          failures.push(error);
          request.send(499, '', '');
        });
    });
    const leaver = await server.client();
    leaver.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0');
    const silent = await server.client();
    silent.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0');
    await until(() => server.listener.busy >= 2);
    leaver.socket.destroy();
    await until(() => failures.length > 0);
    server.pass(1_001);
    await silent.until((_, closed) => closed);
    expect(failures.map((error) => error instanceof ClientGoneError)).toEqual([true, true]);
  });

  test('that takes too long ends, however busily it comes; what has come buys time', async () => {
    const failures: unknown[] = [];
    let held = 0;
    const read = (request: Incoming): void => {
      void Promise.resolve(request.readBody(1_000_000)).then(
        () => request.send(200, '', ''),
        (error: unknown) => {
          failures.push(error);
          request.send(408, '', 'late');
        },
      );
      const holds = (bytes: number): boolean => {
        held = Math.max(held, bytes);
        return true;
      };
      request.meterBody({ holds, done: () => {} });
    };
    using server = new TestServer(read, 60_000, 10_000);
    const [drip, flood] = [await server.client(), await server.client()];
    for (const client of [drip, flood])
      client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n');
    await until(() => server.listener.busy === 2);
    flood.send(Buffer.alloc(4 * 64 * 1024));
    await until(() => held === 4 * 64 * 1024);
    for (let second = 0; second < 10; second++) {
      drip.send('x');
      server.pass(1_000);
    }
    expect(failures).toEqual([]);
    server.pass(1_000);
    await drip.until((text, closed) => text.endsWith('late') && text.includes('connection: close') && closed);
    expect(failures.map((error) => error instanceof BodyTimeoutError)).toEqual([true]);
    flood.send(Buffer.alloc(500_000 - 4 * 64 * 1024));
    await flood.until((text) => text.startsWith('HTTP/1.1 200'));
  });

  test('is read while its meter has room, and goes on when it has some again', async () => {
    const seen: number[] = [];
    let done = 0;
    let room = 300_000;
    const requests: Incoming[] = [];
    using server = new TestServer((request) => {
      requests.push(request);
      const reading = request.readBody(10_000_000);
      if (!(reading instanceof Promise)) return;
      reading.then(
        (body) => request.send(200, '', String(body.length)),
        (error: Error) => request.send(408, '', error.message),
      );
      request.meterBody({
        holds: (bytes) => {
          seen.push(bytes);
          return bytes <= room;
        },
        done: () => done++,
      });
    });
    const [first, second] = [await server.client(), await server.client()];
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n';
    first.send(head);
    first.send(Buffer.alloc(8_000_000));
    await until(() => (seen.at(-1) ?? 0) > room);
    const held = seen.at(-1)!;
    // It is asked of the system in pieces; what one of them brings over is all that comes.
    server.pass(0);
    second.send(GET);
    await until(() => requests.length === 2);
    requests[1]!.send(200, '', 'other');
    await second.until((text) => text.endsWith('other'));
    expect(Math.max(...seen)).toBe(held);
    room = Infinity;
    requests[0]!.resumeBody();
    await first.until((text) => text.endsWith('8000000'));
    expect(done).toBe(1);
    seen.length = 0;
    room = 300_000;
    first.send(head);
    first.send(Buffer.alloc(1_000_000));
    await until(() => (seen.at(-1) ?? 0) > room);
    requests[2]!.endBody(new Error('enough'));
    await first.until((text, closed) => text.endsWith('enough') && closed);
    expect(done).toBe(2);
  });

  test('goes on where room turns up while one read is looked through', async () => {
    let asked = 0;
    using server = new TestServer((request) => {
      const reading = request.readBody(100);
      if (!(reading instanceof Promise)) return;
      void reading.then((body) => request.send(200, '', String(body.length)));
      request.meterBody({ holds: () => ++asked !== 2, done: () => {} });
    });
    const client = await server.client();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    await until(() => asked === 1);
    client.send('1\r\na\r\n1\r\nb\r\n');
    await until(() => asked === 3);
    client.send('0\r\n\r\n');
    await client.until((text) => text.endsWith('\r\n\r\n2'));
  });

  test('waits for room no longer than its client is there, however that leaves', async () => {
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const)
      for (const behind of [0, 200_000]) {
        const failures: unknown[] = [];
        const [asked, done] = [[] as number[], { times: 0 }];
        using server = new TestServer(
          (request) => {
            const reading = request.readBody(10_000_000);
            if (!(reading instanceof Promise)) return;
            reading.catch((error: unknown) => failures.push(error));
            request.meterBody({
              holds: (bytes) => {
                asked.push(bytes);
                return bytes < 1_000;
              },
              done: () => done.times++,
            });
          },
          60_000,
          60_000,
        );
        const client = await server.client();
        client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n');
        await until(() => asked.length > 0);
        client.send(Buffer.alloc(1_000));
        await until(() => asked.length > 1);
        client.send(Buffer.alloc(behind));
        await until(() => client.socket.writableLength === 0);
        // One that is still there is left in peace.
        for (let second = 0; second < 3; second++) {
          server.pass(500);
          await Bun.sleep(5);
        }
        expect([failures.length, done.times, asked.at(-1)]).toEqual([0, 0, 1_000 + behind]);
        client.socket[leave]();
        for (let second = 0; second < 2; second++) {
          await Bun.sleep(20);
          server.pass(500);
        }
        await until(() => server.listener.connections === 0);
        expect(failures.map((error) => error instanceof ClientGoneError)).toEqual([true]);
        expect(done.times).toBe(1);
      }
  });

  test('is read a piece at a time while it waits for room', async () => {
    let held = 0;
    using server = new TestServer(
      (request) => {
        void Promise.resolve(request.readBody(10_000_000)).catch(() => {});
        request.meterBody({
          holds: (bytes) => {
            held = bytes;
            return bytes < 1_000;
          },
          done: () => {},
        });
      },
      60_000,
      60_000,
    );
    const client = await server.client();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n');
    client.send(Buffer.alloc(7_000_000));
    await until(() => held >= 1_000);
    const first = held;
    server.pass(499);
    await Bun.sleep(20);
    expect(held).toBe(first);
    for (let second = 0; second < 4; second++) {
      const before = held;
      server.pass(500);
      await until(() => held > before);
      await Bun.sleep(20);
      expect(held - before).toBeLessThanOrEqual(512 * 1024);
    }
  });

  test('has its meter told once that it is over, also where it was before the meter came', async () => {
    const requests: Incoming[] = [];
    using server = new TestServer((request) => {
      requests.push(request);
      void Promise.resolve(request.readBody(100)).catch(() => {});
    });
    const metered = (request: Incoming): (() => number) => {
      let done = 0;
      request.meterBody({ holds: () => true, done: () => done++ });
      return () => done;
    };
    const client = await server.client();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab');
    await until(() => requests.length === 1);
    const first = metered(requests[0]!);
    expect(first()).toBe(0);
    client.send('cd');
    await until(() => first() === 1);
    const late = metered(requests[0]!);
    expect(late()).toBe(1);
    client.socket.destroy();
    await until(() => server.listener.connections === 0);
    expect(metered(requests[0]!)()).toBe(1);
    expect([first(), late()]).toEqual([1, 1]);
    const other = await server.client();
    other.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab');
    await until(() => requests.length === 2);
    // A meter that has no room ends the body from within.
    let done = 0;
    requests[1]!.meterBody({
      holds: () => {
        requests[1]!.endBody(new Error('enough'));
        return false;
      },
      done: () => done++,
    });
    expect(done).toBe(1);
    requests[1]!.send(408, '', 'enough');
    await other.until((text, closed) => text.endsWith('enough') && closed);
    expect(done).toBe(1);
  });

  test('a stop waits for none whose client has fallen silent', async () => {
    const failures: unknown[] = [];
    using server = new TestServer(
      (request) => {
        const reading = request.readBody(100);
        if (reading instanceof Promise) reading.catch((error: unknown) => failures.push(error));
      },
      60_000,
      60_000,
    );
    const client = await server.client();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0');
    await until(() => server.listener.busy === 1);
    server.pass(6_000);
    expect(failures).toEqual([]);
    server.listener.stop();
    server.pass(1);
    await client.until((_, closed) => closed);
    expect(failures.map((error) => error instanceof ClientGoneError)).toEqual([true]);
    expect(server.listener.busy).toBe(0);
  });

  test('broken chunks are a refusal', async () => {
    using server = new TestServer((request) => void echo(request));
    const client = await server.client();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n');
    await client.until((text, closed) => text.startsWith('HTTP/1.1 400') && closed);
    expect(answers(client.text)).toBe(1);
  });
});

describe('an answer in pieces', () => {
  test('head and first piece go together, a head without a piece goes alone', async () => {
    const requests: Incoming[] = [];
    using server = new TestServer((request) => {
      requests.push(request);
      request.begin(200, '');
      if (request.path === '/now') request.write(Buffer.from('first'));
    });
    const now = await server.client();
    now.send('GET /now HTTP/1.1\r\nHost: x\r\n\r\n');
    await now.until((text) => text.endsWith('transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n'));
    const later = await server.client();
    later.send(GET);
    await later.until((text) => text.endsWith('transfer-encoding: chunked\r\n\r\n'));
    for (const request of requests) {
      expect(request.write(Buffer.from('0123456789abcdefg'))).toBe(true);
      request.end();
      // A late producer harms nobody.
      request.write(Buffer.from('late'));
      request.end();
    }
    await now.until((text) => text.endsWith('first\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n'));
    await later.until((text) => text.endsWith('11\r\n0123456789abcdefg\r\n0\r\n\r\n'));
    later.send(GET);
    await later.until((text) => answers(text) === 2);
  });

  test('a 1.0 client gets it without chunks, and the end by closing', async () => {
    using server = new TestServer((request) => {
      request.begin(200, '');
      request.write(Buffer.from('ab'));
      request.write(Buffer.from('cd'));
      request.end();
    });
    const client = await server.client();
    client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    const text = await client.until((_, closed) => closed);
    expect(text).toEndWith('connection: close\r\n\r\nabcd');
  });

  test('a slow client is told of, gets every byte, and is ended when it takes nothing for too long', async () => {
    const piece = Buffer.alloc(100_000, 'z');
    let sent = 0;
    const asked: Incoming[] = [];
    using server = new TestServer((one) => {
      asked.push(one);
      one.begin(200, '');
      const pump = (): void => {
        while (sent < 100) {
          sent++;
          if (!one.write(piece)) return;
        }
        one.end();
      };
      one.onDrain = pump;
      pump();
    });
    const client = await server.client();
    client.socket.pause();
    client.send(GET);
    await until(() => sent > 0);
    expect(sent).toBeLessThan(100);
    client.socket.resume();
    const text = await client.until((sofar) => sofar.endsWith('0\r\n\r\n'));
    expect(text.match(/z/g)).toHaveLength(10_000_000);

    sent = 0;
    let left = false;
    const stuck = await server.client();
    stuck.socket.pause();
    stuck.send(GET);
    await until(() => asked[1] !== undefined);
    asked[1]!.watch = {
      clientLeft: () => {
        left = true;
      },
    };
    server.pass(999);
    expect(left).toBe(false);
    server.pass(2);
    expect(left).toBe(true);
  });

  test('a client that leaves is told of, once', async () => {
    let aborts = 0;
    using server = new TestServer((request) => {
      request.watch = {
        clientLeft: () => {
          aborts++;
          request.send(200, '', 'too late');
        },
      };
    });
    const client = await server.client();
    client.send(GET);
    await until(() => server.listener.busy > 0);
    client.socket.destroy();
    await until(() => aborts > 0);
    await until(() => server.listener.connections === 0);
    expect(aborts).toBe(1);
  });
});

describe('bounds', () => {
  test('a head that is too large is a 431, in one piece or many', async () => {
    using server = new TestServer((request) => void echo(request));
    for (const pieces of [1, 5]) {
      const client = await server.client();
      const bytes = `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(3_000)}\r\n\r\n`;
      for (let index = 0; index < pieces; index++) {
        client.send(bytes.slice((index * bytes.length) / pieces, ((index + 1) * bytes.length) / pieces));
        await new Promise(setImmediate);
      }
      await client.until((text, closed) => text.startsWith('HTTP/1.1 431') && closed);
    }
  });

  test('a client that says nothing, or not all of a head, is ended; one whose request is worked on is not', async () => {
    using server = new TestServer((request) => {
      request.watch = { clientLeft: () => {} };
    });
    const silent = await server.client();
    const half = await server.client();
    half.send('GET / HT');
    const working = await server.client();
    working.send(GET);
    await until(() => server.listener.busy >= 2);
    server.pass(1_001);
    await silent.until((_, closed) => closed);
    await half.until((_, closed) => closed);
    expect(working.closed).toBe(false);
    expect(server.listener.connections).toBe(1);
  });

  test('what is sent ahead is held back by the system, not here', async () => {
    const releases: (() => void)[] = [];
    using server = new TestServer((request) => {
      if (releases.length === 0) releases.push(() => request.send(200, '', 'first;'));
      else echoAtOnce(request);
    });
    const client = await server.client();
    const many = 3_000;
    const body = 'x'.repeat(4_000);
    client.send(GET);
    client.send(post(body).repeat(many));
    await until(() => releases.length > 0 && client.socket.writableLength > 0);
    releases[0]!();
    await client.until((text) => answers(text) === many + 1 && text.endsWith(';'));
  });

  test('nor is it taken in behind an answer that the client does not read', async () => {
    const [big, many] = [16 * 1024 * 1024, 4_000];
    const first = Buffer.alloc(big, 'a');
    const body = 'x'.repeat(10_000);
    let requests = 0;
    using server = new TestServer((request) => {
      if (requests++ === 0) request.send(200, '', first);
      else echoAtOnce(request);
    });
    const client = await server.client();
    client.socket.pause();
    client.send(GET);
    await until(() => requests === 1);
    client.send(post(body).repeat(many));
    // Until nothing moves any more: what is then still with the client is what its system and the server's do not hold.
    let left = Infinity;
    for (let still = 0; still < 200; still++) {
      await new Promise(setImmediate);
      if (client.socket.writableLength !== left) still = 0;
      left = client.socket.writableLength;
    }
    expect(left).toBeGreaterThan((many * body.length) / 2);
    client.socket.resume();
    await until(() => requests === many + 1);
    client.socket.destroy();
    await until(() => server.listener.connections === 0);
    // A client that goes on not reading is ended, however much it would like to send.
    requests = 0;
    const stubborn = await server.client();
    stubborn.socket.pause();
    stubborn.send(GET);
    await until(() => requests === 1);
    stubborn.send(post(body).repeat(many));
    await until(() => server.listener.busy === 1);
    server.pass(1_001);
    await until(() => server.listener.connections === 0);
  });

  test('stopping: idle connections close at once, busy ones after their answer', async () => {
    const requests: Incoming[] = [];
    using server = new TestServer((request) => void requests.push(request));
    const idle = await server.client();
    const busy = await server.client();
    busy.send(GET);
    await until(() => requests.length > 0 && server.listener.connections >= 2);
    server.listener.stop();
    await idle.until((_, closed) => closed);
    expect(server.listener.busy).toBe(1);
    requests[0]!.send(200, '', 'last');
    await busy.until((text, closed) => text.endsWith('last') && text.includes('connection: close') && closed);
  });

  test('shedding: the answer asks for a new connection', async () => {
    using server = new TestServer((request) => void echo(request));
    server.shedding = true;
    const client = await server.client();
    client.send(GET);
    await client.until((text, closed) => text.includes('connection: close') && closed);
  });

  test('a handler that throws is a 500 and a defect', async () => {
    using server = new TestServer(() => {
      throw new Error('oops');
    });
    const client = await server.client();
    client.send(GET);
    await client.until((text, closed) => text.startsWith('HTTP/1.1 500') && closed);
    expect(server.defects).toHaveLength(1);
  });
});
