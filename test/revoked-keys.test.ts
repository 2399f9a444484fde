import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import {
  ask,
  CHAT,
  CLAUDE,
  GPT,
  MESSAGES,
  startSetting,
  type Json,
  type Setting,
} from './support/anthropic.ts';
import { eventually, type CreatedKey } from './support/gateway.ts';
import { openRaw, statusOf, type RawConnection } from './support/raw-http.ts';

/**
 * A key that changes while a request is on its way between being let in and calling a vendor: once the change has been
 * answered, no call starts by the old record.
 */

const COUNT = `${MESSAGES}/count_tokens`;

const chat = (content: string): Json => ({ model: GPT, messages: [{ role: 'user', content }] });

/** A request whose key has been looked up and whose body is on its way: the gateway asks for it to go on. */
class HalfSent {
  readonly #connection: RawConnection;
  readonly #rest: string;

  constructor(connection: RawConnection, rest: string) {
    this.#connection = connection;
    this.#rest = rest;
  }

  static async open(url: string, path: string, key: string, body: Json, fields = ''): Promise<HalfSent> {
    const text = JSON.stringify(body);
    const half = text.length >> 1;
    const connection = await openRaw(url);
    await connection.send(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n` +
        `Expect: 100-continue\r\n${fields}Content-Length: ${text.length}\r\n\r\n`,
    );
    await connection.until((answer) => answer.includes('100 Continue'));
    await connection.send(text.slice(0, half));
    return new HalfSent(connection, text.slice(half));
  }

  /** Sends the rest; answers what came of it: status, and the error's code where there is one. */
  async finish(): Promise<string> {
    await this.#connection.send(this.#rest);
    const { text } = await this.#connection.until((all) => /\r\n\r\n\{.*\}\s*$/s.test(all));
    await this.#connection[Symbol.asyncDispose]();
    const code = /"code":"(\w+)"/.exec(text) ?? /"type":"(\w+_error)"/.exec(text);
    return `${statusOf({ text, closed: false })} ${code?.[1] ?? ''}`.trim();
  }
}

describe('while the body of a request comes', () => {
  let setting: Setting;
  beforeAll(async () => {
    setting = await startSetting();
  });
  afterAll(() => setting[Symbol.asyncDispose]());
  afterEach(() => setting.simulator.reset());

  const half = (key: string, content: string, fields = ''): Promise<HalfSent> =>
    HalfSent.open(setting.gateway.url, CHAT, key, chat(content), fields);
  const change = async (id: string, method: string, fields?: Json): Promise<void> => {
    expect((await setting.gateway.admin(method, `/admin/api-keys/${id}`, fields)).status).toBe(200);
  };

  test('a key is revoked: none of twenty calls a vendor, on either thread', async () => {
    const { id, key } = await setting.gateway.createKey();
    const begun = await Promise.all(Array.from({ length: 20 }, (_, index) => half(key, `half ${index}`)));
    await change(id, 'DELETE');
    const ends = await Promise.all(begun.map((one) => one.finish()));
    expect(new Set(ends)).toEqual(new Set(['401 invalid_api_key']));
    expect(setting.simulator.stats().received).toBe(0);
    await eventually(async () => (await setting.gateway.metric('in_flight')) === 0, 'no place is kept');
  });

  test('another key is revoked: the request goes on', async () => {
    const { key } = await setting.gateway.createKey();
    const { id } = await setting.gateway.createKey();
    const begun = await half(key, 'not mine');
    await change(id, 'DELETE');
    expect(await begun.finish()).toBe('200');
  });

  const changes: readonly (readonly [string, Json, Json, string, string])[] = [
    ['may no longer use the model', {}, { allowed_models: ['o3'] }, '', '403 model_not_allowed'],
    ['has nothing left', {}, { quota_usd: 0 }, '', '402 insufficient_quota'],
    ['has expired', {}, { expires_at: '2020-01-01T00:00:00Z' }, '', '401 invalid_api_key'],
    [
      'may no longer send bodies as they are',
      { passthrough: true },
      { passthrough: false },
      'x-tokenrouter-passthrough: on\r\n',
      '403 passthrough_not_allowed',
    ],
    ['has another name', {}, { name: 'renamed' }, '', '200'],
    ['may use the model now', { allowed_models: ['o3'] }, { allowed_models: null }, '', '200'],
  ];
  test.each(changes)(
    'a key is changed and %s: the new record counts',
    async (_, before, after, fields, end) => {
      const { id, key } = await setting.gateway.createKey(before);
      const begun = await half(key, 'changed', fields);
      await change(id, 'PATCH', after);
      expect(await begun.finish()).toBe(end);
      expect(setting.simulator.stats().received).toBe(end === '200' ? 1 : 0);
    },
  );

  test('a key expires', async () => {
    const expiresAtMs = Date.now() + 1_500;
    const { key } = await setting.gateway.createKey({ expires_at: new Date(expiresAtMs).toISOString() });
    const begun = await half(key, 'late');
    await eventually(() => Date.now() > expiresAtMs, 'the key has expired');
    expect(await begun.finish()).toBe('401 invalid_api_key');
    expect(setting.simulator.stats().received).toBe(0);
  });

  test('a key is revoked: no tokens are counted by the vendor', async () => {
    const { id, key } = await setting.gateway.createKey();
    const { max_tokens: _, ...question } = ask(CLAUDE, 'how many?');
    const begun = await HalfSent.open(setting.gateway.url, COUNT, key, question);
    await change(id, 'DELETE');
    expect(await begun.finish()).toBe('401 authentication_error');
    expect(setting.simulator.requests()).toHaveLength(0);
  });
});

describe('while a call waits for a connection to its vendor', () => {
  let setting: Setting;
  let busy: Promise<Response>;
  beforeAll(async () => {
    setting = await startSetting({ WORKERS: '1', PROXY_MAX_CONNS_PER_HOST: '1', DEDUP_SCOPE: 'global' });
  });
  afterAll(() => setting[Symbol.asyncDispose]());
  afterEach(() => setting.simulator.reset());

  /** The only connection to the vendor of that model is taken. */
  async function occupy(path: string, model: string): Promise<void> {
    busy = setting.post(path, ask(model, `busy ${crypto.randomUUID()} [[sim:hold=0]]`));
    await eventually(() => setting.simulator.stats().inFlight === 1, 'the connection is taken');
  }
  const waiting = (count: number): Promise<void> =>
    eventually(
      // Both vendors are the same server here, so each is told of all its connections.
      async () =>
        (await setting.gateway.metric('upstream_connections', { provider: 'openai', state: 'waiting' })) ===
        count,
      `${count} wait for it`,
    );
  async function release(): Promise<void> {
    setting.simulator.release();
    expect((await busy).status).toBe(200);
  }
  const send = (path: string, model: string, { key }: CreatedKey, content: string): Promise<Response> => {
    const { max_tokens: _, ...question } = ask(model, content);
    return setting.post(path, path === COUNT ? question : ask(model, content), {}, key);
  };
  const used = async ({ id }: CreatedKey): Promise<{ held_usd: number; spent_usd: number }> =>
    (await (await setting.gateway.admin('GET', `/admin/api-keys/${id}`)).json()) as never;

  const ways = [
    ['a chat', CHAT, GPT],
    ['a message', MESSAGES, CLAUDE],
    ['a count of tokens', COUNT, CLAUDE],
  ] as const;
  test.each(ways)('its key is revoked: %s does not start', async (_, path, model) => {
    await occupy(path === COUNT ? MESSAGES : path, model);
    const owner = await setting.gateway.createKey();
    // The same one twice: what follows a call that never was must not make it, either.
    const sent = [1, 2].map(() => send(path, model, owner, 'never'));
    await waiting(path === COUNT ? 2 : 1);
    if (path !== COUNT)
      await eventually(async () => (await setting.gateway.metric('in_flight')) === 3, 'the second follows');
    expect((await setting.gateway.admin('DELETE', `/admin/api-keys/${owner.id}`)).status).toBe(200);
    // Not when their turn would have come: the connection is still taken.
    for (const response of await Promise.all(sent)) expect(response.status).toBe(401);
    await waiting(0);
    const before = setting.simulator.requests().length;
    await release();
    expect((await send(path, model, await setting.gateway.createKey(), 'after it')).status).toBe(200);
    expect(setting.simulator.requests()).toHaveLength(before + 1);
    expect(await used(owner)).toMatchObject({ held_usd: 0, spent_usd: 0 });
    await eventually(async () => (await setting.gateway.metric('in_flight')) === 0, 'no place is kept');
  });

  test.each(ways)('its key is changed otherwise: %s starts when it may', async (_, path, model) => {
    await occupy(path === COUNT ? MESSAGES : path, model);
    const owner = await setting.gateway.createKey();
    const sent = send(path, model, owner, 'later');
    await waiting(1);
    expect(
      (await setting.gateway.admin('PATCH', `/admin/api-keys/${owner.id}`, { name: 'renamed' })).status,
    ).toBe(200);
    await waiting(1);
    const before = setting.simulator.requests().length;
    await release();
    const response = await sent;
    expect(`${response.status} ${await response.text()}`).toStartWith('200 ');
    expect(setting.simulator.requests()).toHaveLength(before + 1);
    expect(Buffer.from(setting.simulator.bodies().at(-1)!).toString()).toContain('later');
    expect((await used(owner)).held_usd).toBe(0);
  });

  test('its key is changed so that the model is not allowed any more: it does not start', async () => {
    await occupy(CHAT, GPT);
    const owner = await setting.gateway.createKey();
    const sent = send(CHAT, GPT, owner, 'not any more');
    await waiting(1);
    await setting.gateway.admin('PATCH', `/admin/api-keys/${owner.id}`, { allowed_models: ['o3'] });
    expect((await sent).status).toBe(403);
    await release();
  });

  test('its key is revoked: whoever follows it with another key makes the call', async () => {
    await occupy(CHAT, GPT);
    const [leader, follower] = [await setting.gateway.createKey(), await setting.gateway.createKey()];
    const first = send(CHAT, GPT, leader, 'shared');
    await waiting(1);
    const second = send(CHAT, GPT, follower, 'shared');
    await eventually(async () => (await setting.gateway.metric('in_flight')) === 3, 'it is followed');
    await setting.gateway.admin('DELETE', `/admin/api-keys/${leader.id}`);
    expect((await first).status).toBe(401);
    await release();
    const response = await second;
    expect(response.status).toBe(200);
    expect(response.headers.get('x-tokenrouter-dedup')).toBe('leader');
    expect(await used(leader)).toMatchObject({ held_usd: 0, spent_usd: 0 });
    await eventually(async () => (await used(follower)).spent_usd > 0, 'it has paid');
  });

  test('another key is revoked: it keeps its turn', async () => {
    await occupy(CHAT, GPT);
    const first = await setting.gateway.createKey();
    const sent = send(CHAT, GPT, first, 'mine');
    await waiting(1);
    const { id } = await setting.gateway.createKey();
    await setting.gateway.admin('DELETE', `/admin/api-keys/${id}`);
    await release();
    expect((await sent).status).toBe(200);
  });
});
