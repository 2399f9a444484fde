import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { poster, type Setting } from './support/anthropic.ts';
import { runToEnd } from './support/command.ts';
import { temporaryFolder } from './support/config-file.ts';
import { eventually, startGateway, type Gateway } from './support/gateway.ts';
import { completion, startVendor, type Vendor } from './support/vendor.ts';

/** Passes connections on to a port that is told later, and counts the requests in them. */
class Wire implements AsyncDisposable {
  to = 0;
  requests = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => {
    const server = connect(this.to, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (chunk) => {
      this.requests += chunk.toString('latin1').split('POST /').length - 1;
    });
    client.pipe(server);
    server.pipe(client);
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

const MAX_CALLS = 5;
const chat = (model: string, more: object = {}) => ({
  model,
  max_tokens: 16,
  messages: [{ role: 'user', content: `round and round ${crypto.randomUUID()}` }],
  ...more,
});

/** A key that a gateway on the folder will know. */
async function keyOn(dataDir: string): Promise<string> {
  const gateway = await startGateway({ dataDir });
  const { key } = await gateway.createKey();
  expect(await gateway.stop()).toBe(0);
  return key;
}

describe.each([
  ['with', 'true'],
  ['without', 'false'],
])('a gateway that has itself for a vendor by another address, %s dedup', (_, dedup) => {
  const wire = new Wire();
  let gateway: Gateway;
  let post: Setting['post'];
  beforeAll(async () => {
    const dataDir = temporaryFolder();
    const [key, url] = [await keyOn(dataDir), await wire.listen()];
    gateway = await startGateway({
      dataDir,
      env: {
        OPENAI_API_KEY: key,
        OPENAI_BASE_URL: url,
        ANTHROPIC_API_KEY: key,
        ANTHROPIC_BASE_URL: url,
        DEDUP_ENABLED: dedup,
      },
    });
    wire.to = Number(new URL(gateway.url).port);
    post = poster(gateway, key);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await wire[Symbol.asyncDispose]();
  });

  test.each([
    ['/v1/chat/completions', 'gpt-4o', {}],
    ['/v1/chat/completions', 'gpt-4o', { stream: true }],
    ['/v1/chat/completions', 'claude-sonnet-4-5', {}],
    ['/v1/messages', 'claude-sonnet-4-5', {}],
    ['/v1/messages', 'claude-sonnet-4-5', { stream: true }],
    ['/v1/messages', 'gpt-4o', { stream: true }],
    ['/v1/messages/count_tokens', 'claude-sonnet-4-5', {}],
  ])('%s for %s %j: 508 after a few rounds', async (path, model, more) => {
    const before = wire.requests;
    const body = path.endsWith('count_tokens')
      ? { model, messages: [{ role: 'user', content: 'how many?' }] }
      : chat(model, more);
    const response = await post(path, body);
    const text = await response.text();
    expect(`${response.status} ${text}`).toStartWith('508 ');
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(text).toContain('loop_detected');
    expect(text).toContain('more than 4 gateways');
    expect(wire.requests - before).toBeLessThanOrEqual(MAX_CALLS);
  });

  test('identical requests at once, too', async () => {
    const before = wire.requests;
    const body = chat('gpt-4o');
    const count = 8;
    const statuses = await Promise.all(
      Array.from({ length: count }, async () => (await post('/v1/chat/completions', body)).status),
    );
    expect(new Set(statuses)).toEqual(new Set([508]));
    expect(wire.requests - before).toBeLessThanOrEqual(count * MAX_CALLS);
    await eventually(async () => (await gateway.metric('in_flight')) === 0, 'nothing is left');
    expect(await gateway.metric('requests_total', { status: '508' })).toBeGreaterThan(0);
  });
});

describe('the hops of a request', () => {
  let vendor: Vendor;
  let gateway: Gateway;
  let key: string;
  beforeAll(async () => {
    vendor = await startVendor(() => completion());
    // Of one thread: between two a follower that does not get its turn for a while leads a call of its own.
    gateway = await startGateway({
      env: { OPENAI_API_KEY: 'sk-up', OPENAI_BASE_URL: vendor.url, WORKERS: '1' },
    });
    ({ key } = await gateway.createKey());
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await vendor[Symbol.asyncDispose]();
  });

  const send = (hop: string | null): Promise<Response> =>
    gateway.chat(key, chat('gpt-4o'), hop === null ? {} : { 'x-tokenrouter-hop': hop });

  test.each([
    [null, '1'],
    ['', '1'],
    ['0', '1'],
    ['1', '2'],
    ['004', '5'],
    ['4', '5'],
    ['2, 3', '4'],
  ])('%j goes on as %s: chains are legal', async (hop, next) => {
    expect((await send(hop)).status).toBe(200);
    expect(vendor.requests.at(-1)?.headers.get('x-tokenrouter-hop')).toBe(next);
  });

  test.each([
    ['5', 508],
    ['1, 5', 508],
    ['99999999999999999999999999', 508],
    ['-1', 400],
    ['1e0', 400],
    ['0x1', 400],
    ['one', 400],
    ['NaN', 400],
    ['4.9', 400],
  ])('%j goes nowhere: %i', async (hop, status) => {
    const before = vendor.requests.length;
    const response = await send(hop);
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(status === 508 ? 'loop_detected' : 'x-tokenrouter-hop');
    expect(vendor.requests.length).toBe(before);
  });

  test('requests of a different number of hops are different calls, those of the same are one', async () => {
    const body = chat('gpt-4o');
    const waiting: (() => void)[] = [];
    vendor.script = (_, socket) => {
      waiting.push(() => socket.write(completion()));
      return null;
    };
    const before = vendor.requests.length;
    const calls = [null, null, '1', '1'].map((hop) =>
      gateway.chat(key, body, hop === null ? {} : { 'x-tokenrouter-hop': hop }),
    );
    await eventually(() => vendor.requests.length === before + 2, 'two calls');
    await eventually(async () => (await gateway.metric('in_flight')) === 4, 'all of them wait');
    for (const answer of waiting) answer();
    expect((await Promise.all(calls)).map((one) => one.status)).toEqual([200, 200, 200, 200]);
    expect(vendor.requests.length).toBe(before + 2);
  });
});

describe('a gateway whose configuration names its own address', () => {
  test.each<[string, Record<string, string>]>([
    ['OPENAI_BASE_URL', { OPENAI_BASE_URL: 'http://127.0.0.1:18999/v1', OPENAI_API_KEY: 'sk-x' }],
    ['ANTHROPIC_BASE_URL', { ANTHROPIC_BASE_URL: 'http://localhost:18999', HOST: '::' }],
    ['TOKENROUTER_FALLBACK_BASE_URL', { TOKENROUTER_FALLBACK_BASE_URL: 'http://0.0.0.0:18999/v1' }],
  ])('does not start and names %s', async (name, env) => {
    for (const args of [['serve'], ['serve', '--dev']]) {
      if (args.includes('--dev') && env['HOST'] !== undefined) continue;
      const { code, stderr } = await runToEnd(args, { PORT: '18999', DATA_DIR: temporaryFolder(), ...env });
      expect(code).toBe(1);
      expect(stderr).toContain(`${name}: is the address of this gateway itself`);
    }
  });
});
