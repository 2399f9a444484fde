import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type { ErrorCode } from '../src/errors/catalogue.ts';
import {
  ask,
  CHAT,
  CLAUDE,
  eventsOf,
  GPT,
  MESSAGES,
  startSetting,
  WAYS,
  type Json,
  type Setting,
} from './support/anthropic.ts';
import { errorOf } from './support/errors.ts';

let setting: Setting;
beforeAll(async () => {
  setting = await startSetting({ MAX_BODY_BYTES: '64kb' });
});
afterAll(() => setting[Symbol.asyncDispose]());
afterEach(() => setting.simulator.reset());

interface AnthropicError {
  readonly type: string;
  readonly message: string;
  readonly details?: { readonly error_code?: string };
}

/** The error of a body in Anthropic's shape, with nothing beside it. */
function anthropicErrorOf(body: string): AnthropicError {
  const parsed = JSON.parse(body) as { readonly type: string; readonly error: AnthropicError };
  expect(parsed.type).toBe('error');
  for (const name of Object.keys(parsed)) expect(['type', 'error', 'request_id']).toContain(name);
  expect(parsed.error.message).toMatch(/\S/);
  return parsed.error;
}

/** An error of the gateway in Anthropic's shape. */
async function expectAnthropic(
  response: Response,
  status: number,
  type: string,
  code: ErrorCode,
): Promise<AnthropicError> {
  const text = await response.text();
  expect(`${response.status} ${text}`).toStartWith(`${status} `);
  expect(response.headers.get('content-type')).toBe('application/json');
  const error = anthropicErrorOf(text);
  expect(error).toMatchObject({ type, details: { error_code: code } });
  const requestId = response.headers.get('request-id');
  expect(requestId).toBe(response.headers.get('x-request-id'));
  expect((JSON.parse(text) as Json)['request_id']).toBe(requestId);
  return error;
}

describe("refusals of the gateway in Anthropic's shape", () => {
  for (const model of [CLAUDE, GPT]) {
    test(`400: broken JSON, a missing field, a key twice, a wrong type (${model})`, async () => {
      const refused = async (body: unknown, code: ErrorCode): Promise<AnthropicError> =>
        expectAnthropic(await setting.post(MESSAGES, body), 400, 'invalid_request_error', code);
      await refused('{"model":', 'invalid_json');
      await refused({ model, max_tokens: 5 }, 'missing_field');
      await refused(`{"model":"${model}","model":"${model}"}`, 'duplicate_key');
      await refused({ model, max_tokens: 5, messages: 'hello' }, 'invalid_type');
      expect(setting.simulator.stats().received).toBe(0);
    });
  }

  test('400: what the vendor of another dialect cannot do', async () => {
    const error = await expectAnthropic(
      await setting.post(MESSAGES, ask(GPT, 'x', { container: 'c' })),
      400,
      'invalid_request_error',
      'unsupported_value',
    );
    expect(error.message).toContain('container');
    const response = await setting.post(CHAT, ask(CLAUDE, 'x', { n: 2 }));
    expect(response.status).toBe(400);
    expect(errorOf(await response.text())).toMatchObject({ code: 'unsupported_value', param: 'n' });
  });

  test('401: no key, an unknown one', async () => {
    for (const key of ['', 'sk-tr-unknown'])
      await expectAnthropic(
        await setting.post(MESSAGES, ask(CLAUDE, 'x'), {}, key),
        401,
        'authentication_error',
        'invalid_api_key',
      );
  });

  test('402: the quota is used up', async () => {
    const { key } = await setting.gateway.createKey({ quota_usd: 0 });
    await expectAnthropic(
      await setting.post(MESSAGES, ask(CLAUDE, 'x'), {}, key),
      402,
      'billing_error',
      'insufficient_quota',
    );
    expect(setting.simulator.stats().received).toBe(0);
  });

  test('403: a model that the key may not use', async () => {
    const { key } = await setting.gateway.createKey({ allowed_models: [GPT] });
    await expectAnthropic(
      await setting.post(MESSAGES, ask(CLAUDE, 'x'), {}, key),
      403,
      'permission_error',
      'model_not_allowed',
    );
  });

  test('404: a model that nobody has, and a path below /v1/messages', async () => {
    await expectAnthropic(
      await setting.post(MESSAGES, ask('llama', 'x')),
      404,
      'not_found_error',
      'model_not_found',
    );
    await expectAnthropic(await setting.post(`${MESSAGES}/x`, {}), 404, 'not_found_error', 'not_found');
    const elsewhere = await setting.post('/v1/other', {});
    expect(errorOf(await elsewhere.text()).code).toBe('not_found');
  });

  test('405: GET, HEAD, PUT on the routes, with what is allowed', async () => {
    for (const path of [MESSAGES, '/messages', `${MESSAGES}/count_tokens`]) {
      for (const method of ['GET', 'PUT', 'DELETE', 'HEAD']) {
        const response = await fetch(setting.gateway.url + path, { method });
        expect(response.headers.get('allow')).toBe('POST');
        if (method === 'HEAD') {
          expect([response.status, await response.text()]).toEqual([405, '']);
          continue;
        }
        await expectAnthropic(response, 405, 'invalid_request_error', 'method_not_allowed');
      }
    }
  });

  test('413: a body over the limit', async () => {
    const body = ask(CLAUDE, 'x'.repeat(70_000));
    for (const path of [MESSAGES, `${MESSAGES}/count_tokens`])
      await expectAnthropic(await setting.post(path, body), 413, 'request_too_large', 'body_too_large');
  });

  test('415: another type, a compressed body', async () => {
    for (const headers of [{ 'content-type': 'text/plain' }, { 'content-encoding': 'gzip' }])
      await expectAnthropic(
        await setting.post(MESSAGES, ask(CLAUDE, 'x'), headers),
        415,
        'invalid_request_error',
        'unsupported_media_type',
      );
  });

  test('429: the requests of a minute are used up, with retry-after', async () => {
    const { key } = await setting.gateway.createKey({ rpm: 1 });
    await (await setting.post(MESSAGES, ask(CLAUDE, 'first'), {}, key)).text();
    const response = await setting.post(MESSAGES, ask(CLAUDE, 'second'), {}, key);
    const waitS = Number(response.headers.get('retry-after'));
    expect(waitS).toBeGreaterThan(0);
    expect(waitS).toBeLessThanOrEqual(60);
    await expectAnthropic(response, 429, 'rate_limit_error', 'rate_limit_exceeded');
  });
});

/** What a vendor's status becomes: to Anthropic clients of Claude and GPT, to OpenAI clients of Claude and GPT. */
const VENDOR: readonly (readonly [
  status: number,
  messages: readonly [number, string],
  converted: readonly [number, string],
  chat: readonly [number, string],
])[] = [
  [400, [400, 'invalid_request_error'], [400, 'invalid_request_error'], [400, 'invalid_request_error']],
  [429, [429, 'rate_limit_error'], [429, 'rate_limit_error'], [429, 'rate_limit_error']],
  [500, [500, 'api_error'], [500, 'api_error'], [500, 'server_error']],
  [503, [503, 'api_error'], [529, 'overloaded_error'], [503, 'server_error']],
  [529, [529, 'overloaded_error'], [529, 'overloaded_error'], [503, 'server_error']],
];

describe.each(WAYS)("a vendor's refusal: $name", ({ model, path }) => {
  const typeOf = (text: string): string =>
    path === MESSAGES
      ? anthropicErrorOf(text).type
      : (JSON.parse(text) as { readonly error: { readonly type: string } }).error.type;

  for (const stream of [false, true])
    test(`in the words of the client${stream ? ', for a stream' : ''}`, async () => {
      const same = (path === MESSAGES) === (model === CLAUDE);
      for (const [status, ofClaude, ofGpt, toChat] of VENDOR) {
        const response = await setting.post(path, ask(model, `x [[sim:status=${status}]]`, { stream }));
        const text = await response.text();
        const got = [response.status, typeOf(text)];
        if (!same) expect([status, ...got]).toEqual([status, ...(path === MESSAGES ? ofGpt : toChat)]);
        else if (path === MESSAGES) expect([status, ...got]).toEqual([status, ...ofClaude]);
        // OpenAI's own words to its own client.
        else expect(got[0]).toBe(status);
        expect(text).toContain('simulated failure');
        expect(response.headers.get('content-type')).toStartWith('application/json');
        if (status === 429) expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      }
    });

  test("401 of the gateway's own key is a 502 without the vendor's words", async () => {
    for (const status of [401, 403]) {
      const response = await setting.post(path, ask(model, `x [[sim:status=${status}]]`));
      const text = await response.text();
      expect(response.status).toBe(502);
      expect(text).toContain('upstream_credentials');
      expect(text).not.toContain('simulated');
      expect(text).not.toContain('sk-');
      expect(typeOf(text)).toBe(path === MESSAGES ? 'api_error' : 'server_error');
    }
  });

  test('costs nothing', async () => {
    const { id, key } = await setting.gateway.createKey();
    await (await setting.post(path, ask(model, 'x [[sim:status=500]]'), {}, key)).text();
    const view = (await (await setting.gateway.admin('GET', `/admin/api-keys/${id}`)).json()) as Json;
    expect(view['spent_usd']).toBe(0);
  });
});

describe.each(WAYS)('a stream that fails after its head: $name', ({ model, path }) => {
  /** The stream of a failing call: what it said, and its last record. */
  async function failing(directive: string): Promise<{ text: string; last: string; event: string | null }> {
    const content = `Speak. [[sim:chunks=8]] [[sim:${directive}=3]]`;
    const response = await setting.post(path, ask(model, content, { stream: true }));
    expect(response.status).toBe(200);
    const text = await response.text();
    const last = eventsOf(text).at(-1)!;
    return { text, last: last.data, event: last.event };
  }

  function expectNothingFabricated(text: string): void {
    expect(text).not.toContain('[DONE]');
    expect(text).not.toContain('message_stop');
    expect(text).not.toContain('message_delta');
    expect(text).not.toMatch(/"finish_reason":"/);
    expect(text).not.toMatch(/"stop_reason":"/);
  }

  test("the vendor's own error is the last event, in the client's shape", async () => {
    const { event, last, text } = await failing('error');
    expectNothingFabricated(text);
    if (path === MESSAGES) {
      expect(event).toBe('error');
      const { type } = anthropicErrorOf(last);
      expect(type).toBe(model === CLAUDE ? 'overloaded_error' : 'api_error');
    } else {
      expect((JSON.parse(last) as Json)['error']).toMatchObject({ message: expect.stringMatching(/\S/) });
    }
  });

  for (const directive of ['break', 'reset'])
    test(`a connection that ends early (${directive}) is an error event`, async () => {
      const { event, last, text } = await failing(directive);
      expectNothingFabricated(text);
      if (path === MESSAGES) {
        expect(event).toBe('error');
        expect(anthropicErrorOf(last)).toMatchObject({
          type: 'api_error',
          details: { error_code: 'upstream_closed' },
        });
      } else expect(errorOf(last).code).toBe('upstream_closed');
    });

  test('a connection that ends before any byte is a 502', async () => {
    for (const stream of [false, true]) {
      const response = await setting.post(path, ask(model, 'x [[sim:break=0]]', { stream }));
      const text = await response.text();
      expect(response.status).toBe(502);
      expect(text).toContain('upstream_closed');
      if (path === MESSAGES) expect(anthropicErrorOf(text).type).toBe('api_error');
      else expect(errorOf(text).type).toBe('server_error');
    }
  });
});
