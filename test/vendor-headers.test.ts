import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  ask,
  CLAUDE,
  eventsOf,
  MESSAGES,
  poster,
  WAYS,
  type Json,
  type Setting,
} from './support/anthropic.ts';
import { startGateway, type Gateway } from './support/gateway.ts';
import {
  chunk,
  completion,
  delta,
  httpAnswer,
  startVendor,
  STREAM_HEAD,
  type Vendor,
} from './support/vendor.ts';

const RESET_AT = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');
const OPENAI = {
  'x-ratelimit-limit-requests': '100',
  'x-ratelimit-remaining-requests': '99',
  'x-ratelimit-reset-requests': '1h0m0s',
  'x-ratelimit-limit-tokens': '1000',
};
const ANTHROPIC = {
  'anthropic-ratelimit-requests-limit': '100',
  'anthropic-ratelimit-requests-remaining': '99',
  'anthropic-ratelimit-requests-reset': RESET_AT,
  'anthropic-ratelimit-tokens-limit': '1000',
  'anthropic-ratelimit-input-tokens-limit': '900',
};
const SECRETS = { 'set-cookie': 'a=b', 'openai-organization': 'org', 'anthropic-organization-id': 'org' };

const message = JSON.stringify({
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  model: CLAUDE,
  content: [{ type: 'text', text: 'hello' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 2 },
});
const STARTED = `event: message_start\ndata: ${JSON.stringify({
  type: 'message_start',
  message: { ...(JSON.parse(message) as Json), content: [], stop_reason: null },
})}\n\n`;

let vendor: Vendor;
let gateway: Gateway;
let post: Setting['post'];
/** What the vendor sends next. */
let mode: 'ok' | 'quiet' | 'refuse' | 'cut' = 'ok';

beforeAll(async () => {
  vendor = await startVendor(({ target }, socket) => {
    const isMessages = target.startsWith('/v1/messages');
    const limits = mode === 'quiet' ? {} : isMessages ? ANTHROPIC : OPENAI;
    const headers = { 'content-type': 'application/json', ...limits, ...SECRETS };
    const id = { [isMessages ? 'request-id' : 'x-request-id']: 'req_vendor' };
    if (mode === 'cut') {
      socket.end(STREAM_HEAD + chunk(isMessages ? STARTED : delta('hel')));
      return null;
    }
    if (mode === 'refuse')
      return httpAnswer(429, '{"error":{"type":"rate_limit_error","message":"slow down"}}', {
        ...headers,
        ...id,
        'retry-after': '7',
      });
    const whole = isMessages ? message : completion().split('\r\n\r\n')[1]!;
    return httpAnswer(200, whole, { ...headers, ...id });
  });
  gateway = await startGateway({
    env: {
      OPENAI_API_KEY: 'sk-up',
      OPENAI_BASE_URL: vendor.url,
      ANTHROPIC_API_KEY: 'sk-ant',
      ANTHROPIC_BASE_URL: vendor.url,
    },
  });
  post = poster(gateway, (await gateway.createKey()).key);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

describe.each(WAYS)('$name', ({ model, path }) => {
  const same = (path === MESSAGES) === (model === CLAUDE);
  const ofVendor = model === CLAUDE ? ANTHROPIC : OPENAI;

  /** The limits of an answer, as its client reads them. */
  function expectLimits({ headers }: Response): void {
    const told = [...headers].filter(([name]) => name.includes('ratelimit'));
    if (same) {
      expect(Object.fromEntries(told)).toEqual(ofVendor);
      return;
    }
    const name = (what: string, figure: string): string =>
      path === MESSAGES ? `anthropic-ratelimit-${what}-${figure}` : `x-ratelimit-${figure}-${what}`;
    expect(headers.get(name('requests', 'limit'))).toBe('100');
    expect(headers.get(name('requests', 'remaining'))).toBe('99');
    expect(headers.get(name('tokens', 'limit'))).toBe('1000');
    // One dialect tells a time, the other how long it is until then.
    const reset = headers.get(name('requests', 'reset')) ?? '';
    if (path === MESSAGES) expect(Date.parse(reset) - Date.parse(RESET_AT)).toBeWithin(-1_000, 60_000);
    else expect(reset).toMatch(/^(1h0m0s|59m\d+s)$/);
    // OpenAI has no name for Anthropic's input tokens.
    expect(told).toHaveLength(4);
  }

  test("the vendor's limits are told under the client's names, nothing else of it", async () => {
    mode = 'ok';
    const response = await post(path, ask(model, 'limits'));
    expect(`${response.status} ${await response.text()}`).toStartWith('200 ');
    expectLimits(response);
    for (const name of Object.keys(SECRETS)) expect(response.headers.get(name)).toBeNull();
    expect(response.headers.get('x-upstream-request-id')).toBeNull();
    expect(response.headers.get('x-request-id')).toStartWith('tr-');
  });

  test('a vendor that tells none has none', async () => {
    mode = 'quiet';
    const response = await post(path, ask(model, 'quiet'));
    expect(`${response.status} ${await response.text()}`).toStartWith('200 ');
    expect([...response.headers.keys()].filter((name) => name.includes('ratelimit'))).toEqual([]);
  });

  test('a refusal says when to come back, and how the vendor knows the call', async () => {
    mode = 'refuse';
    const response = await post(path, ask(model, 'refused'));
    expect(response.status).toBe(429);
    expect(await response.text()).toContain('slow down');
    expectLimits(response);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(response.headers.get('x-upstream-request-id')).toBe('req_vendor');
    expect(response.headers.get('x-request-id')).toStartWith('tr-');
  });

  test('a stream that is cut off ends with the request id where the dialect has a place for it', async () => {
    mode = 'cut';
    const response = await post(path, ask(model, 'cut', { stream: true }), { 'x-request-id': 'mine' });
    const last = JSON.parse(eventsOf(await response.text()).at(-1)!.data) as Json;
    expect(last['error']).toBeObject();
    expect(last['request_id']).toBe(path === MESSAGES ? 'mine' : undefined);
  });
});
