import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startSimulator, type Simulator } from '../src/simulator/server.ts';
import { expectError } from './support/errors.ts';
import { eventually, startGateway, type Gateway } from './support/gateway.ts';
import { meeting } from './support/meeting.ts';
import { openRaw, rawChat, type RawConnection } from './support/raw-http.ts';
import { completion, startVendor } from './support/vendor.ts';

let simulator: Simulator;

beforeAll(() => {
  simulator = startSimulator({ port: 0 });
});
afterAll(() => simulator.stop());

const start = (env: Record<string, string>): Promise<Gateway> =>
  startGateway({ env: { OPENAI_API_KEY: 'sk-up', OPENAI_BASE_URL: simulator.url, ...env } });
let count = 0;
const body = (content = '', more: object = {}): object => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: `${content} ${count++}` }],
  ...more,
});

/** Requests that run until told to stop. */
class Running {
  readonly #leaving = new AbortController();
  readonly #requests: Promise<unknown>[] = [];
  readonly #gateway: Gateway;
  readonly #key: string;

  constructor(gateway: Gateway, key: string) {
    this.#gateway = gateway;
    this.#key = key;
  }

  async start(request: object): Promise<void> {
    const before = simulator.stats().inFlight;
    this.#requests.push(this.#gateway.chat(this.#key, request, {}, this.#leaving.signal).catch(() => null));
    await eventually(() => simulator.stats().inFlight === before + 1, 'it runs');
  }

  async stop(): Promise<void> {
    this.#leaving.abort();
    await Promise.all(this.#requests);
    await eventually(async () => (await this.#gateway.metric('in_flight')) === 0, 'nothing in flight');
  }
}

const SLOW = '[[sim:delay=60000]]';

async function expectTooMany(response: Response, variable: string): Promise<void> {
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  const { message, type } = await expectError(response, 429, 'too_many_requests_in_flight');
  expect(type).toBe('rate_limit_error');
  expect(message).toContain(variable);
}

describe('requests at once', () => {
  test.each([
    ['GLOBAL_CONCURRENT_LIMIT', {}, { stream: true }],
    ['STREAM_CONCURRENT_LIMIT', { stream: true }, { stream: true }],
    ['NON_STREAM_CONCURRENT_LIMIT', {}, {}],
    ['PROVIDER_CONCURRENT_LIMIT', {}, { stream: true }],
  ] as const)('%s, over both threads', async (variable, first, second) => {
    await using gateway = await start({ [variable]: '3' });
    const { key } = await gateway.createKey();
    const received = simulator.stats().received;
    const running = new Running(gateway, key);
    for (let index = 0; index < 3; index++) await running.start(body(SLOW, first));
    for (let index = 0; index < 8; index++)
      await expectTooMany(await gateway.chat(key, body('', second), { connection: 'close' }), variable);
    expect(simulator.stats().received).toBe(received + 3);
    expect(await gateway.metric('rejected_total', { reason: 'concurrency' })).toBe(8);
    await running.stop();
    // Every place was given back, also those of the refused.
    for (let index = 0; index < 8; index++)
      expect((await gateway.chat(key, body('', second), { connection: 'close' })).status).toBe(200);
  });

  test('may all run on one thread: there is no share of a thread', async () => {
    await using gateway = await start({ GLOBAL_CONCURRENT_LIMIT: '4' });
    const { key } = await gateway.createKey();
    // Connections until four of them lead to one thread; request ids begin with a mark of it.
    const byThread = new Map<string, RawConnection[]>();
    let four: RawConnection[] | undefined;
    while (four === undefined) {
      const connection = await openRaw(gateway.url);
      await connection.send(`GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${key}\r\n\r\n`);
      const { text } = await connection.until((all) => all.endsWith(']}'));
      const thread = /x-request-id: (tr-[0-9a-f]{8})/.exec(text)?.[1] ?? '';
      byThread.set(thread, [...(byThread.get(thread) ?? []), connection]);
      four = [...byThread.values()].find((connections) => connections.length === 4);
    }
    for (const connection of four) {
      const text = JSON.stringify(body(SLOW));
      await connection.send(rawChat(key, `Content-Length: ${text.length}\r\n`, text));
    }
    await eventually(() => simulator.stats().inFlight === 4, 'all four run');
    for (const connections of byThread.values()) for (const one of connections) one.reset();
    await eventually(() => simulator.stats().inFlight === 0, 'none runs');
  });

  test('a limit for one kind leaves the other alone', async () => {
    await using gateway = await start({ STREAM_CONCURRENT_LIMIT: '1', NON_STREAM_CONCURRENT_LIMIT: '2' });
    const { key } = await gateway.createKey();
    const running = new Running(gateway, key);
    await running.start(body(SLOW, { stream: true }));
    expect((await gateway.chat(key, body())).status).toBe(200);
    await expectTooMany(await gateway.chat(key, body('', { stream: true })), 'STREAM_CONCURRENT_LIMIT');
    await running.stop();
  });

  test('a follower takes no place at the provider', async () => {
    await using gateway = await start({ PROVIDER_CONCURRENT_LIMIT: '1', WORKERS: '1' });
    const { key } = await gateway.createKey();
    const same = body('[[sim:hold=0]]');
    const answers = await meeting(gateway, simulator, { calls: 1, followers: 5 }, () =>
      Array.from({ length: 6 }, () => gateway.chat(key, same)),
    );
    expect(answers.map((one) => one.status)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  test('a provider that is full says nothing of another', async () => {
    await using other = await startVendor(() => completion());
    await using gateway = await start({
      PROVIDER_CONCURRENT_LIMIT: '1',
      DEEPSEEK_API_KEY: 'sk-up',
      DEEPSEEK_BASE_URL: other.url,
    });
    const { key } = await gateway.createKey();
    const running = new Running(gateway, key);
    await running.start(body(SLOW));
    expect((await gateway.chat(key, body('', { model: 'deepseek-flash' }))).status).toBe(200);
    await expectTooMany(await gateway.chat(key, body()), 'openai');
    await running.stop();
  });

  test('what the machine cannot carry is clamped with a warning, never refused', async () => {
    await using gateway = await start({ GLOBAL_CONCURRENT_LIMIT: '1000000' });
    expect(gateway.output).toContain('GLOBAL_CONCURRENT_LIMIT is clamped from 1000000');
    const { key } = await gateway.createKey();
    expect((await gateway.chat(key, body())).status).toBe(200);
  });
});

describe('requests and tokens a minute', () => {
  const statuses = async (gateway: Gateway, key: string, times: number): Promise<number[]> => {
    const found: number[] = [];
    for (let index = 0; index < times; index++) {
      const response = await gateway.chat(key, body(), { connection: 'close' });
      await response.text();
      found.push(response.status);
    }
    return found;
  };

  test('RATE_LIMIT_RPM, over both threads; a limit of the key wins', async () => {
    await using gateway = await start({ RATE_LIMIT_RPM: '4' });
    const { key } = await gateway.createKey();
    expect(await statuses(gateway, key, 8)).toEqual([200, 200, 200, 200, 429, 429, 429, 429]);
    const response = await gateway.chat(key, body());
    expect(Number(response.headers.get('retry-after'))).toBeWithin(1, 61);
    const { message, type } = await expectError(response, 429, 'rate_limit_exceeded');
    expect(type).toBe('rate_limit_error');
    expect(message).toContain('4 requests');
    expect(await gateway.metric('rejected_total', { reason: 'rate' })).toBe(5);

    const wide = await gateway.createKey({ rpm: 6 });
    expect(await statuses(gateway, wide.key, 7)).toEqual([200, 200, 200, 200, 200, 200, 429]);
    const narrow = await gateway.createKey({ rpm: 1 });
    expect(await statuses(gateway, narrow.key, 2)).toEqual([200, 429]);
    await gateway.admin('PATCH', `/admin/api-keys/${narrow.id}`, { rpm: 2 });
    expect(await statuses(gateway, narrow.key, 2)).toEqual([200, 429]);
  });

  test('tokens: once they are used up, by usage as the vendor reports it', async () => {
    await using gateway = await start({ RATE_LIMIT_TPM: '100000' });
    const { key } = await gateway.createKey({ tpm: 10 });
    expect(await statuses(gateway, key, 3)).toEqual([200, 429, 429]);
    const wide = await gateway.createKey();
    expect(await statuses(gateway, wide.key, 3)).toEqual([200, 200, 200]);
  });

  test('RATE_LIMIT_ENABLED=false: none', async () => {
    await using gateway = await start({ RATE_LIMIT_ENABLED: 'false', RATE_LIMIT_RPM: '1' });
    const { key } = await gateway.createKey({ rpm: 1, tpm: 1 });
    expect(await statuses(gateway, key, 4)).toEqual([200, 200, 200, 200]);
  });

  test('unset: none', async () => {
    await using gateway = await start({});
    const { key } = await gateway.createKey();
    expect(new Set(await statuses(gateway, key, 30))).toEqual(new Set([200]));
  });
});
