import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Simulator } from '../src/simulator/server.ts';
import { errorOf, expectError } from './support/errors.ts';
import { temporaryFolder } from './support/config-file.ts';
import { ADMIN_TOKEN, eventually, startGateway, type Gateway } from './support/gateway.ts';
import { keyView, settledUsd } from './support/money.ts';
import { openRaw, statusOf, type RawConnection } from './support/raw-http.ts';
import { startStage, type Stage } from './support/stage.ts';

let stage: Stage;
let simulator: Simulator;
let gateway: Gateway;

beforeAll(async () => {
  stage = await startStage({ key: null });
  ({ simulator, gateway } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

const chatBody = (content: string): object => ({ model: 'gpt-4o', messages: [{ role: 'user', content }] });
const NO_ID = '00000000-0000-4000-8000-000000000000';

describe('keys over HTTP', () => {
  test('made with everything, shown once', async () => {
    const fields = {
      name: 'all of it',
      quota_usd: 12.5,
      rpm: 100,
      tpm: 100_000,
      allowed_models: ['gpt-4o'],
      expires_at: '2099-01-01T00:00:00.000Z',
      tags: { team: 'a' },
      dedup: false,
      passthrough: true,
    };
    const response = await gateway.admin('POST', '/admin/api-keys', fields);
    expect(response.status).toBe(201);
    const created = (await response.json()) as Record<string, unknown>;
    expect(created).toMatchObject({
      ...fields,
      spent_usd: 0,
      held_usd: 0,
      last_used_at: null,
      revoked_at: null,
    });
    expect(created['id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(created['key']).toMatch(/^sk-tr-[0-9a-f]{48}$/);

    const { key: _key, ...shown } = created;
    expect(await keyView(gateway, String(created['id']))).toEqual(shown as never);
    const list = (await (await gateway.admin('GET', '/admin/api-keys')).json()) as { data: { id: string }[] };
    expect(list.data.find((one) => one.id === created['id'])).toEqual(shown as never);
  });

  test('made with a name alone: no limit, shared, not byte-exact', async () => {
    const response = await gateway.admin('POST', '/admin/api-keys', { name: 'plain' });
    expect(await response.json()).toMatchObject({
      quota_usd: null,
      rpm: null,
      tpm: null,
      allowed_models: null,
      expires_at: null,
      tags: {},
      dedup: true,
      passthrough: false,
    });
  });

  test('a key a hundred times is a hundred keys', async () => {
    const keys = await Promise.all(Array.from({ length: 100 }, () => gateway.createKey()));
    expect(new Set(keys.map((one) => one.key)).size).toBe(100);
    expect(new Set(keys.map((one) => one.id)).size).toBe(100);
  });

  const faults: readonly (readonly [object, string])[] = [
    [{}, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 5 }, 'name'],
    [{ name: 'x'.repeat(201) }, 'name'],
    [{ name: 'x', quota_usd: '5' }, 'quota_usd'],
    [{ name: 'x', quota_usd: -1 }, 'quota_usd'],
    [{ name: 'x', quota_usd: 1e12 }, 'quota_usd'],
    [{ name: 'x', rpm: 0 }, 'rpm'],
    [{ name: 'x', rpm: 1.5 }, 'rpm'],
    [{ name: 'x', tpm: -5 }, 'tpm'],
    [{ name: 'x', allowed_models: 'gpt-4o' }, 'allowed_models'],
    [{ name: 'x', allowed_models: [''] }, 'allowed_models.0'],
    [{ name: 'x', expires_at: 'tomorrow' }, 'expires_at'],
    [{ name: 'x', expires_at: '2026-02-30T00:00:00Z' }, 'expires_at'],
    [{ name: 'x', tags: { a: 1 } }, 'tags.a'],
    [{ name: 'x', dedup: 'no' }, 'dedup'],
    [{ name: 'x', passthrough: 1 }, 'passthrough'],
  ];
  test.each(faults)('%j is refused by name', async (body, param) => {
    const { message } = await expectError(
      await gateway.admin('POST', '/admin/api-keys', body),
      400,
      'invalid_value',
      param,
    );
    expect(message).toContain(param);
  });

  test('what is not known is refused, never ignored', async () => {
    const { message } = await expectError(
      await gateway.admin('POST', '/admin/api-keys', { name: 'x', quota: 5 }),
      400,
      'invalid_value',
      '',
    );
    expect(message).toContain('quota');
    const { id } = await gateway.createKey();
    await expectError(
      await gateway.admin('PATCH', `/admin/api-keys/${id}`, { spent_usd: 0 }),
      400,
      'invalid_value',
      '',
    );
  });

  test('a body that is no JSON object', async () => {
    for (const body of ['', '{', '[]', 'null', '"x"']) {
      const response = await fetch(`${gateway.url}/admin/api-keys`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
        body,
      });
      expect(response.status).toBe(400);
      errorOf(await response.text());
    }
  });

  test('a key that is not there', async () => {
    for (const id of [NO_ID, 'x', '%00', '%', `${NO_ID}'--`]) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const response = await gateway.admin(
          method,
          `/admin/api-keys/${id}`,
          method === 'PATCH' ? {} : undefined,
        );
        await expectError(response, 404, 'not_found');
      }
    }
  });

  test('changed: what is named, at once, on every thread', async () => {
    const { id, key } = await gateway.createKey({ quota_usd: 5, tags: { a: 'b' } });
    const statuses = async (): Promise<Set<number>> =>
      new Set(
        await Promise.all(
          Array.from(
            { length: 20 },
            async (_, index) =>
              (await gateway.chat(key, chatBody(`change ${index}`), { connection: 'close' })).status,
          ),
        ),
      );
    expect(await statuses()).toEqual(new Set([200]));
    const patch = async (change: object): Promise<Record<string, unknown>> => {
      const response = await gateway.admin('PATCH', `/admin/api-keys/${id}`, change);
      expect(response.status).toBe(200);
      return (await response.json()) as Record<string, unknown>;
    };
    expect(await patch({ allowed_models: ['o3'] })).toMatchObject({
      allowed_models: ['o3'],
      quota_usd: 5,
      tags: { a: 'b' },
    });
    expect(await statuses()).toEqual(new Set([403]));
    await patch({ allowed_models: null, quota_usd: 0 });
    expect(await statuses()).toEqual(new Set([402]));
    await patch({ quota_usd: null, expires_at: '2020-01-01T00:00:00Z' });
    expect(await statuses()).toEqual(new Set([401]));
    await patch({ expires_at: null });
    expect(await statuses()).toEqual(new Set([200]));
    expect(await patch({})).toMatchObject({ quota_usd: null, tags: { a: 'b' } });
  });
});

describe('at rest', () => {
  test('only a hash: the key is in no file', async () => {
    const { id, key } = await gateway.createKey({ name: 'find me in the file' });
    await gateway.chat(key, chatBody('used'));
    await settledUsd(gateway, id);
    const files = readdirSync(gateway.dataDir);
    expect(files).toContain('tokenrouter.db');
    const written = Buffer.concat(files.map((file) => readFileSync(join(gateway.dataDir, file)))).toString(
      'latin1',
    );
    expect(written).toContain('find me in the file');
    expect(written).toContain(new Bun.CryptoHasher('sha256').update(key).digest('hex'));
    expect(written.includes(key)).toBe(false);
    expect(written.includes(key.slice('sk-tr-'.length))).toBe(false);
    // Nothing but the prefix that the list shows.
    expect(written.includes(key.slice(0, 13))).toBe(false);
  });

  test('the log says nothing of keys', async () => {
    await using loud = await startGateway({ env: { ...stage.upstream, LOG_LEVEL: 'trace' } });
    const { key } = await loud.createKey();
    await loud.chat(key, chatBody('x'));
    await loud.chat(`${key}0`, chatBody('x'));
    await loud.stop();
    for (const secret of [key, 'sk-up', ADMIN_TOKEN]) expect(loud.output).not.toContain(secret);
  });
});

describe('revocation', () => {
  /** Which thread has answered: request ids begin with a mark of the thread. */
  const threadOf = (text: string): string => /x-request-id: (tr-[0-9a-f]{8})/.exec(text)?.[1] ?? '';
  const request = (key: string): string =>
    `GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`;

  async function ask(
    connection: RawConnection,
    key: string,
  ): Promise<{ status: number | null; thread: string }> {
    const before = connection.answer.text.length;
    await connection.send(request(key));
    const { text } = await connection.until((all) => all.slice(before).endsWith('}'));
    const answer = text.slice(before);
    return { status: statusOf({ text: answer, closed: false }), thread: threadOf(answer) };
  }

  test('is complete on every thread before it is answered', async () => {
    const connections = await Promise.all(Array.from({ length: 40 }, () => openRaw(gateway.url)));
    for (let round = 0; round < 5; round++) {
      const { id, key } = await gateway.createKey();
      const before = await Promise.all(connections.map((one) => ask(one, key)));
      expect(new Set(before.map((one) => one.status))).toEqual(new Set([200]));
      expect(new Set(before.map((one) => one.thread)).size).toBe(2);
      const response = await gateway.admin('DELETE', `/admin/api-keys/${id}`);
      expect(response.status).toBe(200);
      const after = await Promise.all(connections.map((one) => ask(one, key)));
      expect(new Set(after.map((one) => one.status))).toEqual(new Set([401]));
      expect(((await response.json()) as { revoked_at: string }).revoked_at).toMatch(/^\d{4}-/);
    }
    for (const connection of connections) await connection[Symbol.asyncDispose]();
  });

  test('is complete although threads are just looking the key up', async () => {
    const connections = await Promise.all(Array.from({ length: 20 }, () => openRaw(gateway.url)));
    for (let round = 0; round < 20; round++) {
      const { id, key } = await gateway.createKey();
      // Nobody has seen this key yet: each thread asks storage while the key is being revoked.
      const racing = Promise.all(connections.slice(0, 10).map((one) => ask(one, key)));
      await gateway.admin('DELETE', `/admin/api-keys/${id}`);
      const after = await Promise.all(connections.slice(10).map((one) => ask(one, key)));
      expect(new Set(after.map((one) => one.status))).toEqual(new Set([401]));
      for (const { status } of await racing) expect([200, 401]).toContain(status as number);
    }
    for (const connection of connections) await connection[Symbol.asyncDispose]();
  });

  test('twice is once; the first time stands', async () => {
    const { id } = await gateway.createKey();
    const revokedAt = async (): Promise<string> =>
      ((await (await gateway.admin('DELETE', `/admin/api-keys/${id}`)).json()) as { revoked_at: string })
        .revoked_at;
    const first = await revokedAt();
    expect(await revokedAt()).toBe(first);
    expect(await keyView(gateway, id)).toMatchObject({ revoked_at: first });
  });

  test('leaves what runs alone', async () => {
    const { id, key } = await gateway.createKey();
    const running = gateway.chat(key, { ...chatBody('[[sim:hold=0]] run on'), stream: true });
    await eventually(() => simulator.stats().inFlight === 1, 'the vendor works');
    await gateway.admin('DELETE', `/admin/api-keys/${id}`);
    simulator.release();
    const text = await (await running).text();
    expect(text).toEndWith('data: [DONE]\n\n');
    expect(await settledUsd(gateway, id)).toBeGreaterThan(0);
  });
});

describe('what a key has used', () => {
  test('holds while a call runs, then what it cost; when it was used; all of it after a restart', async () => {
    const dataDir = temporaryFolder();
    const first = await startGateway({ dataDir, env: stage.upstream });
    const { id, key } = await first.createKey({ quota_usd: 3 });
    expect(await keyView(first, id)).toMatchObject({ spent_usd: 0, held_usd: 0, last_used_at: null });

    const startedAtMs = Date.now();
    const running = first.chat(key, chatBody('[[sim:hold=0]]'));
    await eventually(async () => (await keyView(first, id)).held_usd > 0, 'money is held');
    expect((await keyView(first, id)).spent_usd).toBe(0);
    await eventually(() => simulator.stats().inFlight === 1, 'the vendor works');
    simulator.release();
    const costUsd = Number((await running).headers.get('x-tokenrouter-cost-usd'));
    expect(costUsd).toBeGreaterThan(0);
    const view = await keyView(first, id);
    expect(view).toMatchObject({ spent_usd: costUsd, held_usd: 0, quota_usd: 3 });
    const lastUsedMs = Date.parse(view.last_used_at ?? '');
    expect(lastUsedMs).toBeGreaterThanOrEqual(startedAtMs - 1);
    expect(lastUsedMs).toBeLessThanOrEqual(Date.now());

    const revoked = await first.createKey();
    await first.admin('DELETE', `/admin/api-keys/${revoked.id}`);
    expect(await first.stop()).toBe(0);

    await using second = await startGateway({ dataDir, env: stage.upstream });
    expect(await keyView(second, id)).toEqual(view);
    expect((await second.chat(revoked.key, chatBody('x'))).status).toBe(401);
    const again = Number((await second.chat(key, chatBody('again'))).headers.get('x-tokenrouter-cost-usd'));
    const after = await keyView(second, id);
    expect(after.spent_usd).toBeCloseTo(costUsd + again, 9);
    expect(Date.parse(after.last_used_at ?? '')).toBeGreaterThanOrEqual(lastUsedMs);
  });
});
