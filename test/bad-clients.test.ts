import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Simulator } from '../src/simulator/server.ts';
import { errorOf, expectError, expectHealthy } from './support/errors.ts';
import { eventually, type Gateway } from './support/gateway.ts';
import { bodyOf, openRaw, rawChat, sendRaw, statusOf } from './support/raw-http.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage({ simulator: { record: true } });
  ({ simulator, gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

const good = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };

describe('a client that may not', () => {
  const refused = async (headers: Record<string, string>, why: RegExp): Promise<void> => {
    const before = simulator.stats().received;
    for (const [method, path] of [
      ['POST', '/v1/chat/completions'],
      ['GET', '/v1/models'],
    ] as const) {
      const response = await fetch(`${gateway.url}${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        ...(method === 'POST' ? { body: JSON.stringify(good) } : {}),
      });
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      const { message, type } = await expectError(response, 401, 'invalid_api_key');
      expect(type).toBe('authentication_error');
      expect(message).toMatch(why);
    }
    expect(simulator.stats().received).toBe(before);
  };

  test('no key', () => refused({}, /No API key/));
  test('an empty key', () => refused({ authorization: 'Bearer ' }, /No API key/));
  test('another scheme', () => refused({ authorization: `Basic ${btoa('user:pass')}` }, /No API key/));
  test('a key that is not known', () => refused({ authorization: 'Bearer sk-tr-0000' }, /not known/));
  test('a key by prefix', () => refused({ authorization: `Bearer ${key.slice(0, -1)}` }, /not known/));
  test('a key and more', () => refused({ authorization: `Bearer ${key}0` }, /not known/));
  test('a key without end', () => refused({ 'x-api-key': `sk-tr-${'0'.repeat(8_000)}` }, /not known/));
  test('a key of odd characters', () => refused({ 'x-api-key': "' OR 1=1 --\u00ff" }, /not known/));
  test('the admin token is no key', () =>
    refused({ authorization: 'Bearer test-admin-token-0123456789' }, /not known/));

  test('an expired key', async () => {
    const expired = await gateway.createKey({ expires_at: '2020-01-01T00:00:00Z' });
    await refused({ authorization: `Bearer ${expired.key}` }, /expired/);
  });

  test('a revoked key', async () => {
    const revoked = await gateway.createKey();
    expect((await gateway.admin('DELETE', `/admin/api-keys/${revoked.id}`)).status).toBe(200);
    await refused({ authorization: `Bearer ${revoked.key}` }, /revoked/);
  });

  test('a model the key may not use', async () => {
    const narrow = await gateway.createKey({ allowed_models: ['gpt-4o-mini'] });
    await expectError(await gateway.chat(narrow.key, good), 403, 'model_not_allowed', 'model');
    await expectError(
      await gateway.chat(narrow.key, { ...good, model: 'openai/gpt-4o-mini' }),
      403,
      'model_not_allowed',
      'model',
    );
    expect((await gateway.chat(narrow.key, { ...good, model: 'gpt-4o-mini' })).status).toBe(200);
  });

  test('the ways a key may be sent', async () => {
    for (const headers of [
      { authorization: `Bearer ${key}` },
      { authorization: `bearer ${key}` },
      { authorization: `Bearer   ${key}` },
      { 'x-api-key': key },
      { authorization: 'Basic abc', 'x-api-key': key },
    ]) {
      const response = await fetch(`${gateway.url}/v1/models`, {
        headers: headers as Record<string, string>,
      });
      expect(response.status).toBe(200);
    }
  });
});

describe('a place that is not there', () => {
  test.each([
    ['GET', '/v1/chat/completions', 'POST'],
    ['PUT', '/v1/chat/completions', 'POST'],
    ['DELETE', '/chat/completions', 'POST'],
    ['OPTIONS', '/v1/chat/completions', 'POST'],
    ['POST', '/v1/models', 'GET'],
    ['DELETE', '/v1/models/gpt-4o', 'GET'],
    ['POST', '/health/live', 'GET'],
    ['POST', '/health/ready', 'GET'],
    ['POST', '/metrics', 'GET'],
    ['PUT', '/admin/api-keys', 'GET, POST'],
    ['POST', '/admin/api-keys/1', 'GET, PATCH, DELETE'],
  ])('%s %s is a 405 that says what is allowed', async (method, path, allow) => {
    const response = await fetch(`${gateway.url}${path}`, { method });
    expect(response.headers.get('allow')).toBe(allow);
    const { message } = await expectError(response, 405, 'method_not_allowed');
    expect(message).toContain(method);
    expect(message).toContain(allow);
  });

  test.each(['/v1', '/v1/chat', '/v1/chat/completions/', '/v1/completions', '/v2/models', '/favicon.ico'])(
    '%s is a 404',
    async (path) => {
      const { message } = await expectError(await fetch(`${gateway.url}${path}`), 404, 'not_found');
      expect(message).toContain(`GET ${path}`);
    },
  );

  test('HEAD goes where GET does, without a body', async () => {
    for (const path of ['/', '/health/live', '/health/ready', '/metrics']) {
      const response = await fetch(`${gateway.url}${path}`, { method: 'HEAD' });
      expect(response.status).toBe(200);
      expect(await response.text()).toBe('');
    }
    expect((await fetch(`${gateway.url}/v1/models`, { method: 'HEAD' })).status).toBe(401);
    const { headers } = await gateway.admin('HEAD', '/admin/api-keys');
    expect(headers.get('content-type')).toBe('application/json');
  });

  test('an answer by its status line: the path is not decoded, the Host field is checked', async () => {
    const auth = `Authorization: Bearer ${key}\r\n`;
    for (const path of [
      '/v1/models/%',
      '/v1/models/%E0%A4%A',
      '/v1/models/%ff',
      '/v1/models/a%2Fb',
      '/v1/models/',
    ]) {
      const answer = await sendRaw(gateway.url, `GET ${path} HTTP/1.1\r\nHost: x\r\n${auth}\r\n`);
      expect(statusOf(answer)).toBe(404);
      expect(errorOf(bodyOf(answer)).code).toBe('model_not_found');
    }
    for (const host of ['exa mple', '[::1', '%zz', 'x:99999', 'x:abc', 'a@b', 'http://x', '']) {
      for (const path of ['/nothing', '/admin/api-keys']) {
        const answer = await sendRaw(gateway.url, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        expect(statusOf(answer)).toBe(400);
        expect(errorOf(bodyOf(answer)).param).toBe('host');
      }
    }
  });
});

describe('a client that does not finish', () => {
  const body = JSON.stringify(good);

  test('leaves in the middle of its request: nothing stays behind, nobody is to blame', async () => {
    const received = simulator.stats().received;
    const left = await gateway.metric('requests_total', { status: '499' });
    const starts = [
      rawChat(key, 'Content-Length: 500\r\n', '{"model"'),
      rawChat(key, 'Content-Length: 500\r\n', ''),
      rawChat(key, 'Transfer-Encoding: chunked\r\n', '8\r\n{"model"\r\n'),
      rawChat(key, 'Transfer-Encoding: chunked\r\n', '8\r\n{"mod'),
    ];
    const coming = async (): Promise<number> => gateway.metric('unfinished_bodies');
    for (const [index, start] of [...starts, ...starts].entries()) {
      await using connection = await openRaw(gateway.url);
      await connection.send(start);
      await eventually(async () => (await coming()) === 1, 'the request is being read');
      if (index < starts.length) connection.reset();
      else connection.finish();
      await eventually(async () => (await coming()) === 0, 'nothing of it is waited for');
    }
    await eventually(
      async () => (await gateway.metric('requests_total', { status: '499' })) === left + 2 * starts.length,
      'all of them counted as clients that left',
    );
    expect(await gateway.metric('in_flight')).toBe(0);
    expect(await gateway.metric('requests_total', { status: '500' })).toBe(0);
    expect(await gateway.metric('rejected_total', { reason: 'internal' })).toBe(0);
    expect(simulator.stats().received).toBe(received);
    await expectHealthy(gateway, key);
  });

  test('leaves in the middle of its head', async () => {
    const head = rawChat(key, `Content-Length: ${body.length}\r\n`, '');
    for (let cut = 0; cut < head.length; cut += 7) {
      await using connection = await openRaw(gateway.url);
      await connection.send(head.slice(0, cut));
      connection.reset();
    }
    await expectHealthy(gateway, key);
  });

  test('sends slowly, byte by byte', async () => {
    for (const request of [
      rawChat(key, `Content-Length: ${body.length}\r\n`, body),
      rawChat(
        key,
        'Transfer-Encoding: chunked\r\n',
        `${body
          .split('')
          .map((byte) => `1\r\n${byte}\r\n`)
          .join('')}0\r\n\r\n`,
      ),
    ]) {
      await using connection = await openRaw(gateway.url);
      for (let at = 0; at < request.length; at++) {
        await connection.send(request.slice(at, at + 1));
        if (at % 16 === 0) await Bun.sleep(0);
      }
      const answer = await connection.until((text) => text.includes('chat.completion'));
      expect(statusOf(answer)).toBe(200);
    }
  });

  test('breaks its own framing', async () => {
    for (const chunks of ['zz\r\n{}\r\n', '-1\r\n', 'fffffffffffffffff\r\n', '2\r\n{}XX0\r\n\r\n']) {
      const answer = await sendRaw(
        gateway.url,
        rawChat(key, 'Transfer-Encoding: chunked\r\n', chunks),
        2_000,
      );
      expect(statusOf(answer) ?? 400).toBeWithin(400, 500);
    }
    await expectHealthy(gateway, key);
  });
});
