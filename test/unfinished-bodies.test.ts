import { afterEach, describe, expect, test } from 'bun:test';
import { errorOf } from './support/errors.ts';
import { eventually, type Gateway } from './support/gateway.ts';
import { bodyOf, openRaw, rawChat, statusOf, type RawConnection } from './support/raw-http.ts';
import { startStage, type Stage } from './support/stage.ts';

const MIB = 1024 * 1024;
const good = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };

let stage: Stage;
let gateway: Gateway;
const open: RawConnection[] = [];

async function start(env: Record<string, string>): Promise<void> {
  stage = await startStage({ env, key: null });
  ({ gateway } = stage);
}

/** Sends a head and the beginning of its body. */
async function begin(key: string, bytes: number, of = bytes + 1): Promise<RawConnection> {
  const connection = await openRaw(gateway.url);
  open.push(connection);
  await connection.send(rawChat(key, `Content-Length: ${of}\r\n`, ''));
  await connection.send(Buffer.alloc(bytes, 0x20));
  return connection;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection[Symbol.asyncDispose]()));
  await stage[Symbol.asyncDispose]();
});

describe('bodies that do not come to an end', () => {
  test('hold no places: whoever sends more of them than there are locks nobody out', async () => {
    await start({ GLOBAL_CONCURRENT_LIMIT: '20' });
    const [slow, other] = [await gateway.createKey(), await gateway.createKey()];
    const connections = await Promise.all(Array.from({ length: 40 }, () => begin(slow.key, 10)));
    await eventually(
      async () => (await gateway.metric('unfinished_bodies')) === 40,
      'all of them have begun',
    );
    for (let call = 0; call < 20; call++) {
      await Promise.all(connections.map((connection) => connection.send(' ')));
      const answer = await gateway.chat(other.key, {
        ...good,
        messages: [{ role: 'user', content: `${call}` }],
      });
      expect(answer.status).toBe(200);
    }
    expect(await gateway.metric('in_flight')).toBe(0);
  });

  test('have a time, however busily they come, in the words of both dialects', async () => {
    await start({ BODY_TIMEOUT: '1s' });
    const { key } = await gateway.createKey();
    const [chat, messages] = [await begin(key, 10, 1_000), await openRaw(gateway.url)];
    open.push(messages);
    await messages.send(
      `POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: ${key}\r\ncontent-type: application/json\r\n` +
        'Content-Length: 1000\r\n\r\n{',
    );
    const drip = setInterval(() => void chat.send(' '), 50);
    const [one, other] = await Promise.all([
      chat.until(() => false, 20_000),
      messages.until(() => false, 20_000),
    ]);
    clearInterval(drip);
    expect([statusOf(one), statusOf(other), one.closed, other.closed]).toEqual([408, 408, true, true]);
    expect(errorOf(bodyOf(one))).toMatchObject({ code: 'body_timeout', type: 'invalid_request_error' });
    expect(JSON.parse(bodyOf(other))).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', details: { error_code: 'body_timeout' } },
    });
    expect(await gateway.metric('rejected_total', { reason: 'body_timeout' })).toBe(2);
    expect((await gateway.chat(key, good)).status).toBe(200);
  });

  test("hold no more than they may: the heaviest key's largest goes, and small ones always enter", async () => {
    await start({ MAX_BODY_BYTES: '4MiB', BODIES_MAX_BYTES: '12MiB' });
    const [heavy, other] = [await gateway.createKey(), await gateway.createKey()];
    const held = async (bytes: number): Promise<void> =>
      eventually(
        async () => (await gateway.metric('unfinished_body_bytes')) === bytes,
        `${bytes} bytes are held`,
      );
    const largest = await begin(heavy.key, 2.5 * MIB);
    await held(2.5 * MIB);
    const fair = await begin(other.key, 3 * MIB, 4 * MIB);
    await held(5.5 * MIB);
    // A key may have a body of the largest size at least: 4 MiB here.
    const next = await begin(heavy.key, 2 * MIB);
    const refused = await largest.until(() => false);
    expect([statusOf(refused), refused.closed]).toEqual([408, true]);
    expect(errorOf(bodyOf(refused)).code).toBe('bodies_over_budget');
    await held(5 * MIB);
    for (let call = 0; call < 5; call++) {
      const answer = await gateway.chat(heavy.key, {
        ...good,
        user: `${call}`,
        metadata: { x: 'y'.repeat(40_000) },
      });
      expect(answer.status).toBe(200);
    }
    // A whole body does not stay counted, and its connection goes on.
    await fair.send(Buffer.from(JSON.stringify(good).padEnd(MIB)));
    expect(statusOf(await fair.until((text) => text.includes('chat.completion')))).toBe(200);
    await held(2 * MIB);
    expect(next.answer.closed).toBe(false);
    expect(await gateway.metric('rejected_total', { reason: 'body_budget' })).toBe(1);
  });

  test('come to an end where several threads want more room than there is, one way or the other and soon', async () => {
    await start({ WORKERS: '2', MAX_BODY_BYTES: '4MiB', BODIES_MAX_BYTES: '12MiB' });
    const keys = await Promise.all(Array.from({ length: 6 }, () => gateway.createKey()));
    const bytes = 3 * MIB;
    const connections = await Promise.all(
      Array.from({ length: 24 }, (_, index) => begin(keys[index % keys.length]!.key, MIB, bytes)),
    );
    const [rest, last] = [Buffer.alloc(MIB, 0x20), Buffer.from(JSON.stringify(good).padEnd(MIB))];
    const startedMs = performance.now();
    const answers = await Promise.all(
      connections.map(async (connection) => {
        await connection.send(rest);
        await connection.send(last);
        return statusOf(await connection.until((text) => /^HTTP.*\r\n\r\n./s.test(text), 20_000));
      }),
    );
    // Those who wait are read again within some beats; nothing of it waits for a time limit.
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    const ended = answers.filter((status) => status === 408).length;
    expect(answers.filter((status) => status === 200)).toHaveLength(answers.length - ended);
    expect(ended).toBeWithin(1, answers.length);
    for (const name of ['unfinished_bodies', 'unfinished_body_bytes'])
      await eventually(async () => (await gateway.metric(name)) === 0, `${name} is 0`);
  });

  test('count for nothing once their clients have left, also where they wait for room', async () => {
    await start({ WORKERS: '2', MAX_BODY_BYTES: '4MiB', BODIES_MAX_BYTES: '8MiB' });
    const keys = await Promise.all(Array.from({ length: 4 }, () => gateway.createKey()));
    const connections = await Promise.all(
      Array.from({ length: 16 }, (_, index) => begin(keys[index % keys.length]!.key, MIB, 4 * MIB)),
    );
    const rest = Buffer.alloc(2 * MIB, 0x20);
    for (const [index, connection] of connections.entries()) {
      void connection.send(rest);
      if (index % 2 === 0) connection.finish();
      else connection.reset();
    }
    for (const name of ['unfinished_bodies', 'unfinished_body_bytes'])
      await eventually(async () => (await gateway.metric(name)) === 0, `${name} is 0`);
    expect((await gateway.chat(keys[0]!.key, good)).status).toBe(200);
  });

  test('are not waited for by a stop', async () => {
    await start({});
    const { key } = await gateway.createKey();
    const silent = await begin(key, 10);
    const busy = await begin(key, 10, 20);
    await eventually(async () => (await gateway.metric('unfinished_bodies')) === 2, 'both have begun');
    const stopped = gateway.stop();
    await gateway.printed(/stopping|$/);
    // Who goes on is answered, whose rest does not come is let go long before the limit of the stop.
    await busy.send('          ');
    expect(statusOf(await busy.until(() => false, 20_000))).toBe(400);
    expect((await silent.until(() => false, 20_000)).closed).toBe(true);
    expect(await stopped).toBe(0);
  });
});
