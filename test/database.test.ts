import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { startSimulator, type Simulator } from '../src/simulator/server.ts';
import { temporaryFolder } from './support/config-file.ts';
import { expectError } from './support/errors.ts';
import { eventually, startGateway, type CreatedKey, type Gateway } from './support/gateway.ts';

let simulator: Simulator;
beforeAll(() => {
  simulator = startSimulator({ port: 0 });
});
afterAll(() => simulator.stop());

const start = (dataDir?: string): Promise<Gateway> =>
  startGateway({
    env: { OPENAI_API_KEY: 'sk-up', OPENAI_BASE_URL: simulator.url },
    ...(dataDir === undefined ? {} : { dataDir }),
  });
const body = () => ({ model: 'gpt-4o', messages: [{ role: 'user', content: crypto.randomUUID() }] });

/** An answer's cost, in nano-USD. */
async function spend(gateway: Gateway, key: CreatedKey): Promise<number> {
  const response = await gateway.chat(key.key, body());
  expect(response.status).toBe(200);
  await response.text();
  const costUsd = Number(response.headers.get('x-tokenrouter-cost-usd'));
  expect(costUsd).toBeGreaterThan(0);
  return Math.round(costUsd * 1e9);
}

interface Row {
  readonly name: string;
  readonly spent_nano_usd: number;
  readonly revoked_at: number | null;
}

function rowOf(path: string, id: string): Row | null {
  using database = new Database(path, { readonly: true });
  database.run('PRAGMA busy_timeout = 10000');
  return database.query<Row, [string]>('SELECT * FROM api_keys WHERE id = ?').get(id);
}

const LOCKER = `
import { Database } from 'bun:sqlite';
const database = new Database(process.argv[1]);
// The gateway may be writing just now.
database.run('PRAGMA busy_timeout = 10000');
database.run('BEGIN IMMEDIATE');
console.log('locked');
await Bun.stdin.text();
database.run('ROLLBACK');
database.close();
`;

/** Another process that holds the write lock of a gateway's database. */
async function lock(gateway: Gateway): Promise<{ free(): Promise<void> }> {
  const child = Bun.spawn([process.execPath, '-e', LOCKER, join(gateway.dataDir, 'tokenrouter.db')], {
    stdin: 'pipe',
    stdout: 'pipe',
  });
  const reader = child.stdout.getReader();
  expect(Buffer.from((await reader.read()).value ?? []).toString()).toContain('locked');
  return {
    async free() {
      await child.stdin.end();
      expect(await child.exited).toBe(0);
    },
  };
}

describe('a database that another process has locked for writing', () => {
  test('keys are looked up, changes wait, spending arrives once, and no thread is replaced', async () => {
    await using gateway = await start();
    const [known, unseen] = [await gateway.createKey(), await gateway.createKey()];
    const path = join(gateway.dataDir, 'tokenrouter.db');
    const stored = await spend(gateway, known);
    await eventually(() => rowOf(path, known.id)?.spent_nano_usd === stored, 'the first call is stored');
    const spent: [known: number, unseen: number] = [stored, 0];

    const other = await lock(gateway);
    spent[0] += await spend(gateway, known);
    const renamed = gateway.admin('PATCH', `/admin/api-keys/${known.id}`, { name: 'renamed' });
    // None of this waits for the lock, which nobody gives up before it is answered.
    spent[1] += await spend(gateway, unseen);
    expect((await gateway.admin('GET', `/admin/api-keys/${unseen.id}`)).status).toBe(200);
    expect(rowOf(path, known.id)).toMatchObject({ name: 'test', spent_nano_usd: stored });
    await other.free();

    expect((await renamed).status).toBe(200);
    expect(rowOf(path, known.id)?.name).toBe('renamed');
    for (const [index, key] of [known, unseen].entries())
      await eventually(() => rowOf(path, key.id)?.spent_nano_usd === spent[index], 'all of it is stored');
    expect(await gateway.stop()).toBe(0);
    for (const [index, key] of [known, unseen].entries())
      expect(rowOf(path, key.id)?.spent_nano_usd).toBe(spent[index]);
    expect(gateway.output).not.toMatch(/a thread is (stuck|gone)/);
  }, 40_000);

  test('for longer than a change can wait: it is refused, and not made afterwards', async () => {
    await using gateway = await start();
    const key = await gateway.createKey();
    const path = join(gateway.dataDir, 'tokenrouter.db');
    await spend(gateway, key);
    const other = await lock(gateway);
    const refused = await Promise.all([
      gateway.admin('DELETE', `/admin/api-keys/${key.id}`),
      gateway.admin('PATCH', `/admin/api-keys/${key.id}`, { name: 'renamed' }),
      gateway.admin('POST', '/admin/api-keys', { name: 'never made' }),
    ]);
    for (const response of refused) {
      const error = await expectError(response, 503, 'storage_unavailable');
      expect(error.message).toContain('Nothing was changed');
      expect(error.message).toContain('locked by another process');
    }
    await other.free();
    await spend(gateway, key);
    // A change that is made now would come behind one that was still waiting.
    expect((await gateway.admin('PATCH', `/admin/api-keys/${key.id}`, { rpm: 1_000 })).status).toBe(200);
    expect(rowOf(path, key.id)).toMatchObject({ name: 'test', revoked_at: null });
    const { data } = (await (await gateway.admin('GET', '/admin/api-keys')).json()) as { data: unknown[] };
    expect(data).toHaveLength(1);
    expect(gateway.output).not.toMatch(/a thread is (stuck|gone)/);
  }, 40_000);
});

describe('what is stored', () => {
  test('is in the one file after a clean stop', async () => {
    await using gateway = await start();
    const key = await gateway.createKey();
    const spent = await spend(gateway, key);
    expect(await gateway.stop()).toBe(0);
    const path = join(gateway.dataDir, 'tokenrouter.db');
    expect(existsSync(`${path}-wal`)).toBe(false);
    const copy = join(temporaryFolder(), 'tokenrouter.db');
    copyFileSync(path, copy);
    expect(rowOf(copy, key.id)).toMatchObject({ name: 'test', spent_nano_usd: spent });
  });

  test('outlives a kill', async () => {
    await using gateway = await start();
    const key = await gateway.createKey();
    const spent = await spend(gateway, key);
    const path = join(gateway.dataDir, 'tokenrouter.db');
    await eventually(() => rowOf(path, key.id)?.spent_nano_usd === spent, 'the call is stored');
    gateway.process.kill('SIGKILL');
    await gateway.process.exited;
    await using again = await start(gateway.dataDir);
    const found = (await (await again.admin('GET', `/admin/api-keys/${key.id}`)).json()) as {
      spent_usd: number;
    };
    expect(Math.round(found.spent_usd * 1e9)).toBe(spent);
    await spend(again, key);
  });
});
