import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { startSimulator, type Simulator } from '../src/simulator/server.ts';
import { ADMIN_TOKEN, eventually, runCommand, startGateway, turnsAway } from './support/gateway.ts';

let simulator: Simulator;
beforeAll(() => {
  simulator = startSimulator({ port: 0 });
});
afterAll(() => simulator.stop());

const env = (): Record<string, string> => ({ OPENAI_API_KEY: 'sk-up', OPENAI_BASE_URL: simulator.url });
const body = (content: string, more: object = {}) => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content }],
  ...more,
});

describe('a stop', () => {
  test('finishes what runs, refuses what is new, and exits with 0', async () => {
    await using gateway = await startGateway({ env: env() });
    const { key } = await gateway.createKey();
    simulator.reset();
    const slow = gateway.chat(key, body('slow [[sim:hold=0]]'));
    const stream = await gateway.chat(key, body('stream [[sim:chunks=30]] [[sim:hold=3]]', { stream: true }));
    await eventually(() => simulator.stats().inFlight === 2, 'both calls run');
    const exited = gateway.stop();
    await eventually(() => turnsAway(gateway.url), 'nobody is let in');
    simulator.release();
    const [whole, streamed] = await Promise.all([slow.then((one) => one.json()), stream.text()]);
    expect(whole).toHaveProperty('choices');
    expect(streamed).toEndWith('data: [DONE]\n\n');
    expect(await exited).toBe(0);
    expect(fetch(gateway.url)).rejects.toThrow();
  });

  test('cuts off what takes longer than SHUTDOWN_TIMEOUT, and still exits with 0', async () => {
    await using gateway = await startGateway({ env: { ...env(), SHUTDOWN_TIMEOUT: '200ms' } });
    const { key } = await gateway.createKey();
    simulator.reset();
    const slow = gateway.chat(key, body('too slow [[sim:delay=20000]]')).then(
      () => 'answered',
      () => 'cut',
    );
    await eventually(() => simulator.stats().inFlight === 1, 'the call runs');
    expect(await gateway.stop()).toBe(0);
    expect(await slow).toBe('cut');
    expect(gateway.output).toContain('cut off at the shutdown timeout');
  });

  test('SIGINT is a stop, too; what was spent is stored', async () => {
    await using gateway = await startGateway({ env: env() });
    const { key, id } = await gateway.createKey();
    const response = await gateway.chat(key, body('spend'));
    const cost = Number(response.headers.get('x-tokenrouter-cost-usd'));
    expect(cost).toBeGreaterThan(0);
    expect(await gateway.stop('SIGINT')).toBe(0);
    await using again = await startGateway({ env: env(), dataDir: gateway.dataDir });
    const stored = (await (await again.admin('GET', `/admin/api-keys/${id}`)).json()) as {
      spent_usd: number;
    };
    expect(stored.spent_usd).toBeCloseTo(cost, 9);
  });
});

describe('when no thread can be replaced any more', () => {
  test('what runs is finished, what was spent is stored, and the process ends with 1 and says why', async () => {
    await using gateway = await startGateway({ env: env(), entry: 'test/support/serve-to-the-end.ts' });
    const { key, id } = await gateway.createKey();
    simulator.reset();
    const endOne = (): void => {
      gateway.process.kill('SIGUSR2');
    };
    endOne();
    await gateway.printed(/starting its successor/);
    // Request ids begin with a mark of the thread.
    const threads = new Set<string>();
    await eventually(async () => {
      const response = await fetch(`${gateway.url}/v1/models`, {
        headers: { authorization: `Bearer ${key}`, connection: 'close' },
      }).catch(() => null);
      if (response !== null) threads.add(response.headers.get('x-request-id')!.slice(0, 11));
      return threads.size === 2;
    }, 'the last successor listens');
    // On both threads; those of the one that ends are cut off.
    const calls = Array.from({ length: 16 }, (_, index) =>
      gateway.chat(key, body(`slow ${index} [[sim:hold=0]]`), { connection: 'close' }).then(
        (response) => Number(response.headers.get('x-tokenrouter-cost-usd')),
        () => null,
      ),
    );
    await eventually(() => simulator.stats().inFlight === calls.length, 'the calls run');
    endOne();
    await gateway.printed(/no incarnation is left/);
    await eventually(() => turnsAway(gateway.url), 'nobody is let in');
    simulator.release();
    const costs = (await Promise.all(calls)).filter((cost) => cost !== null);
    expect(costs.length).toBeGreaterThan(0);
    expect(await gateway.process.exited).toBe(1);
    await using again = await startGateway({ env: env(), dataDir: gateway.dataDir });
    const stored = (await (await again.admin('GET', `/admin/api-keys/${id}`)).json()) as {
      spent_usd: number;
    };
    expect(stored.spent_usd).toBeCloseTo(
      costs.reduce((sum, cost) => sum + cost, 0),
      9,
    );
  });
});

describe('a database that another process has locked', () => {
  const spentUsd = (dataDir: string): number => {
    using database = new Database(join(dataDir, 'tokenrouter.db'), { readonly: true });
    database.run('PRAGMA busy_timeout = 10000');
    return database
      .query<{ spent: number }, []>('SELECT SUM(spent_nano_usd) / 1e9 AS spent FROM api_keys')
      .get()!.spent;
  };

  test('for longer than a storage call may take: what was spent is stored before the exit', async () => {
    await using gateway = await startGateway({ env: env() });
    const { key } = await gateway.createKey();
    const costUsd = async (): Promise<number> =>
      Number((await gateway.chat(key, body(crypto.randomUUID()))).headers.get('x-tokenrouter-cost-usd'));
    const first = await costUsd();
    await eventually(() => spentUsd(gateway.dataDir) > 0, 'the first call is stored');
    using other = new Database(join(gateway.dataDir, 'tokenrouter.db'));
    // The gateway may be writing just now.
    other.run('PRAGMA busy_timeout = 10000');
    other.run('BEGIN IMMEDIATE');
    const second = await costUsd();
    const exited = gateway.stop();
    await eventually(() => gateway.output.includes('the last spending could not be stored'), 'a try failed');
    other.run('ROLLBACK');
    expect(await exited).toBe(0);
    expect(spentUsd(gateway.dataDir)).toBeCloseTo(first + second, 9);
  }, 40_000);
});

describe('a second instance', () => {
  test('on the same port fails by name', async () => {
    await using gateway = await startGateway({ env: env() });
    const { process: second, output } = runCommand(['serve'], {
      ...env(),
      PORT: new URL(gateway.url).port,
      HOST: '127.0.0.1',
      DATA_DIR: gateway.dataDir,
      ADMIN_TOKEN,
    });
    expect(await second.exited).toBe(1);
    expect(output.text).toMatch(/port \d+ on 127\.0\.0\.1 is in use: another instance of tokenrouter/);
  });
});
