import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startSimulator, type Simulator } from '../src/simulator/server.ts';
import { configFile } from './support/config-file.ts';
import { expectError } from './support/errors.ts';
import { eventually, startGateway, type CreatedKey, type Gateway } from './support/gateway.ts';
import { settledUsd } from './support/money.ts';
import { chunk, delta, startVendor, STREAM_END, STREAM_HEAD, type Vendor } from './support/vendor.ts';

let simulator: Simulator;
let vendor: Vendor;
let gateway: Gateway;
let allowed: CreatedKey;

beforeAll(async () => {
  simulator = startSimulator({ port: 0, record: true });
  vendor = await startVendor(() => STREAM_HEAD + chunk(delta('hel')) + chunk(delta('lo')) + STREAM_END);
  gateway = await startGateway({
    env: {
      OPENAI_API_KEY: 'sk-up',
      OPENAI_BASE_URL: simulator.url,
      DEEPSEEK_API_KEY: 'sk-up',
      DEEPSEEK_BASE_URL: vendor.url,
      ...configFile('aliases: { fast: openai/gpt-4o-mini, gpt-quick: gpt-4o-mini }'),
    },
  });
  allowed = await gateway.createKey({ passthrough: true });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
  await simulator.stop();
});

const ON = { 'x-tokenrouter-passthrough': 'on' };
const exactly = (body: string, headers: Record<string, string> = {}, key = allowed.key): Promise<Response> =>
  gateway.chat(key, body, { ...ON, ...headers });
const lastSent = (): string => Buffer.from(simulator.bodies().at(-1) ?? []).toString('utf8');

/** Everything that the other mode would touch, or that a number type would. */
const ODD = `
{\t"tools" : [ {"type":"function","function":{"name":"z","parameters":{"type":"object","properties":{"10":{},"9":{},"a":{"enum":[1.0,1e2,-0,1E+2]}}}}},
  {"function":{"name":"a" , "description":"\\u0061\\/\\ud83d\\ude00é"},"type":"function"}],
 "messages":[{"content":"h\\u00e9llo \\/ é \u{1f600}\\n","role":"user"}, {"role":"user","content":[{"text":"b","type":"text"}]}],
 "temperature" : 1.0, "top_p":1e0, "seed":12345678901234567890, "metadata":{"b":"1","10":"2","2":"3","a":"4"},
 "model":"gpt-4o" , "stream":false, "user":"" }
`;

describe('byte-exact mode', () => {
  test('the vendor gets the bytes that came', async () => {
    const response = await exactly(ODD);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-tokenrouter-prefix-hash')).toMatch(/^[0-9a-f]{16}$/);
    expect(lastSent()).toBe(ODD);
  });

  test('without the header, or switched off, they are rewritten', async () => {
    for (const headers of [{}, { 'x-tokenrouter-passthrough': 'off' }]) {
      expect(
        (await gateway.chat(allowed.key, ODD, { ...headers, 'x-tokenrouter-dedup': 'off' })).status,
      ).toBe(200);
      expect(lastSent()).not.toBe(ODD);
      expect(lastSent()).toStartWith('{"model":"gpt-4o",');
    }
  });

  test('a key that may not is refused, whatever else is wrong', async () => {
    const { key } = await gateway.createKey();
    const before = simulator.stats().received;
    const { message } = await expectError(await exactly(ODD, {}, key), 403, 'passthrough_not_allowed');
    expect(message).toContain('yte-exact');
    await expectError(await exactly('{', {}, key), 403, 'passthrough_not_allowed');
    expect(simulator.stats().received).toBe(before);
  });

  test('a model that would have to be renamed is refused', async () => {
    const before = simulator.stats().received;
    for (const model of ['fast', 'gpt-quick', 'openai/gpt-4o']) {
      const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'x' }] });
      const { message } = await expectError(await exactly(body), 400, 'passthrough_alias', 'model');
      expect(message).toContain('name the vendor knows');
      expect((await gateway.chat(allowed.key, body)).status).toBe(200);
    }
    expect(simulator.stats().received).toBe(before + 3);
  });

  test('what cannot be read is refused as ever', async () => {
    await expectError(await exactly('{"model":"gpt-4o"'), 400, 'invalid_json');
    await expectError(await exactly('{"model":"gpt-4o"}'), 400, 'missing_field', 'messages');
    await expectError(
      await exactly('{"model":"gpt-4o","messages":[{"role":"user","content":"x","content":"y"}]}'),
      400,
      'duplicate_key',
      'content',
    );
    await expectError(await exactly(ODD.replace('gpt-4o', 'nobody')), 404, 'model_not_found', 'model');
  });

  test('limited as ever', async () => {
    const { key } = await gateway.createKey({ passthrough: true, rpm: 1 });
    expect((await exactly(ODD, {}, key)).status).toBe(200);
    await expectError(await exactly(ODD, {}, key), 429, 'rate_limit_exceeded');
    const empty = await gateway.createKey({ passthrough: true, quota_usd: 0 });
    await expectError(await exactly(ODD, {}, empty.key), 402, 'insufficient_quota');
    const narrow = await gateway.createKey({ passthrough: true, allowed_models: ['o3'] });
    await expectError(await exactly(ODD, {}, narrow.key), 403, 'model_not_allowed', 'model');
  });
});

describe('byte-exact mode is metered', () => {
  test('by the usage of a whole answer', async () => {
    const { id, key } = await gateway.createKey({ passthrough: true });
    const response = await exactly(ODD, {}, key);
    const { usage } = (await response.json()) as {
      usage: { prompt_tokens: number; completion_tokens: number };
    };
    // USD 2.5 and 10 a million tokens.
    const costUsd = (usage.prompt_tokens * 2.5 + usage.completion_tokens * 10) / 1e6;
    expect(Number(response.headers.get('x-tokenrouter-cost-usd'))).toBeCloseTo(costUsd, 9);
    expect(await settledUsd(gateway, id)).toBeCloseTo(costUsd, 9);
  });

  test('by the usage of a stream that brings it', async () => {
    const { id, key } = await gateway.createKey({ passthrough: true });
    const tokens = await gateway.metric('tokens_total', { kind: 'input' });
    const body =
      '{"stream_options" : {"include_usage":true},"stream": true, "model":"gpt-4o","messages":[{"role":"user","content":"usage"}]}';
    const text = await (await exactly(body, {}, key)).text();
    expect(lastSent()).toBe(body);
    expect(text).toContain('"usage":{');
    expect(await settledUsd(gateway, id)).toBeGreaterThan(0);
    expect(await gateway.metric('tokens_total', { kind: 'input' })).toBeGreaterThan(tokens);
  });

  test('by an estimate where a stream brings none; nothing is asked of the vendor for it', async () => {
    const { id, key } = await gateway.createKey({ passthrough: true });
    const body = '{"stream": true, "model":"gpt-4o","messages":[{"role":"user","content":"no usage"}]}';
    const text = await (await exactly(body, {}, key)).text();
    expect(lastSent()).toBe(body);
    expect(text).not.toContain('usage');
    expect(text).toEndWith('data: [DONE]\n\n');
    expect(await settledUsd(gateway, id)).toBeGreaterThan(0);
  });

  test("the answer's bytes are the vendor's own", async () => {
    const body = '{ "stream": true, "model":"deepseek-flash","messages":[{"role":"user","content":"x"}]}';
    const text = await (await exactly(body)).text();
    expect(text).toBe(`${delta('hel')}${delta('lo')}${delta('', 'stop')}data: [DONE]\n\n`);
    expect(vendor.requests.at(-1)?.body.toString()).toBe(body);
  });
});

describe('byte-exact mode shares calls by their raw bytes', () => {
  const slow = (spacing: string, content: string): string =>
    `{"model":"gpt-4o",${spacing}"messages":[{"role":"user","content":"[[sim:barrier=2]] ${content}"}]}`;
  const opener = (content: string): string =>
    JSON.stringify({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: `[[sim:barrier=2]] ${content}` }],
    });

  test('the same bytes are one call', async () => {
    const before = simulator.stats().received;
    const body = slow(' ', 'same');
    const first = exactly(body);
    await eventually(() => simulator.stats().inFlight === 1, 'the vendor has the first');
    const followers = await gateway.metric('dedup_requests_total', { role: 'follower' });
    const others = [exactly(body), exactly(body), exactly(body)];
    await eventually(
      async () => (await gateway.metric('dedup_requests_total', { role: 'follower' })) === followers + 3,
      'the others wait for it',
    );
    await gateway.chat(allowed.key, opener('opens the barrier 1'));
    const answers = await Promise.all([first, ...others]);
    expect(answers.map((one) => one.status)).toEqual([200, 200, 200, 200]);
    expect(answers.filter((one) => one.headers.get('x-tokenrouter-dedup') === 'follower')).toHaveLength(3);
    expect(new Set(await Promise.all(answers.map((one) => one.text()))).size).toBe(1);
    expect(simulator.stats().received).toBe(before + 2);
  });

  test('another spelling is another call, and so is the other mode', async () => {
    // The barrier opens only when both have arrived: shared, they would wait for ever.
    for (const [one, other] of [
      [() => exactly(slow('', 'spelling')), () => exactly(slow('  ', 'spelling'))],
      [() => exactly(slow('', 'mode')), () => gateway.chat(allowed.key, slow('', 'mode'))],
    ] as const) {
      const answers = await Promise.all([one(), other()]);
      expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
      expect(answers.map((answer) => answer.headers.get('x-tokenrouter-dedup'))).toEqual([
        'leader',
        'leader',
      ]);
    }
  });
});
