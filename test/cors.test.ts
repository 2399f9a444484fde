import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { CHAT, MESSAGES } from './support/anthropic.ts';
import { ADMIN_TOKEN, startGateway } from './support/gateway.ts';
import { bodyOf, sendRaw } from './support/raw-http.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

/** What a page in a browser may see. */

const PAGE = 'https://app.example';

let stage: StageWithKey;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const preflight = (
  url: string,
  path: string,
  origin = PAGE,
  asked = 'authorization, content-type',
): Promise<Response> =>
  fetch(`${url}${path}`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': asked,
      'access-control-request-private-network': 'true',
    },
  });
const corsOf = ({ headers }: Response): string[] =>
  [...headers.keys()].filter((name) => name.startsWith('access-control-'));

describe('a page', () => {
  test.each([CHAT, '/chat/completions', MESSAGES, '/v1/models', '/models', '/v1/nothing'])(
    'may ask before it calls %s, without a key',
    async (path) => {
      const response = await preflight(stage.gateway.url, path);
      expect(response.status).toBe(200);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(response.headers.get('access-control-allow-headers')).toBe('authorization, content-type');
      expect(response.headers.get('access-control-allow-methods')).toContain('POST');
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
      expect(response.headers.get('access-control-allow-private-network')).toBeNull();
    },
  );

  test('reads answers, whole and streamed, and refusals', async () => {
    const { gateway, key } = stage;
    for (const [sentKey, stream, status] of [
      [key, false, 200],
      [key, true, 200],
      ['sk-tr-nobody', false, 401],
    ] as const) {
      const body = { model: 'gpt-4o', stream, messages: [{ role: 'user', content: `cors ${stream}` }] };
      const response = await gateway.chat(sentKey, body, { origin: PAGE });
      expect(response.status).toBe(status);
      await response.text();
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(response.headers.get('access-control-expose-headers')).toBe('*');
    }
    const wrongMethod = await fetch(`${gateway.url}${CHAT}`, { headers: { origin: PAGE } });
    expect(wrongMethod.status).toBe(405);
    expect(wrongMethod.headers.get('access-control-allow-origin')).toBe('*');
  });

  test.each(['/admin/api-keys', '//admin/api-keys', '/metrics', '/ui', '/health/ready'])(
    'is told nothing at %s',
    async (path) => {
      expect(corsOf(await preflight(stage.gateway.url, path))).toEqual([]);
      const headers = { origin: PAGE, authorization: `Bearer ${ADMIN_TOKEN}` };
      expect(corsOf(await fetch(`${stage.gateway.url}${path}`, { headers }))).toEqual([]);
    },
  );

  test('cannot write lines into the answer', async () => {
    const answer = await sendRaw(
      stage.gateway.url,
      `OPTIONS ${CHAT} HTTP/1.1\r\nHost: gateway\r\nOrigin: ${PAGE}\r\nAccess-Control-Request-Method: POST\r\n` +
        'Access-Control-Request-Headers: a: b;\r\n\r\n',
    );
    expect(answer.text).toStartWith('HTTP/1.1 200 ');
    expect(answer.text).not.toContain('allow-headers');
    expect(bodyOf(answer)).toBe('');
  });
});

test('who asks from no page is told nothing of pages', async () => {
  const response = await fetch(`${stage.gateway.url}/v1/models`);
  expect(corsOf(response)).toEqual([]);
  expect(response.headers.get('vary')).toBeNull();
});

test('with origins named, only their pages read answers, and caches are told', async () => {
  await using gateway = await startGateway({ env: { CORS_ORIGINS: `${PAGE}, https://other.example` } });
  const own = await preflight(gateway.url, CHAT);
  expect(own.headers.get('access-control-allow-origin')).toBe(PAGE);
  const foreign = await preflight(gateway.url, CHAT, 'https://evil.example');
  expect(corsOf(foreign)).toEqual([]);
  for (const response of [own, foreign]) expect(response.headers.get('vary')).toContain('Origin');
});
