import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Simulator } from '../src/simulator/server.ts';
import { errorOf } from './support/errors.ts';
import { eventually, startGateway, type Gateway } from './support/gateway.ts';
import { meeting } from './support/meeting.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

/** A body of more than a megabyte is read and prepared in steps; nothing else may differ. */
let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage({
    simulator: { record: true },
    vendors: ['openai', 'anthropic'],
    env: { WORKERS: '1' },
  });
  ({ simulator, gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

const ESCAPES = String.raw`\u4e2d\ud83d\ude00\/\n`;
const TEXT = '中\u{1f600}/\n';
const TIMES = 100_000;

const bodyOf = (model: string, text: string): string =>
  `{ "model": "${model}", "max_tokens": 100, "messages": [{"role": "user", "content": "${text}"}] }`;
const post = (path: string, body: string, signal?: AbortSignal): Promise<Response> =>
  fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body,
    ...(signal === undefined ? {} : { signal }),
  });

interface Sent {
  readonly messages: readonly { readonly content: unknown }[];
}

/** What the vendor was sent last, as its one text. */
function lastText(): string {
  const { messages } = JSON.parse(Buffer.from(simulator.bodies().at(-1)!).toString()) as Sent;
  const { content } = messages.at(-1)!;
  return typeof content === 'string' ? content : (content as { readonly text: string }[])[0]!.text;
}

describe('a body of megabytes', () => {
  test.each([
    ['/v1/chat/completions', 'gpt-4o'],
    ['/v1/chat/completions', 'claude-opus-4-8'],
    ['/v1/messages', 'claude-opus-4-8'],
    ['/v1/messages', 'gpt-4o'],
  ])('%s on %s reaches its vendor to the letter', async (path, model) => {
    const response = await post(path, bodyOf(model, ESCAPES.repeat(TIMES)));
    expect([response.status, await response.text()]).toEqual([200, expect.anything() as string]);
    expect(lastText()).toBe(TEXT.repeat(TIMES));
  });

  test('is refused as a small one is, and counts no tokens that are not there', async () => {
    const broken = await post('/v1/chat/completions', bodyOf('gpt-4o', ESCAPES.repeat(TIMES)).slice(0, -1));
    expect([broken.status, errorOf(await broken.text()).code]).toEqual([400, 'invalid_json']);
    const twice = `{"model":"gpt-4o","other":[${'1 ,'.repeat(700_000)}1],"model":"gpt-4o","messages":[]}`;
    const refused = await post('/v1/chat/completions', twice);
    expect([refused.status, errorOf(await refused.text()).code]).toEqual([400, 'duplicate_key']);
    const count = await post('/v1/messages/count_tokens', bodyOf('gpt-4o', 'x'.repeat(2_000_000)));
    expect(await count.json()).toEqual({ input_tokens: expect.any(Number) as number });
  });

  test.each([
    [
      'tools',
      `"tools":[${Array.from({ length: 40_000 }, (_, index) => `{"type":"function","function":{"name":"f${(index * 7919) % 40_000}"}}`).join(',')}]`,
    ],
    ['keys', `"other":{${Array.from({ length: 200_000 }, (_, index) => `"k${index}":1`).join(',')}}`],
    ['arrays', `"other":[${'[[[[]]]],'.repeat(200_000)}1]`],
    ['stops', `"stop":[${'"x",'.repeat(300_000)}"x"]`],
  ])('of nothing but %s ends no thread, whoever it is for', async (_, member) => {
    const small = (): Promise<Response> =>
      post('/v1/chat/completions', bodyOf('gpt-4o', `small ${crypto.randomUUID()}`));
    for (const model of ['gpt-4o', 'claude-opus-4-8']) {
      const body = `{"model":"${model}","max_tokens":9,"messages":[{"role":"user","content":"x"}],${member}}`;
      expect(body.length).toBeGreaterThan(1024 * 1024);
      const answers = await Promise.all([
        post('/v1/chat/completions', body),
        ...Array.from({ length: 8 }, small),
      ]);
      expect(answers.map(({ status }) => status).slice(1)).toEqual(Array<number>(8).fill(200));
      expect([200, 400]).toContain(answers[0].status);
      await Promise.all(answers.map((answer) => answer.text()));
    }
    expect(gateway.output).not.toContain('a thread is');
  });

  test('is shared by those who send the same', async () => {
    const before = simulator.stats().received;
    const body = bodyOf('gpt-4o', `[[sim:hold=0]]${ESCAPES.repeat(TIMES)}`);
    const answers = await meeting(gateway, simulator, { calls: 1, followers: 2 }, () =>
      Array.from({ length: 3 }, () => post('/v1/chat/completions', body)),
    );
    const roles = answers.map(({ headers }) => headers.get('x-tokenrouter-dedup'));
    expect(roles.filter((role) => role === 'follower')).toHaveLength(2);
    expect(roles).toContain('leader');
    expect(simulator.stats().received).toBe(before + 1);
  });

  test('counts until it is prepared, and the largest of the key that holds most makes room', async () => {
    await using narrow = await startGateway({
      env: {
        WORKERS: '1',
        OPENAI_API_KEY: 'sk-up',
        OPENAI_BASE_URL: simulator.url,
        BODIES_MAX_BYTES: '8MiB',
        MAX_BODY_BYTES: '3MiB',
      },
    });
    const { key: greedy } = await narrow.createKey();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        fetch(`${narrow.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'x-api-key': greedy, 'content-type': 'application/json' },
          body: bodyOf('gpt-4o', `${index}${ESCAPES.repeat(TIMES)}`),
        }).then(async (response) => [response.status, await response.text()] as const),
      ),
    );
    const ended = answers.filter(([status]) => status === 408);
    expect(answers.filter(([status]) => status === 200).length).toBe(12 - ended.length);
    expect(ended.length).toBeGreaterThan(0);
    expect(ended.length).toBeLessThan(12);
    for (const [, text] of ended) expect(errorOf(text).code).toBe('bodies_over_budget');
    expect(await narrow.metric('unfinished_bodies')).toBe(0);
    expect(await narrow.metric('unfinished_body_bytes')).toBe(0);
  });

  test('is given up once its client has left, and others go on', async () => {
    const received = simulator.stats().received;
    const leaving = new AbortController();
    // Four at a time: some wait for others.
    const gone = Array.from({ length: 4 }, (_, index) =>
      post(
        '/v1/chat/completions',
        bodyOf('gpt-4o', `${index}${ESCAPES.repeat(8 * TIMES)}`),
        leaving.signal,
      ).catch(() => 'left'),
    );
    await eventually(
      async () => (await gateway.metric('in_flight')) + (await gateway.metric('unfinished_bodies')) > 0,
      'they have begun',
    );
    leaving.abort();
    await Promise.all(gone);
    const small = await post('/v1/chat/completions', bodyOf('gpt-4o', 'small'));
    expect(small.status).toBe(200);
    await eventually(async () => (await gateway.metric('in_flight')) === 0, 'no place is kept');
    expect(await gateway.metric('unfinished_bodies')).toBe(0);
    expect(await gateway.metric('unfinished_body_bytes')).toBe(0);
    expect(simulator.stats().received).toBeLessThanOrEqual(received + 5);
    expect(gateway.output).not.toContain('a thread is');
  });
});
