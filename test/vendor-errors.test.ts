import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { expectError, expectHealthy } from './support/errors.ts';
import { startGateway, type Gateway } from './support/gateway.ts';
import { keyView, settledUsd } from './support/money.ts';
import { completion, httpAnswer, startVendor, type Vendor, type VendorScript } from './support/vendor.ts';

const SECRET = 'sk-upstream-secret-0123456789';

let vendor: Vendor;
let gateway: Gateway;
let key: string;
let id: string;

beforeAll(async () => {
  vendor = await startVendor(() => completion());
  gateway = await startGateway({ env: { OPENAI_API_KEY: SECRET, OPENAI_BASE_URL: vendor.url } });
  ({ key, id } = await gateway.createKey());
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

let count = 0;
const body = (more: object = {}): object => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: `x ${count++}` }],
  ...more,
});
const ask = (script: VendorScript, more: object = {}): Promise<Response> => {
  vendor.script = script;
  return gateway.chat(key, body(more), {}, AbortSignal.timeout(10_000));
};
const vendorError = JSON.stringify({
  error: { message: "in the vendor's words", type: 't', param: 'p', code: 'c' },
});

describe("a vendor's errors", () => {
  test.each([400, 404, 408, 409, 413, 429, 451, 500, 502, 503, 504, 529, 599])(
    '%d passes as it is',
    async (status) => {
      for (const stream of [false, true]) {
        const response = await ask(
          () =>
            httpAnswer(status, vendorError, {
              'content-type': 'application/json',
              'retry-after': '7',
              'x-should-retry': 'false',
              server: 'cloudflare',
              'set-cookie': 'a=b',
            }),
          { stream },
        );
        expect(response.status).toBe(status);
        expect(await response.text()).toBe(vendorError);
        expect(response.headers.get('retry-after')).toBe('7');
        expect(response.headers.get('x-should-retry')).toBe('false');
        expect(response.headers.get('x-tokenrouter-provider')).toBe('openai');
        for (const name of ['server', 'set-cookie']) expect(response.headers.has(name)).toBe(false);
      }
    },
  );

  test("422 is a 400: what is not understood is the client's to mend", async () => {
    const response = await ask(() => httpAnswer(422, vendorError));
    expect(response.status).toBe(400);
    expect(await response.text()).toBe(vendorError);
  });

  test.each([401, 402, 403])('%d speaks of the gateway: a 502 that tells nothing of it', async (status) => {
    for (const stream of [false, true]) {
      const response = await ask(
        () =>
          httpAnswer(
            status,
            `{"error":{"message":"Incorrect API key provided: ${SECRET}. Your balance is 3."}}`,
            {
              'content-type': 'application/json',
              'www-authenticate': `Bearer realm="${SECRET}"`,
              'retry-after': '9',
            },
          ),
        { stream },
      );
      expect(JSON.stringify([...response.headers])).not.toContain(SECRET);
      expect(response.headers.get('x-should-retry')).toBe('false');
      const { message } = await expectError(response, 502, 'upstream_credentials');
      for (const word of [SECRET, 'Incorrect', 'balance is 3']) expect(message).not.toContain(word);
    }
  });

  test.each([300, 301, 302, 303, 304, 307, 308])('%d is not followed', async (status) => {
    await using elsewhere = await startVendor(() => completion());
    const before = (await keyView(gateway, id)).spent_usd;
    const response = await ask(() =>
      httpAnswer(status, '', { location: `${elsewhere.url}/v1/chat/completions` }),
    );
    await expectError(response, 502, 'upstream_protocol');
    expect(elsewhere.requests).toHaveLength(0);
    expect(await settledUsd(gateway, id)).toBe(before);
  });

  test.each([201, 204, 205, 206, 600, 999])('%d is no answer', async (status) => {
    const text = status === 204 ? 'HTTP/1.1 204 No Content\r\n\r\n' : httpAnswer(status, vendorError);
    const { message } = await expectError(await ask(() => text), 502, 'upstream_protocol');
    expect(message).toContain(String(status));
  });

  test('after all this the gateway is as it was', async () => {
    vendor.script = () => completion();
    expect(await gateway.metric('rejected_total')).toBe(0);
    await expectHealthy(gateway, key);
  });
});
