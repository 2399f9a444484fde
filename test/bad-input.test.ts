import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Simulator } from '../src/simulator/server.ts';
import type { ErrorCode } from '../src/errors/catalogue.ts';
import { errorOf, expectError } from './support/errors.ts';
import { startGateway, type Gateway } from './support/gateway.ts';
import { bodyOf, openRaw, rawChat, sendRaw, statusOf } from './support/raw-http.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

const MAX_BODY_BYTES = 64 * 1024;

let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage({ simulator: { record: true }, env: { MAX_BODY_BYTES: String(MAX_BODY_BYTES) } });
  ({ simulator, gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

const good = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };
const withMessage = (message: unknown): object => ({ ...good, messages: [good.messages[0], message] });

/** Sends bytes as they are; `chat` would make JSON of them. */
const post = (body: BodyInit | null, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body,
  });

describe('a body that is no request', () => {
  const broken: readonly (readonly [string, string, ErrorCode, string | null])[] = [
    ['nothing', '', 'invalid_json', null],
    ['white space', ' \n', 'invalid_json', null],
    ['a text cut off', '{"model": "gpt-4o", ', 'invalid_json', null],
    ['a trailing comma', '{"model":"gpt-4o","messages":[],}', 'invalid_json', null],
    ['single quotes', "{'model':'gpt-4o'}", 'invalid_json', null],
    ['two values', '{}{}', 'invalid_json', null],
    [
      'NaN',
      '{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"top_p":NaN}',
      'invalid_json',
      null,
    ],
    ['a byte order mark', `\u{feff}${JSON.stringify(good)}`, 'invalid_json', null],
    ['a control character in a string', '{"model":"gpt\u00014o"}', 'invalid_json', null],
    ['null', 'null', 'invalid_type', 'body'],
    ['an array', '[]', 'invalid_type', 'body'],
    ['a string', '"hello"', 'invalid_type', 'body'],
    ['a number', '42', 'invalid_type', 'body'],
    ['a key twice', '{"model":"gpt-4o","model":"gpt-4o","messages":[]}', 'duplicate_key', 'model'],
    [
      'a key twice, spelt differently',
      '{"model":"gpt-4o","mod\\u0065l":"o3","messages":[]}',
      'duplicate_key',
      'model',
    ],
    [
      'a key twice deep inside',
      '{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{},"a":{}}}}}]}',
      'duplicate_key',
      'a',
    ],
  ];
  test.each(broken)('%s', async (_name, body, code, param) => {
    await expectError(await post(body), 400, code, param);
  });

  test('bytes that are not UTF-8', async () => {
    const [before = '', after = ''] = JSON.stringify({
      ...good,
      messages: [{ role: 'user', content: '@' }],
    }).split('@');
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf]]) {
      const body = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
      const { message } = await expectError(await post(body), 400, 'invalid_json');
      expect(message).toContain('UTF-8');
    }
  });

  test('nesting without end', async () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const depth = 5_000;
      const deep = `${open.repeat(depth)}1${close.repeat(depth)}`;
      const { message } = await expectError(
        await post(`{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"metadata":${deep}}`),
        400,
        'invalid_json',
      );
      expect(message).toContain('nested deeper');
      await expectError(await post(open.repeat(10_000)), 400, 'invalid_json');
    }
  });
});

describe('a field that is not what it should be', () => {
  const faults: readonly (readonly [object, ErrorCode, string])[] = [
    [{ messages: good.messages }, 'missing_field', 'model'],
    [{ model: 'gpt-4o' }, 'missing_field', 'messages'],
    [{ ...good, model: null }, 'invalid_type', 'model'],
    [{ ...good, model: 4 }, 'invalid_type', 'model'],
    [{ ...good, model: ['gpt-4o'] }, 'invalid_type', 'model'],
    [{ ...good, model: '' }, 'invalid_value', 'model'],
    [{ ...good, messages: null }, 'invalid_type', 'messages'],
    [{ ...good, messages: 'hi' }, 'invalid_type', 'messages'],
    [{ ...good, messages: {} }, 'invalid_type', 'messages'],
    [{ ...good, messages: [] }, 'invalid_value', 'messages'],
    [{ ...good, messages: [null] }, 'invalid_type', 'messages[0]'],
    [withMessage('hi'), 'invalid_type', 'messages[1]'],
    [withMessage([]), 'invalid_type', 'messages[1]'],
    [withMessage({ content: 'x' }), 'missing_field', 'messages[1].role'],
    [withMessage({ role: 'robot', content: 'x' }), 'invalid_value', 'messages[1].role'],
    [withMessage({ role: 'User', content: 'x' }), 'invalid_value', 'messages[1].role'],
    [withMessage({ role: '', content: 'x' }), 'invalid_value', 'messages[1].role'],
    [withMessage({ role: 1, content: 'x' }), 'invalid_type', 'messages[1].role'],
    [withMessage({ role: null, content: 'x' }), 'invalid_type', 'messages[1].role'],
    [withMessage({ role: 'user', content: 1 }), 'invalid_type', 'messages[1].content'],
    [withMessage({ role: 'user', content: {} }), 'invalid_type', 'messages[1].content'],
    [
      withMessage({ role: 'user', content: [{ type: 'text', text: 'x' }, 'y'] }),
      'invalid_type',
      'messages[1].content[1]',
    ],
    [withMessage({ role: 'assistant', tool_calls: 'f' }), 'invalid_type', 'messages[1].tool_calls'],
    [withMessage({ role: 'assistant', tool_calls: [{}, 1] }), 'invalid_type', 'messages[1].tool_calls[1]'],
    [{ ...good, tools: {} }, 'invalid_type', 'tools'],
    [{ ...good, tools: [null] }, 'invalid_type', 'tools[0]'],
    [{ ...good, tools: [{ type: 1 }] }, 'invalid_type', 'tools[0].type'],
    [{ ...good, stream: 'yes' }, 'invalid_type', 'stream'],
    [{ ...good, stream: 1 }, 'invalid_type', 'stream'],
    [{ ...good, stream: true, stream_options: true }, 'invalid_type', 'stream_options'],
    [
      { ...good, stream: true, stream_options: { include_usage: 1 } },
      'invalid_type',
      'stream_options.include_usage',
    ],
    [{ ...good, n: 0 }, 'invalid_value', 'n'],
    [{ ...good, n: 1.5 }, 'invalid_type', 'n'],
    [{ ...good, n: 1e300 }, 'invalid_value', 'n'],
    [{ ...good, max_tokens: -1 }, 'invalid_value', 'max_tokens'],
    [{ ...good, max_tokens: '10' }, 'invalid_type', 'max_tokens'],
    [{ ...good, max_completion_tokens: 0.5 }, 'invalid_type', 'max_completion_tokens'],
    [{ ...good, temperature: 'hot' }, 'invalid_type', 'temperature'],
    [{ ...good, top_p: [] }, 'invalid_type', 'top_p'],
    [{ ...good, stop: 3 }, 'invalid_type', 'stop'],
    [{ ...good, tool_choice: 3 }, 'invalid_type', 'tool_choice'],
    [{ ...good, response_format: 'json' }, 'invalid_type', 'response_format'],
    [{ ...good, store: 'no' }, 'invalid_type', 'store'],
    [{ ...good, prompt_cache_key: 7 }, 'invalid_type', 'prompt_cache_key'],
    [{ ...good, user: 7 }, 'invalid_type', 'user'],
    [{ ...good, metadata: [] }, 'invalid_type', 'metadata'],
  ];
  test.each(faults)('%j', async (body, code, param) => {
    const { message } = await expectError(await gateway.chat(key, body), 400, code, param);
    expect(message).toContain(param);
  });

  test('a model that nobody serves', async () => {
    for (const model of [
      'nobody-has-this',
      'claude-sonnet-5',
      'nobody/gpt-4o',
      'openai/',
      '/gpt-4o',
      'x'.repeat(5_000),
    ]) {
      const { message } = await expectError(
        await gateway.chat(key, { ...good, model }),
        404,
        'model_not_found',
        'model',
      );
      expect(message).toContain(model.slice(0, 100));
      expect(message.length).toBeLessThan(400);
    }
  });

  test('nothing of all this has reached the vendor', async () => {
    const before = simulator.stats().received;
    await expectError(await gateway.chat(key, { ...good, n: 0 }), 400, 'invalid_value', 'n');
    expect(simulator.stats().received).toBe(before);
  });
});

describe('a body that is too large', () => {
  const padded = (bytes: number): string => {
    const empty = JSON.stringify({ ...good, user: '' });
    return JSON.stringify({ ...good, user: 'x'.repeat(bytes - empty.length) });
  };

  test('to the byte, its size told beforehand', async () => {
    expect((await post(padded(MAX_BODY_BYTES))).status).toBe(200);
    const { message } = await expectError(await post(padded(MAX_BODY_BYTES + 1)), 413, 'body_too_large');
    expect(message).toContain('MAX_BODY_BYTES');
  });

  test('to the byte, sent in chunks', async () => {
    const chunked = (text: string): ReadableStream<Uint8Array> => {
      const bytes = Buffer.from(text);
      let at = 0;
      return new ReadableStream({
        pull(controller) {
          if (at >= bytes.length) controller.close();
          else controller.enqueue(bytes.subarray(at, (at += 1_000)));
        },
      });
    };
    expect((await post(chunked(padded(MAX_BODY_BYTES)))).status).toBe(200);
    await expectError(await post(chunked(padded(MAX_BODY_BYTES + 1))), 413, 'body_too_large');
  });

  test('the answer does not wait for what is announced', async () => {
    const answer = await sendRaw(gateway.url, rawChat(key, 'Content-Length: 99999999\r\n', '{"model"'));
    expect(statusOf(answer)).toBe(413);
    expect(errorOf(bodyOf(answer)).code).toBe('body_too_large');
  });

  test('a body in chunks without end takes no memory', async () => {
    await using connection = await openRaw(gateway.url);
    await connection.send(rawChat(key, 'Transfer-Encoding: chunked\r\n', ''));
    const piece = Buffer.from(`10000\r\n${'x'.repeat(0x1_00_00)}\r\n`);
    const beforeBytes = await gateway.metric('resident_memory_bytes');
    for (let sent = 0; sent < 2_000 && !connection.answer.closed; sent++) await connection.send(piece);
    const answer = await connection.until((text) => text.includes('\r\n\r\n'));
    expect(statusOf(answer)).toBe(413);
    // 125 MiB went out.
    expect((await gateway.metric('resident_memory_bytes')) - beforeBytes).toBeLessThan(60 * 1024 * 1024);
  });

  test('a body in chunks of one byte takes little more than it has', async () => {
    await using roomy = await startGateway({
      env: { ...stage.upstream, WORKERS: '1' },
    });
    const made = await roomy.createKey();
    await using connection = await openRaw(roomy.url);
    await connection.send(rawChat(made.key, 'Transfer-Encoding: chunked\r\n', ''));
    const beforeBytes = await roomy.metric('resident_memory_bytes');
    const piece = Buffer.from('1\r\nx\r\n'.repeat(10_000));
    for (let sent = 0; sent < 150; sent++) await connection.send(piece);
    // 1.5 MB of body in 9 MB; a view of each byte took 120.
    expect((await roomy.metric('resident_memory_bytes')) - beforeBytes).toBeLessThan(60 * 1024 * 1024);
    await connection.send('0\r\n\r\n');
    const answer = await connection.until((text) => text.includes('\r\n\r\n'));
    expect(statusOf(answer)).toBe(400);
  });

  test('a method is any token, also one that objects have', async () => {
    for (const method of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      for (const path of ['/', '/v1/models', '/admin/x', '/v1/chat/completions']) {
        const answer = await sendRaw(gateway.url, `${method} ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
        expect([method, path, statusOf(answer)]).toEqual([method, path, 405]);
        expect(answer.text).toMatch(/\r\nallow: (GET|POST)/);
      }
    }
  });

  test('an admin body has a bound of its own', async () => {
    await expectError(
      await gateway.admin('POST', '/admin/api-keys', { name: 'x'.repeat(2 * 1024 * 1024) }),
      413,
      'body_too_large',
    );
  });
});

describe('a body of another kind', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'json',
    '',
  ])('content type %j', async (type) => {
    const answer = await sendRaw(
      gateway.url,
      rawChat(key, `Content-Length: 2\r\n`, '{}').replace('application/json', type),
    );
    expect(statusOf(answer)).toBe(415);
    expect(errorOf(bodyOf(answer))).toMatchObject({ code: 'unsupported_media_type' });
  });

  test.each(['application/json; charset=utf-8', 'Application/JSON', 'application/vnd.api+json'])(
    'content type %j is JSON too',
    async (type) => {
      expect((await post(JSON.stringify(good), { 'content-type': type })).status).toBe(200);
    },
  );

  test('no content type is taken for JSON', async () => {
    const body = JSON.stringify(good);
    const request = rawChat(key, `Content-Length: ${body.length}\r\n`, body).replace(
      'Content-Type: application/json\r\n',
      '',
    );
    expect(statusOf(await sendRaw(gateway.url, request))).toBe(200);
  });

  test.each(['gzip', 'br', 'deflate, gzip'])('content encoding %j', async (encoding) => {
    const { message } = await expectError(
      await post(JSON.stringify(good), { 'content-encoding': encoding }),
      415,
      'unsupported_media_type',
    );
    expect(message).toContain('ompressed');
  });
});
