import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Simulator } from '../src/simulator/server.ts';
import { configFile } from './support/config-file.ts';
import { parseExposition, type Exposition, type Sample } from './support/exposition.ts';
import { eventually, startGateway, type Gateway } from './support/gateway.ts';
import { skipUnless } from './support/skip-unless.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

/** The catalogue that dashboards rely on: labels of each, without the prefix. A ledger's is not here: there is none yet. */
const CATALOGUE: Readonly<Record<string, readonly [type: string, ...labels: string[]]>> = {
  requests_total: ['counter', 'model', 'provider', 'status', 'stream'],
  request_duration_seconds: ['histogram', 'model', 'provider'],
  overhead_seconds: ['histogram', 'model', 'provider'],
  time_to_first_token_seconds: ['histogram', 'model', 'provider'],
  pipeline_stage_seconds: ['histogram', 'stage'],
  tokens_total: ['counter', 'kind', 'model', 'provider'],
  cost_usd_total: ['counter', 'model', 'provider'],
  cache_savings_usd_total: ['counter'],
  dedup_requests_total: ['counter', 'role'],
  dedup_unclaimed_total: ['counter', 'reason'],
  dedup_savings_usd_total: ['counter'],
  in_flight: ['gauge', 'kind'],
  upstream_connections: ['gauge', 'provider', 'state'],
  rejected_total: ['counter', 'reason'],
  worker_up: ['gauge', 'worker'],
  event_loop_lag_seconds: ['gauge', 'worker'],
  heap_bytes: ['gauge', 'worker'],
};
/** Label values that are closed sets. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  stage: [
    'inbound_adapter',
    'chunker',
    'arranger',
    'canonicalizer',
    'cache_injector',
    'hasher',
    'outbound_adapter',
  ],
  kind: ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'cache_write_30m', 'output', 'reasoning'],
  role: ['leader', 'follower', 'off'],
  worker: ['0', '1'],
};

let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage({
    vendors: ['openai', 'deepseek'],
    env: ({ url }) =>
      configFile(`
providers:
  - { id: rest, base_url: "${url}", accounts: [{ api_key: k }], models: ['we"i\\rd', "two\\nlines"] }
default_provider: rest
aliases: { fast: rest/behind-an-alias }
`),
  });
  ({ simulator, gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

let count = 0;
const body = (content = '', more: object = {}): object => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: `${content} ${count++}` }],
  ...more,
});
async function ask(request: object, headers: Record<string, string> = {}): Promise<Response> {
  const response = await gateway.chat(key, request, { connection: 'close', ...headers });
  await response.clone().text();
  return response;
}
async function scrape(): Promise<Exposition> {
  const response = await fetch(`${gateway.url}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parseExposition(await response.text());
}
const samplesOf = (all: Exposition, name: string): Sample[] =>
  all.samples.filter((sample) => sample.name === `tokenrouter_${name}`);
const sumOf = (all: Exposition, name: string, labels: Record<string, string> = {}): number =>
  samplesOf(all, name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, sample) => sum + sample.value, 0);

/** What the samples have come to be between two scrapes. */
async function during(
  act: () => Promise<unknown>,
): Promise<(name: string, labels?: Record<string, string>) => number> {
  const before = await scrape();
  await act();
  await eventually(async () => sumOf(await scrape(), 'in_flight') === 0, 'nothing in flight');
  const after = await scrape();
  return (name, labels) => sumOf(after, name, labels) - sumOf(before, name, labels);
}

describe('the catalogue', () => {
  test('every name with its type, help and labels, and nothing without the prefix', async () => {
    await ask(body());
    await ask(body('', { stream: true }));
    await ask({});
    const all = await scrape();
    for (const [name, [type, ...labels]] of Object.entries(CATALOGUE)) {
      const full = `tokenrouter_${name}`;
      expect({ name, type: all.types.get(full) }).toEqual({ name, type });
      expect(all.helps.get(full)).toMatch(/\w/);
      const suffix = type === 'histogram' ? '_count' : '';
      const samples = samplesOf(all, name + suffix);
      expect(samples.length).toBeGreaterThan(0);
      for (const sample of samples) {
        expect({ name, labels: Object.keys(sample.labels).toSorted() }).toEqual({ name, labels });
        for (const [label, value] of Object.entries(sample.labels))
          if (label !== 'kind' || name === 'tokens_total') expect(VALUES[label] ?? [value]).toContain(value);
      }
    }
    for (const { name } of all.samples) expect(name).toStartWith('tokenrouter_');
    expect([...all.types.keys()].toSorted()).toEqual([...all.helps.keys()].toSorted());
    expect(samplesOf(all, 'in_flight').map((sample) => sample.labels['kind'])).toEqual([
      'non_stream',
      'stream',
    ]);
    for (const state of ['idle', 'active', 'waiting'])
      expect(samplesOf(all, 'upstream_connections').some((sample) => sample.labels['state'] === state)).toBe(
        true,
      );
  });

  test('histograms add up', async () => {
    await ask(body());
    const { types, samples } = await scrape();
    let histograms = 0;
    for (const [name, type] of types) {
      if (type !== 'histogram') continue;
      for (const { labels, value: total } of samples.filter((sample) => sample.name === `${name}_count`)) {
        histograms++;
        const mine = samples.filter(
          (sample) =>
            sample.name === `${name}_bucket` &&
            Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
        );
        const bounds = mine.map((sample) => Number(sample.labels['le']?.replace('+Inf', 'Infinity')));
        expect(bounds).toEqual(bounds.toSorted((one, other) => one - other));
        expect(bounds.at(-1)).toBe(Infinity);
        const counts = mine.map((sample) => sample.value);
        expect(counts).toEqual(counts.toSorted((one, other) => one - other));
        expect(counts.at(-1)).toBe(total);
      }
    }
    expect(histograms).toBeGreaterThan(8);
  });

  test('counters never go back, over both threads, and a scrape at once with others is whole', async () => {
    const work = Promise.all(Array.from({ length: 60 }, () => ask(body())));
    let last = 0;
    for (let round = 0; round < 10; round++) {
      const scrapes = await Promise.all(Array.from({ length: 10 }, scrape));
      const totals = scrapes.map((all) => sumOf(all, 'requests_total'));
      expect(Math.min(...totals)).toBeGreaterThanOrEqual(last);
      last = Math.min(...totals);
    }
    await work;
  });

  const promtool = Bun.which('promtool');
  skipUnless(promtool !== null, 'without promtool').test('passes promtool', async () => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    const child = Bun.spawn([promtool!, 'check', 'metrics'], {
      stdin: new Blob([text]),
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const said = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
    expect(said).toBe('');
    expect(await child.exited).toBe(0);
  });
});

describe('what is counted', () => {
  test('requests by how they ended, and each only once', async () => {
    const labels = { provider: 'openai', model: 'gpt-4o' };
    const change = await during(async () => {
      for (let index = 0; index < 3; index++) await ask(body());
      for (let index = 0; index < 2; index++) await ask(body('', { stream: true }));
      for (const status of [400, 404, 429, 500, 503]) await ask(body(`[[sim:status=${status}]]`));
      await ask(body('[[sim:status=401]]'));
      await ask(body('[[sim:break=0]]'));
    });
    expect(change('requests_total', { ...labels, status: '200', stream: 'false' })).toBe(3);
    expect(change('requests_total', { ...labels, status: '200', stream: 'true' })).toBe(2);
    for (const status of ['400', '404', '429', '500', '503'])
      expect(change('requests_total', { ...labels, status })).toBe(1);
    expect(change('requests_total', { ...labels, status: '502' })).toBe(2);
    expect(change('requests_total')).toBe(12);
    expect(change('request_duration_seconds_count', labels)).toBe(12);
    expect(change('overhead_seconds_count', labels)).toBe(12);
    expect(change('time_to_first_token_seconds_count', labels)).toBe(2);
    expect(change('dedup_requests_total', { role: 'leader' })).toBe(12);
    // A vendor's failure is not the gateway's refusal.
    expect(change('rejected_total')).toBe(0);
  });

  test('refusals by their reason', async () => {
    const narrow = await gateway.createKey({ allowed_models: ['o3'], rpm: 1 });
    const poor = await gateway.createKey({ quota_usd: 0 });
    const change = await during(async () => {
      await gateway.chat('sk-tr-wrong', body());
      await gateway.chat(narrow.key, body());
      await gateway.chat(narrow.key, body());
      await gateway.chat(poor.key, body());
      await ask({ model: 'gpt-4o' });
      await ask({ ...body(), n: 0 });
      await fetch(`${gateway.url}/nothing`);
      await gateway.chat(key, body('', { user: 'x'.repeat(33 * 1024 * 1024) }));
    });
    for (const [reason, times] of Object.entries({
      auth: 2,
      rate: 1,
      quota: 1,
      invalid: 2,
      not_found: 1,
      body_too_large: 1,
    }))
      expect({ reason, times: change('rejected_total', { reason }) }).toEqual({ reason, times });
    expect(change('rejected_total')).toBe(8);
    expect(change('requests_total', { provider: 'none', model: 'other' })).toBe(8);
  });

  test('tokens and cost as the vendor reports them', async () => {
    const labels = { provider: 'deepseek', model: 'deepseek-flash' };
    let costUsd = 0;
    const usage = { prompt: 0, cached: 0, output: 0, reasoning: 0 };
    const change = await during(async () => {
      for (let turn = 0; turn < 3; turn++) {
        const response = await ask({
          model: 'deepseek-flash',
          messages: [
            { role: 'system', content: 'Be brief. '.repeat(500) },
            { role: 'user', content: `turn ${turn}` },
          ],
        });
        costUsd += Number(response.headers.get('x-tokenrouter-cost-usd'));
        const answer = (await response.json()) as {
          usage: {
            prompt_tokens: number;
            prompt_cache_hit_tokens: number;
            completion_tokens: number;
            completion_tokens_details?: { reasoning_tokens: number };
          };
        };
        usage.prompt += answer.usage.prompt_tokens;
        usage.cached += answer.usage.prompt_cache_hit_tokens;
        usage.output += answer.usage.completion_tokens;
        usage.reasoning += answer.usage.completion_tokens_details?.reasoning_tokens ?? 0;
        simulator.advance(60_000);
      }
    });
    expect(usage.cached).toBeGreaterThan(0);
    expect(change('tokens_total', { ...labels, kind: 'input' })).toBe(usage.prompt - usage.cached);
    expect(change('tokens_total', { ...labels, kind: 'cache_read' })).toBe(usage.cached);
    expect(change('tokens_total', { ...labels, kind: 'output' })).toBe(usage.output);
    expect(change('tokens_total', { ...labels, kind: 'reasoning' })).toBe(usage.reasoning);
    expect(change('cost_usd_total', labels)).toBeCloseTo(costUsd, 9);
    expect(change('cache_savings_usd_total')).toBeGreaterThan(0);
  });

  test('every stage of the pipeline, one request in sixteen on each thread', async () => {
    const change = await during(async () => {
      for (let index = 0; index < 64; index++) await ask(body());
    });
    const counts = VALUES['stage']!.map((stage) => change('pipeline_stage_seconds_count', { stage }));
    expect(new Set(counts).size).toBe(1);
    // Two threads, each with a run of its own: 64 requests hold 4 timed ones, one more or less.
    expect(counts[0]).toBeGreaterThanOrEqual(3);
    expect(counts[0]).toBeLessThanOrEqual(5);
  });

  test('connections, while one is in use and after', async () => {
    const leaving = new AbortController();
    const pending = gateway.chat(key, body('[[sim:delay=60000]]'), {}, leaving.signal).catch(() => null);
    const openai = async (state: string): Promise<number> =>
      gateway.metric('upstream_connections', { provider: 'openai', state });
    await eventually(async () => (await openai('active')) === 1, 'one is in use');
    expect(await gateway.metric('in_flight', { kind: 'non_stream' })).toBe(1);
    leaving.abort();
    await pending;
    await eventually(async () => (await openai('active')) === 0, 'none is in use');
    expect(await gateway.metric('worker_up')).toBe(2);
  });
});

describe('labels are bounded', () => {
  test('a thousand models that nobody has named are one', async () => {
    const before = (await scrape()).samples.length;
    const change = await during(async () => {
      for (let batch = 0; batch < 20; batch++)
        await Promise.all(
          Array.from({ length: 50 }, (_, index) => ask(body('', { model: `made-up-${batch}-${index}` }))),
        );
    });
    expect(change('requests_total', { provider: 'rest', model: 'other' })).toBe(1_000);
    // The series of one more row of labels, if it is new.
    expect((await scrape()).samples.length - before).toBeLessThan(80);
  });

  test('so are names that would break the format; a name of the configuration is itself', async () => {
    const change = await during(async () => {
      for (const model of ['a"b', 'a\\', 'a\nb', '{x="y"}', '\u{1f600}', 'gpt-9"x', 'x'.repeat(5_000)])
        await ask(body('', { model }));
      await ask(body('', { model: 'we"i\\rd' }));
      await ask(body('', { model: 'two\nlines' }));
      await ask(body('', { model: 'fast' }));
      await ask(body('', { model: 'rest/we"i\\rd' }));
    });
    expect(change('requests_total', { model: 'other' })).toBe(7);
    expect(change('requests_total', { provider: 'rest', model: 'we"i\\rd' })).toBe(2);
    expect(change('requests_total', { provider: 'rest', model: 'two\nlines' })).toBe(1);
    expect(change('requests_total', { provider: 'rest', model: 'behind-an-alias' })).toBe(1);
  });

  test('more models in the configuration than there is room for count together', async () => {
    const models = Array.from({ length: 300 }, (_, index) => `model-${index}`);
    await using wide = await startGateway({
      env: configFile(`
providers: [{ id: wide, base_url: "${simulator.url}", accounts: [{ api_key: k }], models: [${models.join(', ')}] }]
`),
    });
    const made = await wide.createKey();
    for (let from = 0; from < models.length; from += 50) {
      const statuses = await Promise.all(
        models
          .slice(from, from + 50)
          .map(async (model) => (await wide.chat(made.key, body('', { model }))).status),
      );
      expect(new Set(statuses)).toEqual(new Set([200]));
    }
    const all = parseExposition(await (await fetch(`${wide.url}/metrics`)).text());
    expect(sumOf(all, 'requests_total')).toBe(300);
    const rows = new Set(samplesOf(all, 'requests_total').map((sample) => sample.labels['model']));
    expect(rows.size).toBeLessThanOrEqual(2 * 256);
  });
});

describe('health', () => {
  test('live and ready', async () => {
    for (const [path, status] of [
      ['/health/live', 'live'],
      ['/health/ready', 'ready'],
    ] as const) {
      const response = await fetch(`${gateway.url}${path}`);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ status });
    }
  });
});
