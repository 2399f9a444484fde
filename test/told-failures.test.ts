import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  CHAT,
  CLAUDE,
  eventsOf,
  GPT,
  MESSAGES,
  poster,
  WAYS,
  type Json,
  type Setting,
  type Way,
} from './support/anthropic.ts';
import { eventually, startGateway, type Gateway } from './support/gateway.ts';
import { keyView, settledUsd } from './support/money.ts';
import { chunk, completion, httpAnswer, startVendor, STREAM_HEAD, type Vendor } from './support/vendor.ts';

const SECRET = 'sk-upstream-secret-0123456789';
/** As large a prompt as makes a mistake plain: 100,000 tokens. */
const LONG = 'x'.repeat(400_000);

let vendor: Vendor;
let gateway: Gateway;
let post: Setting['post'];
let id: string;

beforeAll(async () => {
  vendor = await startVendor(() => completion());
  gateway = await startGateway({
    env: {
      WORKERS: '1',
      OPENAI_API_KEY: SECRET,
      OPENAI_BASE_URL: vendor.url,
      ANTHROPIC_API_KEY: SECRET,
      ANTHROPIC_BASE_URL: vendor.url,
    },
  });
  const created = await gateway.createKey({ quota_usd: 1_000 });
  ({ id } = created);
  post = poster(gateway, created.key);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

let count = 0;
const ask = ({ model, path }: Way, stream: boolean): Promise<Response> =>
  post(path, { model, max_tokens: 50, stream, messages: [{ role: 'user', content: `${count++} ${LONG}` }] });

const whole = (body: unknown): string => httpAnswer(200, JSON.stringify(body));
const streamOf = (...records: readonly string[]): string =>
  `${STREAM_HEAD}${chunk(records.join(''))}0\r\n\r\n`;
const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const DONE = 'data: [DONE]\n\n';
const isClaude = ({ model }: Way): boolean => model === CLAUDE;
const [onClaude, onGpt] = [CLAUDE, GPT].map((model) => WAYS.filter((way) => way.model === model));

/** What the key has spent while it did something. */
async function spentBy(work: () => Promise<void>): Promise<number> {
  const before = await settledUsd(gateway, id);
  await work();
  return (await settledUsd(gateway, id)) - before;
}

const counted = (status: number): Promise<number> =>
  gateway.metric('requests_total', { status: String(status) });

/** An error body in the words of the path's clients: its message. */
function told({ path }: Way, text: string): string {
  const body = JSON.parse(text) as { readonly type?: string; readonly error: { readonly message: string } };
  if (path === MESSAGES) expect(body.type).toBe('error');
  return body.error.message;
}

/** What vendors answer with 200, whole, and as what clients get it. */
const OPENAI_BODIES: readonly (readonly [body: Json, status: number])[] = [
  [{ error: { message: 'told', code: 502 } }, 502],
  [{ error: { message: 'told', code: 429 } }, 429],
  [{ error: { message: 'told', code: '400', type: 'x' }, choices: [] }, 400],
  [{ error: { message: 'told', code: 1234 }, choices: null, usage: null }, 502],
  [
    { id: 'x', error: { message: 'told', type: 'invalid_request_error', code: 'context_length_exceeded' } },
    400,
  ],
];

describe('a failure told with 200, whole', () => {
  test.each(onGpt!)('$name: is an error of its own status, and costs nothing', async (way) => {
    for (const [body, status] of OPENAI_BODIES) {
      for (const stream of [false, true]) {
        const before = await counted(status);
        vendor.script = () => whole(body);
        const spentUsd = await spentBy(async () => {
          const response = await ask(way, stream);
          const text = await response.text();
          expect([body, response.status]).toEqual([body, status]);
          expect(response.headers.get('content-type')).toBe('application/json');
          expect(response.headers.get('x-tokenrouter-cost-usd')).toBeNull();
          expect(told(way, text)).toBe('told');
        });
        expect(spentUsd).toBe(0);
        expect(await counted(status)).toBe(before + 1);
      }
    }
    expect(await counted(200)).toBe(0);
  });

  test.each(onClaude!)('$name: is an error of its own status, and costs nothing', async (way) => {
    for (const [type, status] of [
      ['overloaded_error', way.path === CHAT ? 503 : 529],
      ['invalid_request_error', 400],
      ['rate_limit_error', 429],
      ['api_error', 500],
    ] as const) {
      vendor.script = () => whole({ type: 'error', error: { type, message: 'told' } });
      const spentUsd = await spentBy(async () => {
        const response = await ask(way, false);
        expect([type, response.status]).toEqual([type, status]);
        expect(told(way, await response.text())).toBe('told');
      });
      expect(spentUsd).toBe(0);
    }
  });

  test.each(WAYS)('$name: in the shapes of other servers, too', async (way) => {
    for (const body of [
      { error: 'told' },
      { error: {} },
      { object: 'error', message: 'told', type: 'ServerError', code: 503 },
      { message: 'told', code: 500 },
      { detail: 'told' },
    ]) {
      vendor.script = () => whole(body);
      const spentUsd = await spentBy(async () => {
        const response = await ask(way, false);
        expect(response.status).toBeWithin(500, 530);
        const text = await response.text();
        if (body.error === undefined || typeof body.error === 'string') expect(text).toContain('told');
      });
      expect(spentUsd).toBe(0);
    }
  });

  test.each(WAYS)('$name: what it says of the gateway’s key stays here', async (way) => {
    for (const error of [
      { message: `no ${SECRET}`, code: 401 },
      { message: `no ${SECRET}`, code: 402 },
      { message: `no ${SECRET}`, type: 'permission_error' },
      { message: `no ${SECRET}`, type: 'invalid_request_error', code: 'invalid_api_key' },
    ]) {
      vendor.script = () => whole({ type: 'error', error });
      const spentUsd = await spentBy(async () => {
        const response = await ask(way, false);
        const text = await response.text();
        expect(response.status).toBe(502);
        expect(text).not.toContain(SECRET);
        expect(text).toContain('upstream_credentials');
      });
      expect(spentUsd).toBe(0);
    }
  });

  test('with usage beside it, that is paid', async () => {
    vendor.script = () =>
      whole({
        error: { message: 'm', code: 500 },
        choices: [],
        usage: { prompt_tokens: 1_000, completion_tokens: 0 },
      });
    const spentUsd = await spentBy(async () => {
      expect((await ask(onGpt![1]!, false)).status).toBe(500);
    });
    expect(spentUsd).toBeCloseTo(1_000 * 2.5e-6, 9);
  });

  test('beside an answer it is none: `error` is null, or there are choices', async () => {
    for (const error of [null, { message: 'one of two failed' }]) {
      vendor.script = () =>
        whole({
          choices: [
            { index: 0, message: { role: 'assistant', content: 'x'.repeat(4_000) }, finish_reason: 'stop' },
          ],
          error,
        });
      for (const way of onGpt!) {
        const spentUsd = await spentBy(async () => {
          const response = await ask(way, false);
          expect(response.status).toBe(200);
          await response.text();
        });
        // 100,000 tokens of prompt, 1,000 of answer.
        expect(spentUsd).toBeWithin(0.25, 0.3);
      }
    }
  });

  test('what is neither passes as it came, and costs nothing: no model has answered', async () => {
    vendor.script = () => whole({});
    const spentUsd = await spentBy(async () => {
      const response = await ask(onGpt![1]!, false);
      expect([response.status, await response.text()]).toEqual([200, '{}']);
    });
    expect(spentUsd).toBe(0);
  });

  test('is shared by all that wait for it', async () => {
    const socket = Promise.withResolvers<() => void>();
    vendor.script = (_request, connection) => {
      socket.resolve(() => void connection.write(whole({ error: { message: 'told', code: 503 } })));
      return null;
    };
    const following = (): Promise<number> => gateway.metric('dedup_requests_total', { role: 'follower' });
    const [before, failed] = [await following(), await counted(503)];
    const spentUsd = await spentBy(async () => {
      const body = { model: GPT, messages: [{ role: 'user', content: `shared ${LONG}` }] };
      const answers = Array.from({ length: 3 }, () => post(CHAT, body));
      await eventually(async () => (await following()) === before + 2, 'two followers');
      (await socket.promise)();
      for (const response of await Promise.all(answers))
        expect([response.status, told(onGpt![1]!, await response.text())]).toEqual([503, 'told']);
    });
    expect(spentUsd).toBe(0);
    expect(await counted(503)).toBe(failed + 3);
  });

  test('holds nothing once it is told', async () => {
    expect((await keyView(gateway, id)).held_usd).toBe(0);
  });

  test('a count of tokens is no exception', async () => {
    vendor.script = () => whole({ type: 'error', error: { type: 'overloaded_error', message: 'told' } });
    const body = { model: CLAUDE, messages: [{ role: 'user', content: 'x' }] };
    const response = await post(`${MESSAGES}/count_tokens`, body);
    expect([response.status, told(onClaude![0]!, await response.text())]).toEqual([529, 'told']);
  });
});

describe('a failure told in a stream', () => {
  /** A stream's error record as its clients get it. Nothing is behind it; in the middle of an answer in their dialect, what the vendor sent. */
  async function expectError(way: Way, response: Response, words: string, behind = ''): Promise<void> {
    expect(response.status).toBe(200);
    const whole = await response.text();
    expect(whole).toEndWith(behind);
    const text = whole.slice(0, whole.length - behind.length);
    const last = eventsOf(text).at(-1)!;
    expect(last.event).toBe(way.path === CHAT ? null : 'error');
    expect(JSON.stringify(JSON.parse(last.data))).toContain(words);
    for (const end of ['[DONE]', 'message_stop', 'estimated']) expect(text).not.toContain(end);
  }

  test.each(WAYS)('$name: as its only record it costs nothing', async (way) => {
    const native = { type: 'error', error: { type: 'overloaded_error', message: 'told' } };
    for (const record of [
      isClaude(way) ? native : { error: { message: 'told', code: 502 } },
      { error: { message: 'told', type: 'overloaded_error' } },
      { error: 'told' },
      { object: 'error', message: 'told', code: 500 },
      { message: 'told', code: 500 },
      { detail: 'told' },
    ]) {
      vendor.script = () => streamOf(`${isClaude(way) ? 'event: error\n' : ''}${data(record)}`, DONE);
      const spentUsd = await spentBy(async () => expectError(way, await ask(way, true), 'told'));
      expect([record, spentUsd]).toEqual([record, 0]);
    }
    vendor.script = () => streamOf(data({ error: { message: SECRET, code: 401 } }), DONE);
    const spentUsd = await spentBy(async () => {
      const response = await ask(way, true);
      const text = await response.text();
      expect(text).not.toContain(SECRET);
      expect(text).toContain('upstream_credentials');
    });
    expect(spentUsd).toBe(0);
  });

  test.each(onGpt!)('$name: behind some content what came is paid, and the prompt', async (way) => {
    const delta = { choices: [{ index: 0, delta: { content: 'x'.repeat(40_000) }, finish_reason: null }] };
    vendor.script = () => streamOf(data(delta), data({ error: { message: 'told', code: 502 } }), DONE);
    const behind = way.path === CHAT ? DONE : '';
    const spentUsd = await spentBy(async () => expectError(way, await ask(way, true), 'told', behind));
    // 100,000 tokens at 2.5, and 10,000 at 10.
    expect(spentUsd).toBeWithin(0.349, 0.351);
  });

  test.each(onGpt!)('$name: with usage that is paid, whether in its record or behind it', async (way) => {
    const usage = { prompt_tokens: 1_000, completion_tokens: 0 };
    vendor.script = () => streamOf(data({ error: { message: 'told', code: 502 }, choices: [], usage }), DONE);
    const spentUsd = await spentBy(async () => expectError(way, await ask(way, true), 'told'));
    expect(spentUsd).toBeCloseTo(0.0025, 9);
  });

  test.each(onClaude!)(
    '$name: behind the start of a message the vendor has told what it costs',
    async (way) => {
      const message = {
        id: 'msg_1',
        model: CLAUDE,
        content: [],
        usage: { input_tokens: 1_000, output_tokens: 1 },
      };
      vendor.script = () =>
        streamOf(
          `event: message_start\n${data({ type: 'message_start', message })}`,
          `event: error\n${data({ type: 'error', error: { type: 'overloaded_error', message: 'told' } })}`,
        );
      const spentUsd = await spentBy(async () => expectError(way, await ask(way, true), 'told'));
      expect(spentUsd).toBeCloseTo(1_000 * 5e-6 + 25e-6, 9);
    },
  );
});
