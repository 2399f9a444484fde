import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { CHAT, GPT, MESSAGES, poster, saidInStream, type Setting } from './support/anthropic.ts';
import { startGateway, type Gateway } from './support/gateway.ts';
import { chunk, completion, delta, STREAM_END, startVendor, type Vendor } from './support/vendor.ts';

/** Servers that send a sound stream and call it something else, or nothing. */

let vendor: Vendor;
let gateway: Gateway;
let post: Setting['post'];

beforeAll(async () => {
  vendor = await startVendor(() => completion());
  gateway = await startGateway({
    env: { WORKERS: '1', OPENAI_API_KEY: 'sk-up', OPENAI_BASE_URL: vendor.url },
  });
  post = poster(gateway, (await gateway.createKey()).key);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

const head = (label: string): string => `HTTP/1.1 200 OK\r\n${label}transfer-encoding: chunked\r\n\r\n`;
let count = 0;
const ask = (path: string, stream = true): Promise<Response> =>
  post(path, { model: GPT, max_tokens: 50, stream, messages: [{ role: 'user', content: `${count++}` }] });

const LABELS: readonly (readonly [string, string])[] = [
  ['text/plain', 'content-type: text/plain\r\n'],
  ['nothing', ''],
  ['application/json', 'content-type: application/json\r\n'],
  ['other letters', 'content-type: Text/Event-Stream; charset=utf-8\r\n'],
];
/** How its bytes begin, in pieces. */
const BEGINNINGS: readonly (readonly [string, readonly string[]])[] = [
  ['with an event', []],
  ['with a comment', [': queued\n\n']],
  ['with blank lines and half a word', ['\n\n', 'da', 'ta: {"choices":[]}\n\n']],
];

describe.each([CHAT, MESSAGES])('to %s', (path) => {
  for (const [name, label] of LABELS) {
    test.each(BEGINNINGS)(`a stream labelled ${name} that begins %s is relayed`, async (_, beginning) => {
      vendor.script = () =>
        [head(label), ...beginning.map(chunk), chunk(delta('hel')), chunk(delta('lo')), STREAM_END].map(
          (piece) => Buffer.from(piece, 'latin1'),
        );
      const response = await ask(path);
      const text = await response.text();
      expect(`${response.status} ${text}`).toStartWith('200 ');
      expect(saidInStream(path, text)).toMatchObject({ text: 'hello' });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      expect(response.headers.get('cache-control')).toBe('no-cache, no-transform');
      expect(response.headers.get('x-accel-buffering')).toBe('no');
    });
  }
});

test('a JSON answer to a request for a stream stays one', async () => {
  vendor.script = () => completion('whole');
  const response = await ask(CHAT);
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'whole' } }] });
});

test('something that is neither is a 502', async () => {
  vendor.script = () => `${head('content-type: text/html\r\n')}${chunk('<html>sign in</html>')}0\r\n\r\n`;
  const response = await ask(CHAT);
  expect(response.status).toBe(502);
  expect(await response.text()).toContain('upstream_protocol');
});
