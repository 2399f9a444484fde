import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { configFile } from './support/config-file.ts';
import { expectError } from './support/errors.ts';
import { startGateway, type Gateway } from './support/gateway.ts';
import {
  chunk,
  completion,
  delta,
  startVendor,
  STREAM_END,
  STREAM_HEAD,
  type Vendor,
  type VendorRequest,
} from './support/vendor.ts';

const answer = ({ body }: VendorRequest): string =>
  body.includes('"stream":true') ? STREAM_HEAD + chunk(delta('hello')) + STREAM_END : completion();
const lastOf = (vendor: Vendor): VendorRequest => vendor.requests.at(-1)!;
const modelSent = (vendor: Vendor): unknown =>
  (JSON.parse(lastOf(vendor).body.toString()) as { model: unknown }).model;

let count = 0;
const body = (model: string, more: object = {}): object => ({
  model,
  messages: [{ role: 'user', content: `x ${count++}` }],
  ...more,
});

describe('where a model goes', () => {
  let openai: Vendor;
  let deepseek: Vendor;
  let local: Vendor;
  let gateway: Gateway;
  let key: string;

  beforeAll(async () => {
    [openai, deepseek, local] = await Promise.all([
      startVendor(answer),
      startVendor(answer),
      startVendor(answer),
    ]);
    gateway = await startGateway({
      env: {
        OPENAI_API_KEY: 'sk-openai',
        OPENAI_BASE_URL: openai.url,
        DEEPSEEK_API_KEY: 'sk-deepseek',
        DEEPSEEK_BASE_URL: `${deepseek.url}/v1`,
        ...configFile(`
providers:
  - id: local
    base_url: ${local.url}/openai/v1/
    models: [qwen3-32b, meta-llama/Llama-4, gpt-oss-120b]
  - id: openai
    base_url: http://127.0.0.1:1/v1
    accounts: [{ api_key: sk-of-the-file }]
aliases:
  fast: deepseek/deepseek-flash
  smart: gpt-4o
  gpt-4o-mini: local/tiny
  llama: meta-llama/Llama-4
`),
      },
    });
    ({ key } = await gateway.createKey());
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    for (const vendor of [openai, deepseek, local]) await vendor[Symbol.asyncDispose]();
  });

  test.each([
    ['by name', 'gpt-4o', 'openai', 'gpt-4o'],
    ['by name', 'gpt-of-tomorrow', 'openai', 'gpt-of-tomorrow'],
    ['by name', 'o3', 'openai', 'o3'],
    ['by name', 'o4-mini', 'openai', 'o4-mini'],
    ['by name', 'deepseek-flash', 'deepseek', 'deepseek-flash'],
    ['by provider/model', 'deepseek/whatever', 'deepseek', 'whatever'],
    ['by provider/model', 'local/gpt-4o', 'local', 'gpt-4o'],
    ['by provider/model, the model with a slash', 'local/meta-llama/Llama-4', 'local', 'meta-llama/Llama-4'],
    ['listed', 'qwen3-32b', 'local', 'qwen3-32b'],
    ['listed, with a slash', 'meta-llama/Llama-4', 'local', 'meta-llama/Llama-4'],
    ["listed, before a vendor's pattern", 'gpt-oss-120b', 'local', 'gpt-oss-120b'],
    ['by alias for provider/model', 'fast', 'deepseek', 'deepseek-flash'],
    ['by alias for a name', 'smart', 'openai', 'gpt-4o'],
    ['by alias for a listed name', 'llama', 'local', 'meta-llama/Llama-4'],
    ['by alias before its name', 'gpt-4o-mini', 'local', 'tiny'],
  ] as const)('%s: %s → %s, %s', async (_how, model, provider, upstreamModel) => {
    for (const stream of [false, true]) {
      const response = await gateway.chat(key, body(model, { stream }));
      expect(response.status).toBe(200);
      expect(response.headers.get('x-tokenrouter-provider')).toBe(provider);
      await response.text();
      expect(modelSent({ openai, deepseek, local }[provider])).toBe(upstreamModel);
    }
  });

  test.each([
    'Gpt-4o',
    'og-1',
    'xgpt-4o',
    'deepseek',
    'openai',
    'openai/',
    '/x',
    'nobody/gpt-4o',
    'constructor',
    '__proto__',
    'toString',
  ])('%s goes nowhere', async (model) => {
    await expectError(await gateway.chat(key, body(model)), 404, 'model_not_found', 'model');
  });

  test('with the account of the environment, not of the file, and nothing of the client', async () => {
    const response = await gateway.chat(key, body('gpt-4o'), {
      'x-api-key': key,
      cookie: 'session=1',
      'x-tokenrouter-tags': 'a=b',
      'x-request-id': 'mine',
      'openai-organization': 'org',
      'user-agent': 'me/1.0',
      'accept-encoding': 'gzip, br',
    });
    expect(response.status).toBe(200);
    const { headers, target, body: sent } = lastOf(openai);
    expect(target).toBe('/v1/chat/completions');
    expect(Object.fromEntries(headers)).toEqual({
      host: new URL(openai.url).host,
      authorization: 'Bearer sk-openai',
      'content-type': 'application/json',
      'content-length': String(sent.length),
      accept: 'application/json, text/event-stream',
      'accept-encoding': 'identity',
      'user-agent': 'tokenrouter',
      // For a gateway that may be behind that address.
      'x-tokenrouter-hop': '1',
    });
    await gateway.chat(key, body('qwen3-32b'));
    expect(lastOf(local).target).toBe('/openai/v1/chat/completions');
    expect(lastOf(local).headers.has('authorization')).toBe(false);
  });

  test('the list of models: aliases, listed names, and priced ones, each once', async () => {
    const response = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    const { object, data } = (await response.json()) as {
      object: string;
      data: { id: string; object: string; created: number; owned_by: string }[];
    };
    expect(object).toBe('list');
    const owners = new Map(data.map((model) => [model.id, model.owned_by]));
    expect(owners.size).toBe(data.length);
    expect(owners.get('fast')).toBe('deepseek');
    expect(owners.get('smart')).toBe('openai');
    expect(owners.get('qwen3-32b')).toBe('local');
    expect(owners.get('o3')).toBe('openai');
    expect(owners.get('deepseek-flash')).toBe('deepseek');
    expect(owners.get('gpt-4o-mini')).toBe('local');
    for (const model of data)
      expect(model).toMatchObject({ object: 'model', created: expect.any(Number) as number });
    const one = await fetch(`${gateway.url}/v1/models/meta-llama%2FLlama-4`, {
      headers: { 'x-api-key': key },
    });
    expect(await one.json()).toMatchObject({ id: 'meta-llama/Llama-4', owned_by: 'local' });
    expect((await fetch(`${gateway.url}/models/o3`, { headers: { 'x-api-key': key } })).status).toBe(200);
    expect(
      (await fetch(`${gateway.url}/v1/models/meta-llama/Llama-4`, { headers: { 'x-api-key': key } })).status,
    ).toBe(200);
  });
});

describe('the default provider', () => {
  test('takes what no vendor has, under the name it came by', async () => {
    await using vendor = await startVendor(answer);
    await using rest = await startVendor(answer);
    await using gateway = await startGateway({
      env: {
        OPENAI_API_KEY: 'sk-up',
        OPENAI_BASE_URL: vendor.url,
        ...configFile(`providers: [{ id: rest, base_url: "${rest.url}" }]\ndefault_provider: rest\n`),
      },
    });
    const { key } = await gateway.createKey();
    for (const model of ['mock-model', 'nobody/model', 'claude-sonnet-5', 'deepseek-flash']) {
      const response = await gateway.chat(key, body(model));
      expect(response.headers.get('x-tokenrouter-provider')).toBe('rest');
      expect(modelSent(rest)).toBe(model);
    }
    expect((await gateway.chat(key, body('gpt-4o'))).headers.get('x-tokenrouter-provider')).toBe('openai');
  });

  test('TOKENROUTER_FALLBACK_BASE_URL stands in while there is no other', async () => {
    await using vendor = await startVendor(answer);
    for (const [env, provider] of [
      [{}, 'fallback'],
      [{ OPENAI_API_KEY: 'sk-up', OPENAI_BASE_URL: vendor.url }, 'openai'],
    ] as const) {
      await using gateway = await startGateway({
        env: { TOKENROUTER_FALLBACK_BASE_URL: vendor.url, ...env },
      });
      const { key } = await gateway.createKey();
      expect((await gateway.chat(key, body('gpt-4o'))).headers.get('x-tokenrouter-provider')).toBe(provider);
    }
  });
});

describe('base URLs as for an SDK', () => {
  test.each([
    ['', '/v1/chat/completions'],
    ['/', '/v1/chat/completions'],
    ['/v1', '/v1/chat/completions'],
    ['/v1/', '/v1/chat/completions'],
    ['/v1//', '/v1/chat/completions'],
    ['/proxy/openai/v1', '/proxy/openai/v1/chat/completions'],
    ['/beta/', '/beta/chat/completions'],
  ])('%j', async (path, target) => {
    await using vendor = await startVendor(answer);
    await using gateway = await startGateway({
      env: {
        DEEPSEEK_API_KEY: 'sk-up',
        DEEPSEEK_BASE_URL: `${vendor.url.replace('127.0.0.1', 'localhost')}${path}`,
      },
    });
    const { key } = await gateway.createKey();
    expect((await gateway.chat(key, body('deepseek-flash'))).status).toBe(200);
    expect(lastOf(vendor).target).toBe(target);
    expect(lastOf(vendor).headers.get('host')).toBe(`localhost:${new URL(vendor.url).port}`);
  });
});

describe('several accounts', () => {
  let vendor: Vendor;
  let gateway: Gateway;
  let key: string;
  const KEYS = ['sk-a', 'sk-b', 'sk-c'];

  beforeAll(async () => {
    vendor = await startVendor(answer);
    gateway = await startGateway({ env: { OPENAI_API_KEY: KEYS.join(' , '), OPENAI_BASE_URL: vendor.url } });
    ({ key } = await gateway.createKey());
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await vendor[Symbol.asyncDispose]();
  });

  /** Every turn of a conversation on a connection of its own, so that both threads see some; answers the accounts used. */
  async function converse(name: string, turns: number): Promise<Set<string | undefined>> {
    const accounts = new Set<string | undefined>();
    const messages: object[] = [{ role: 'system', content: 'the same for all' }];
    for (let turn = 0; turn < turns; turn++) {
      messages.push({ role: 'user', content: `${name} ${turn}` });
      const request = { model: 'gpt-4o', messages, stream: turn % 2 === 1, temperature: turn / 10 };
      const response = await gateway.chat(key, request, { connection: 'close' });
      expect(response.status).toBe(200);
      await response.text();
      const sent = vendor.requests.findLast((one) => one.body.includes(`${name} ${turn}`));
      accounts.add(sent?.headers.get('authorization'));
      messages.push({ role: 'assistant', content: `answer ${turn}` });
    }
    return accounts;
  }

  test('a conversation stays with one of them', async () => {
    for (const name of ['first', 'second', 'third', 'fourth']) expect((await converse(name, 6)).size).toBe(1);
  });

  test('conversations spread over all of them', async () => {
    const used = new Map<string, number>();
    for (let index = 0; index < 90; index++) {
      const [account = ''] = await converse(`conversation-${index}:`, 1);
      used.set(account, (used.get(account) ?? 0) + 1);
    }
    expect([...used.keys()].toSorted()).toEqual(KEYS.map((one) => `Bearer ${one}`));
    // Thirty each, were it even.
    for (const times of used.values()) expect(times).toBeWithin(10, 60);
  });
});
