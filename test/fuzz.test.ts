import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { errorOf, expectHealthy } from './support/errors.ts';
import type { Gateway } from './support/gateway.ts';
import { openRaw, rawChat, sendRaw, statusOf } from './support/raw-http.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

let stage: StageWithKey;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage();
  ({ gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

const good = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };
/** Sends bytes as they are; `chat` would make JSON of them. */
const post = (body: BodyInit): Promise<Response> =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
  });

describe('whatever comes', () => {
  const ALLOWED = new Set([200, 400, 404, 413]);
  const text = JSON.stringify({
    model: 'gpt-4o',
    messages: [
      { role: 'system', content: 'You are \u00e9 \ud83d\ude00.' },
      { role: 'user', content: [{ type: 'text', text: 'what is "this"?\n' }] },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'done' },
    ],
    tools: [
      {
        type: 'function',
        function: {
          name: 'f',
          parameters: { type: 'object', properties: { 1: {}, a: { enum: [1.0, 1e2] } } },
        },
      },
    ],
    stream: false,
    temperature: 0.5,
    stop: ['x'],
  });

  const sane = async (body: string | Uint8Array<ArrayBuffer>): Promise<void> => {
    const response = await post(body);
    const answer = await response.text();
    if (!ALLOWED.has(response.status)) throw new Error(`${response.status}: ${answer}`);
    // The vendor's own complaints have its own shape, which is the same one.
    if (response.status !== 200) errorOf(answer);
  };

  const edit = fc.record({
    at: fc.nat(text.length),
    remove: fc.nat(12),
    insert: fc.oneof(
      fc.constant(new Uint8Array()),
      fc.uint8Array({ minLength: 1, maxLength: 6 }),
      fc
        .constantFrom(
          '"',
          '\\',
          '{',
          '}',
          '[',
          ']',
          ',',
          ':',
          'null',
          'true',
          '1e999',
          '-',
          '\\u0000',
          '\\ud800',
          '\0',
        )
        .map((piece) => Buffer.from(piece)),
    ),
  });
  const mutated = fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
    let bytes = Buffer.from(text);
    for (const { at, remove, insert } of edits)
      bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
    return bytes;
  });

  test('a good body with random edits', async () => {
    await fc.assert(fc.asyncProperty(mutated, sane), { numRuns: 400 });
  });

  test('a good body with a random value somewhere', async () => {
    const places = [
      'model',
      'messages',
      'tools',
      'stop',
      'stream',
      'stream_options',
      'n',
      'temperature',
      'metadata',
      'tool_choice',
      'surprise',
    ];
    const value = fc.jsonValue({ maxDepth: 3 });
    const body = fc.oneof(
      fc
        .tuple(fc.constantFrom(...places), value)
        .map(([place, inner]) => Object.assign(JSON.parse(text) as object, { [place]: inner })),
      fc
        .tuple(fc.constantFrom('role', 'content', 'tool_calls', 'name', 'tool_call_id', 'x'), value)
        .map(([place, inner]) => ({
          model: 'gpt-4o',
          messages: [{ role: 'user', content: 'x', [place]: inner }],
        })),
    );
    await fc.assert(
      fc.asyncProperty(body, async (json) => sane(JSON.stringify(json))),
      { numRuns: 300 },
    );
  });

  test('random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => sane(new Uint8Array(bytes))),
      { numRuns: 200 },
    );
  });

  test('random header lines', async () => {
    const body = JSON.stringify(good);
    const printable = fc.string({ unit: 'binary-ascii', maxLength: 20 });
    const name = fc.oneof(
      fc.constantFrom(
        'x-tokenrouter-dedup',
        'x-tokenrouter-passthrough',
        'x-tokenrouter-tags',
        'x-request-id',
        'accept',
        'origin',
        'cookie',
        'expect',
        'upgrade',
        'connection',
        'content-type',
        'authorization',
        'x-api-key',
        'content-length',
        'transfer-encoding',
        'host',
      ),
      printable,
    );
    const line = fc.tuple(name, printable).map(([field, value]) => `${field}: ${value}\r\n`);
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 4 }), async (lines) => {
        const answer = await sendRaw(
          gateway.url,
          rawChat(key, `Content-Length: ${body.length}\r\n${lines.join('')}`, body),
          300,
        );
        const status = statusOf(answer);
        // No answer: the server still waits for what a header announced, or has hung up on what is no HTTP.
        if (status !== null && status >= 500 && status !== 505 && status !== 501)
          throw new Error(answer.text);
      }),
      { numRuns: 150 },
    );
  });

  test('random requests that are none', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
        await using connection = await openRaw(gateway.url);
        await connection.send(bytes);
        connection.reset();
      }),
      { numRuns: 100 },
    );
  });

  test('and the gateway is as it was', async () => {
    expect(await gateway.metric('requests_total', { status: '500' })).toBe(0);
    expect(await gateway.metric('rejected_total', { reason: 'internal' })).toBe(0);
    await expectHealthy(gateway, key);
  });
});
