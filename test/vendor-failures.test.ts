import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createServer } from 'node:net';
import { setTimeout as later } from 'node:timers/promises';
import { errorOf, expectError, expectHealthy } from './support/errors.ts';
import { startGateway, type Gateway } from './support/gateway.ts';
import { keyView, settledUsd } from './support/money.ts';
import {
  chunk,
  completion,
  delta,
  httpAnswer,
  startVendor,
  STREAM_END,
  STREAM_HEAD,
  type Vendor,
  type VendorScript,
} from './support/vendor.ts';

const SECRET = 'sk-upstream-secret-0123456789';

let vendor: Vendor;
let gateway: Gateway;
let key: string;
let id: string;

beforeAll(async () => {
  vendor = await startVendor(() => completion());
  gateway = await startGateway({
    env: {
      OPENAI_API_KEY: SECRET,
      OPENAI_BASE_URL: vendor.url,
      UPSTREAM_FIRST_BYTE_TIMEOUT: '600ms',
      UPSTREAM_IDLE_TIMEOUT: '600ms',
      UPSTREAM_TOTAL_TIMEOUT: '2500ms',
    },
  });
  ({ key, id } = await gateway.createKey());
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

let count = 0;
const body = (more: object = {}): object => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: `x ${count++}` }],
  ...more,
});
const ask = (script: VendorScript, more: object = {}): Promise<Response> => {
  vendor.script = script;
  return gateway.chat(key, body(more), {}, AbortSignal.timeout(10_000));
};
const vendorError = JSON.stringify({
  error: { message: "in the vendor's words", type: 't', param: 'p', code: 'c' },
});

describe('a vendor that does not answer', () => {
  test('nobody listens', async () => {
    const free = createServer();
    await new Promise<void>((resolve) => {
      free.listen(0, '127.0.0.1', resolve);
    });
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => {
      free.close(resolve);
    });
    using plain = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data: (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n') },
    });
    await using alone = await startGateway({
      env: {
        OPENAI_API_KEY: SECRET,
        OPENAI_BASE_URL: `http://127.0.0.1:${port}`,
        DEEPSEEK_API_KEY: SECRET,
        // Nobody speaks TLS there.
        DEEPSEEK_BASE_URL: `https://127.0.0.1:${plain.port}`,
      },
    });
    const made = await alone.createKey();
    for (const model of ['gpt-4o', 'deepseek-flash']) {
      for (const stream of [false, true]) {
        const response = await alone.chat(made.key, body({ stream, model }));
        await expectError(response, 502, 'upstream_connect_failed');
      }
    }
    expect(await settledUsd(alone, made.id)).toBe(0);
  });

  test('a name that leads nowhere', async () => {
    await using alone = await startGateway({
      env: {
        OPENAI_API_KEY: SECRET,
        OPENAI_BASE_URL: 'http://nobody.invalid/v1',
        UPSTREAM_CONNECT_TIMEOUT: '5s',
      },
    });
    const made = await alone.createKey();
    const response = await alone.chat(made.key, body());
    // A resolver that does not answer in time is a 504; one that knows the name does not exist, a 502.
    expect([502, 504]).toContain(response.status);
    errorOf(await response.text());
  });

  test('it says nothing in time', async () => {
    for (const stream of [false, true]) {
      await expectError(await ask(() => null, { stream }), 504, 'upstream_timeout');
      await expectError(await ask(() => 'HTTP/1.1 200 OK\r\nconte', { stream }), 504, 'upstream_timeout');
    }
  });

  test('it stops in the middle', async () => {
    const whole = await ask(() => 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"id":');
    await expectError(whole, 504, 'upstream_timeout');
    const streamed = await ask(() => STREAM_HEAD + chunk(delta('hel')), { stream: true });
    expect(streamed.status).toBe(200);
    expectEndsWithError(await streamed.text(), delta('hel'), 'upstream_timeout');
  });

  test('it goes on for ever', async () => {
    const response = await ask(
      (_request, socket) => {
        const beat = setInterval(() => socket.write(chunk(delta('more'))), 50);
        socket.on('close', () => clearInterval(beat));
        return STREAM_HEAD;
      },
      { stream: true },
    );
    expectEndsWithError(await response.text(), delta('more'), 'upstream_timeout');
  });

  test('signs of life are none of the answer, but keep it alive', async () => {
    const content = 'late';
    const response = await ask((_request, socket) => {
      void (async () => {
        socket.write(
          'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
        );
        for (let beat = 0; beat < 6; beat++) {
          await later(150);
          socket.write(chunk('\n'));
        }
        socket.write(`${chunk(JSON.stringify({ choices: [{ message: { content } }] }))}0\r\n\r\n`);
      })();
      return null;
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ choices: [{ message: { content } }] });
  });
});

/** What came before the failure, then the error event, and nothing that looks like a good end. */
function expectEndsWithError(text: string, before: string, code: string): void {
  expect(text).toStartWith(before);
  const events = text.split('\n\n').filter((event) => event !== '');
  expect(errorOf(events.at(-1)?.replace(/^data: /, '') ?? '').code).toBe(code);
  expect(text).not.toContain('[DONE]');
}

describe('a vendor that breaks off', () => {
  test('before any byte', async () => {
    for (const end of ['end', 'reset'] as const) {
      const response = await ask((_request, socket) => {
        if (end === 'end') socket.end();
        else socket.resetAndDestroy();
        return null;
      });
      await expectError(response, 502, 'upstream_closed');
    }
  });

  test('in the middle of a whole answer', async () => {
    const response = await ask((_request, socket) => {
      socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"id":');
      return null;
    });
    await expectError(response, 502, 'upstream_closed');
  });

  test.each(['end', 'reset'] as const)('in the middle of a stream: %s', async (end) => {
    const response = await ask(
      (_request, socket) => {
        socket.write(STREAM_HEAD + chunk(delta('hel')), () =>
          setTimeout(() => {
            if (end === 'end') socket.end();
            else socket.resetAndDestroy();
          }, 50),
        );
        return null;
      },
      { stream: true },
    );
    expectEndsWithError(await response.text(), delta('hel'), 'upstream_closed');
  });

  test('in the middle of an event: half of it is not passed on', async () => {
    const response = await ask(
      (_request, socket) => {
        socket.end(STREAM_HEAD + chunk(delta('hel') + delta('lo').slice(0, 40)));
        return null;
      },
      { stream: true },
    );
    expectEndsWithError(await response.text(), delta('hel'), 'upstream_closed');
  });

  test('with a good end of the transfer, but no last event', async () => {
    const response = await ask(() => `${STREAM_HEAD}${chunk(delta('hel'))}0\r\n\r\n`, { stream: true });
    expectEndsWithError(await response.text(), delta('hel'), 'upstream_closed');
  });

  test('but without [DONE] after the finish it has answered', async () => {
    const response = await ask(() => `${STREAM_HEAD}${chunk(delta('hello', 'stop'))}0\r\n\r\n`, {
      stream: true,
    });
    expect(await response.text()).toBe(delta('hello', 'stop'));
  });

  test('with an error event of its own: passed on, and nothing added', async () => {
    const event = `data: ${vendorError}\n\n`;
    const response = await ask(() => `${STREAM_HEAD}${chunk(delta('hel') + event)}0\r\n\r\n`, {
      stream: true,
    });
    expect(await response.text()).toBe(delta('hel') + event);
  });

  test('on a connection that had served before: asked again on a new one', async () => {
    await (await ask(() => completion())).text();
    const before = vendor.requests.length;
    let closed = false;
    const response = await ask((_request, socket) => {
      if (closed) return completion('second');
      closed = true;
      socket.destroy();
      return null;
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('second');
    expect(vendor.requests.length).toBe(before + 2);
  });
});

describe('a vendor that talks nonsense', () => {
  const nonsense: readonly (readonly [string, () => string | Uint8Array])[] = [
    ['no HTTP', () => 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['every byte there is', () => Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256))],
    ['a bad status line', () => 'HTTP/1.1 twohundred OK\r\n\r\n'],
    ['HTTP/2', () => 'HTTP/2 200\r\n\r\n'],
    ['a head without end', () => `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(200_000)}`],
    ['two lengths', () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x'],
    ['a length that is none', () => 'HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}'],
    ['chunks that are none', () => 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}'],
    ['a switch of protocols', () => 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n'],
    ['HTML', () => httpAnswer(200, '<html>Please log in</html>', { 'content-type': 'text/html' })],
    ['nothing', () => httpAnswer(200, '')],
    ['a list', () => httpAnswer(200, '[]')],
    [
      'a compressed answer',
      () => httpAnswer(200, '{}', { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
    ],
    [
      'a compressed stream',
      () => httpAnswer(200, 'x', { 'content-type': 'text/event-stream', 'content-encoding': 'br' }),
    ],
  ];
  test.each(nonsense)('%s is a 502', async (_what, bytes) => {
    for (const stream of [false, true]) {
      const { message } = await expectError(await ask(() => bytes(), { stream }), 502, 'upstream_protocol');
      expect(message).toContain('vendor');
    }
  });

  test('a stream of chunks that break ends with an error event', async () => {
    const response = await ask(() => `${STREAM_HEAD}${chunk(delta('hel'))}zz\r\n`, { stream: true });
    expectEndsWithError(await response.text(), delta('hel'), 'upstream_protocol');
  });

  test('header fields that would break the answer stay behind', async () => {
    const response = await ask(() => httpAnswer(200, '{}', { 'content-type': 'app\u0001lication/json' }));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('{}');
  });

  test('an interim answer is not the answer', async () => {
    const response = await ask(
      () => `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${completion('after')}`,
    );
    expect(await response.text()).toContain('after');
  });

  test('in pieces of one byte', async () => {
    const dribble =
      (text: string): VendorScript =>
      (_request, socket) => {
        socket.setNoDelay(true);
        void (async () => {
          for (const byte of Buffer.from(text, 'latin1')) {
            socket.write(Uint8Array.of(byte));
            await later(0);
          }
        })();
        return null;
      };
    expect(await (await ask(dribble(completion('wörds 🙂')))).text()).toContain('wörds 🙂');
    const streamed = await ask(dribble(STREAM_HEAD + chunk(delta('wörds 🙂')) + STREAM_END), {
      stream: true,
    });
    expect(await streamed.text()).toBe(`${delta('wörds 🙂')}${delta('', 'stop')}data: [DONE]\n\n`);
  });

  test('a large answer', async () => {
    const content = 'x'.repeat(4 * 1024 * 1024);
    const bytes = Buffer.from(completion(content), 'latin1');
    const response = await ask(() => bytes);
    const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
    expect(choices[0]?.message.content === content).toBe(true);
  });

  test('an answer before the request is whole', async () => {
    using hasty = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        data: (socket) =>
          void socket.end(
            httpAnswer(413, vendorError, { 'content-type': 'application/json', connection: 'close' }),
          ),
      },
    });
    await using alone = await startGateway({
      env: { OPENAI_API_KEY: SECRET, OPENAI_BASE_URL: `http://127.0.0.1:${hasty.port}` },
    });
    const made = await alone.createKey();
    const response = await alone.chat(made.key, body({ user: 'x'.repeat(8 * 1024 * 1024) }));
    expect(response.status).toBe(413);
    expect(await response.text()).toBe(vendorError);
  });

  test('an answer larger than the gateway holds', async () => {
    const response = await ask((_request, socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 80000000\r\n\r\n{"x":"',
      );
      socket.write(Buffer.alloc(70_000_000, 0x61));
      return null;
    });
    await expectError(response, 502, 'upstream_too_large');
  });
});

test('after all this the gateway is as it was', async () => {
  vendor.script = () => completion();
  expect(await gateway.metric('requests_total', { status: '499' })).toBe(0);
  expect(await gateway.metric('rejected_total')).toBe(0);
  await expectHealthy(gateway, key);
  expect((await keyView(gateway, id)).held_usd).toBe(0);
});
