import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import type { Socket } from 'node:net';
import {
  CHAT,
  CLAUDE,
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

// What a call costs whose vendor does not say: prices of a million tokens are USD 2.5 and 10 (GPT), 5 and 25 (Claude).

let vendor: Vendor;
let gateway: Gateway;
let key: string;
let id: string;
let post: Setting['post'];

beforeAll(async () => {
  vendor = await startVendor(() => completion());
  gateway = await startGateway({
    env: {
      OPENAI_API_KEY: 'sk-openai',
      OPENAI_BASE_URL: vendor.url,
      ANTHROPIC_API_KEY: 'sk-ant-secret',
      ANTHROPIC_BASE_URL: vendor.url,
    },
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});
beforeEach(async () => {
  ({ id, key } = await gateway.createKey({ quota_usd: 1_000, passthrough: true }));
  post = poster(gateway, key);
});

const spentUsd = (): Promise<number> => settledUsd(gateway, id);
const user = (content: unknown): Json => ({ role: 'user', content });
const body = (model: string, content: unknown, more: Json = {}): Json => ({
  model,
  max_tokens: 10,
  messages: [user(content)],
  ...more,
});

/** 3 MB, of which the first bytes say that this is a PNG of 1,024 by 1,024. */
const PICTURE = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d494844520000040000000400', 'hex'),
  Buffer.alloc(2_250_000, 0xab),
]).toString('base64');
const imageIn = ({ path }: Way): Json =>
  path === CHAT
    ? { type: 'image_url', image_url: { url: `data:image/png;base64,${PICTURE}` } }
    : { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PICTURE } };

/** A whole answer of either dialect, without usage. */
function answer({ model }: Way, text: string): string {
  if (model === GPT) return completion(text, null);
  const content = [{ type: 'text', text }];
  return httpAnswer(
    200,
    JSON.stringify({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model,
      content,
      stop_reason: 'end_turn',
    }),
  );
}

/** Asks, and leaves once the vendor has the request. */
async function leave(
  path: string,
  request: Json,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const gone = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  vendor.script = (_request, socket) => {
    socket.on('close', () => gone.resolve());
    asked.resolve();
    return null;
  };
  const leaving = new AbortController();
  const pending = fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(request),
    signal: leaving.signal,
  }).catch(() => null);
  await asked.promise;
  leaving.abort();
  await pending;
  await gone.promise;
}

describe('a picture of 3 MB', () => {
  /** USD of a picture of 1,024 by 1,024: 765 tokens of GPT, 1,369 of Claude. */
  const pictureUsd = ({ model }: Way): number => (model === GPT ? 765 * 2.5e-6 : 1_369 * 5e-6);

  test.each(WAYS)('$name: costs what a picture costs where the vendor tells no usage', async (way) => {
    vendor.script = () => answer(way, 'A picture.');
    const response = await post(way.path, body(way.model, [imageIn(way)]));
    expect(response.status).toBe(200);
    await response.text();
    expect(await spentUsd()).toBeWithin(pictureUsd(way), pictureUsd(way) + 0.002);
  });

  test.each(WAYS)('$name: and where its client leaves', async (way) => {
    await leave(way.path, body(way.model, [imageIn(way)]));
    expect(await spentUsd()).toBeWithin(pictureUsd(way), pictureUsd(way) + 0.002);
  });

  test.each([
    ['GPT', CHAT, GPT],
    ['Claude', MESSAGES, CLAUDE],
  ])('in byte-exact mode, too (%s)', async (_, path, model) => {
    const way = { name: '', path, model };
    await leave(path, body(model, [imageIn(way)]), { 'x-tokenrouter-passthrough': 'on' });
    expect(await spentUsd()).toBeWithin(pictureUsd(way), pictureUsd(way) + 0.002);
  });

  test.each(WAYS)('$name: holds no more than the largest picture may cost', async (way) => {
    const sockets: Socket[] = [];
    vendor.script = (_request, socket) => {
      sockets.push(socket);
      return null;
    };
    // Two of them fit, and would not if bytes counted: each would hold a million tokens of text.
    await gateway.admin('PATCH', `/admin/api-keys/${id}`, { quota_usd: 0.06 });
    const answers = [0, 1].map((index) =>
      post(way.path, body(way.model, [{ type: 'text', text: `${index}` }, imageIn(way)])),
    );
    await eventually(() => sockets.length === 2, 'both are with the vendor');
    const largestUsd = way.model === GPT ? 1_445 * 2.5e-6 : 4_784 * 5e-6;
    expect((await keyView(gateway, id)).held_usd).toBeWithin(2 * largestUsd, 2 * largestUsd + 0.004);
    for (const socket of sockets) socket.write(answer(way, 'x'));
    for (const response of await Promise.all(answers)) expect(response.status).toBe(200);
  });

  test('behind an address counts, though it has no bytes', async () => {
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };
    vendor.script = () => completion('x', null);
    await (await post(CHAT, body(GPT, [image, image, image]))).text();
    expect(await spentUsd()).toBeWithin(3 * 1_445 * 2.5e-6, 3 * 1_445 * 2.5e-6 + 0.001);
  });

  test('in the place of text is text, and is paid as text', async () => {
    vendor.script = () => completion('x', null);
    await (await post(CHAT, body(GPT, [{ type: 'text', text: `data:image/png;base64,${PICTURE}` }]))).text();
    expect(await spentUsd()).toBeGreaterThan(1.8);
  });
});

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const LONG = 'x'.repeat(4_000);

/** An event of 1,000 tokens, as each vendor writes it. */
const longEvent = ({ model }: Way): string =>
  model === GPT
    ? data({ id: 'c', choices: [{ index: 0, delta: { content: LONG }, finish_reason: null }] })
    : data({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: LONG } });
const opening = ({ model }: Way): string =>
  model === GPT
    ? data({
        id: 'c',
        choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
      })
    : data({ type: 'message_start', message: { id: 'msg_1', model, content: [] } }) +
      data({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
const ending = ({ model }: Way): string =>
  model === GPT
    ? `${data({ id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}data: [DONE]\n\n`
    : data({ type: 'content_block_stop', index: 0 }) +
      data({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }) +
      data({ type: 'message_stop' });
const outputUsd = ({ model }: Way, tokens: number): number => tokens * (model === GPT ? 10e-6 : 25e-6);

describe('a stream of long events', () => {
  test.each(WAYS)('$name: costs what its text costs where the vendor tells no usage', async (way) => {
    vendor.script = () =>
      `${STREAM_HEAD}${chunk(opening(way) + longEvent(way).repeat(20) + ending(way))}0\r\n\r\n`;
    const response = await post(way.path, body(way.model, 'hello', { stream: true }));
    expect((await response.text()).length).toBeGreaterThan(80_000);
    expect(await spentUsd()).toBeWithin(outputUsd(way, 20_000), outputUsd(way, 20_000) + 0.002);
  });

  test.each(WAYS)('$name: and what came of it where its client leaves', async (way) => {
    const closed = Promise.withResolvers<void>();
    vendor.script = (_request, socket) => {
      socket.on('close', () => closed.resolve());
      return STREAM_HEAD + chunk(opening(way) + longEvent(way).repeat(5));
    };
    const response = await post(way.path, body(way.model, 'hello', { stream: true }));
    const reader = response.body!.getReader();
    for (let bytes = 0; bytes < 20_000;) bytes += (await reader.read()).value!.length;
    await reader.cancel();
    await closed.promise;
    expect(await spentUsd()).toBeWithin(outputUsd(way, 5_000), outputUsd(way, 5_000) + 0.002);
  });

  test.each(WAYS)('$name: and where the vendor breaks off', async (way) => {
    vendor.script = (_request, socket) => {
      socket.end(STREAM_HEAD + chunk(opening(way) + longEvent(way).repeat(5)));
      return null;
    };
    const response = await post(way.path, body(way.model, 'hello', { stream: true }));
    expect(await response.text()).toContain('upstream_closed');
    expect(await spentUsd()).toBeWithin(outputUsd(way, 5_000), outputUsd(way, 5_000) + 0.002);
  });
});

describe('a whole answer without usage', () => {
  test.each(WAYS)('$name: costs what its text costs', async (way) => {
    vendor.script = () => answer(way, LONG.repeat(10));
    const response = await post(way.path, body(way.model, 'hello'));
    expect(response.status).toBe(200);
    await response.text();
    expect(await spentUsd()).toBeWithin(outputUsd(way, 10_000), outputUsd(way, 10_000) + 0.002);
  });

  test.each(WAYS)('$name: and as much of it as has come where the vendor breaks off', async (way) => {
    vendor.script = (_request, socket) => {
      const text = answer(way, LONG.repeat(10));
      socket.end(text.slice(0, text.indexOf(LONG) + 20_000));
      return null;
    };
    const response = await post(way.path, body(way.model, 'hello'));
    expect(response.status).toBe(502);
    await response.text();
    expect(await spentUsd()).toBeWithin(outputUsd(way, 5_000), outputUsd(way, 5_000) + 0.002);
  });

  test('with a picture in it costs a picture, not its bytes', async () => {
    const images = [{ type: 'image_url', image_url: { url: `data:image/png;base64,${PICTURE}` } }];
    const message = { role: 'assistant', content: 'Here it is.', images };
    vendor.script = () =>
      httpAnswer(200, JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
    const response = await post(CHAT, body(GPT, 'draw'));
    await response.text();
    expect(await spentUsd()).toBeWithin(0.001, 0.06);
  });
});
