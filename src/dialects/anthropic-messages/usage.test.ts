import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { tokensOf } from '../../billing/usage.ts';
import { MessagesUsage, normaliseUsage } from './usage.ts';

const merged = (...objects: unknown[]) => {
  const usage = new MessagesUsage();
  for (const one of objects) usage.add(one);
  return usage.get();
};

describe('normaliseUsage', () => {
  test('counts exclusively: read and written tokens are not part of the input', () => {
    expect(
      normaliseUsage({
        input_tokens: 21,
        cache_creation_input_tokens: 300,
        cache_read_input_tokens: 1_000,
        cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
        output_tokens: 50,
        output_tokens_details: { thinking_tokens: 30 },
        service_tier: 'standard',
      }),
    ).toEqual({
      uncachedInput: 21,
      cacheRead: 1_000,
      cacheWrite5m: 100,
      cacheWrite1h: 200,
      cacheWrite30m: 0,
      output: 50,
      reasoning: 30,
      cacheKnown: true,
      estimated: false,
    });
  });

  test('written tokens without lifetimes are the default one', () => {
    expect(
      normaliseUsage({ input_tokens: 1, cache_creation_input_tokens: 9, output_tokens: 1 }),
    ).toMatchObject({
      cacheWrite5m: 9,
      cacheWrite1h: 0,
    });
  });

  test('absent and null figures are unknown, not zero', () => {
    expect(normaliseUsage({ input_tokens: 3, output_tokens: 1 })).toMatchObject({ cacheKnown: false });
    expect(
      normaliseUsage({
        input_tokens: 3,
        output_tokens: 1,
        cache_read_input_tokens: null,
        cache_creation_input_tokens: null,
        cache_creation: null,
        output_tokens_details: null,
      }),
    ).toMatchObject({ uncachedInput: 3, cacheKnown: false, reasoning: 0 });
    expect(normaliseUsage({ input_tokens: 3, output_tokens: 1, cache_read_input_tokens: 0 })).toMatchObject({
      cacheKnown: true,
    });
  });

  test('no usage at all', () => {
    for (const value of [
      undefined,
      null,
      {},
      7,
      'usage',
      [],
      { service_tier: 'standard' },
      { input_tokens: 'x' },
    ])
      expect(normaliseUsage(value)).toBeNull();
  });

  test('summaries written on the way are billed beside the totals; other iterations are in them', () => {
    const iteration = { input_tokens: 5, cache_read_input_tokens: 0, output_tokens: 2 };
    expect(
      normaliseUsage({
        input_tokens: 682,
        cache_read_input_tokens: 0,
        output_tokens: 1_320,
        iterations: [
          {
            ...iteration,
            type: 'compaction',
            input_tokens: 100,
            output_tokens: 83,
            cache_read_input_tokens: 55_096,
          },
          { ...iteration, type: 'message', input_tokens: 682, output_tokens: 1_320 },
          { ...iteration, type: 'fallback_message' },
          null,
        ],
      }),
    ).toMatchObject({ uncachedInput: 782, cacheRead: 55_096, output: 1_403 });
  });
});

describe('MessagesUsage', () => {
  test('figures of a stream are cumulative: the last one that is told counts, none is added', () => {
    expect(
      merged(
        {
          input_tokens: 43,
          cache_creation_input_tokens: 10,
          cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 0 },
          cache_read_input_tokens: 7,
          output_tokens: 1,
        },
        { input_tokens: 61, output_tokens: null, cache_read_input_tokens: null },
        { output_tokens: 227 },
      ),
    ).toMatchObject({ uncachedInput: 61, cacheRead: 7, cacheWrite5m: 10, cacheWrite1h: 0, output: 227 });
  });

  test('a later sum of written tokens keeps the lifetimes told before', () => {
    const start = (short: number, long: number) => ({
      input_tokens: 1,
      cache_creation_input_tokens: short + long,
      cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long },
    });
    const total = { cache_creation_input_tokens: 100, output_tokens: 1 };
    expect(merged(start(0, 40), total)).toMatchObject({ cacheWrite5m: 0, cacheWrite1h: 100 });
    expect(merged(start(10, 40), total)).toMatchObject({ cacheWrite5m: 60, cacheWrite1h: 40 });
    expect(merged(start(40, 0), total)).toMatchObject({ cacheWrite5m: 100, cacheWrite1h: 0 });
    expect(merged(start(200, 300), total)).toMatchObject({ cacheWrite5m: 0, cacheWrite1h: 100 });
  });

  test('no token is lost or counted twice, and nothing is negative', () => {
    const count = fc.option(fc.nat(1_000_000));
    const object = fc.record(
      {
        input_tokens: count,
        cache_creation_input_tokens: count,
        cache_read_input_tokens: count,
        cache_creation: fc.option(
          fc.record(
            { ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count },
            { requiredKeys: [] },
          ),
        ),
        output_tokens: count,
        output_tokens_details: fc.option(fc.record({ thinking_tokens: count })),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(object, { maxLength: 4 }), (objects) => {
        const usage = merged(...objects);
        const last = (pick: (one: (typeof objects)[number]) => number | null | undefined): number | null =>
          objects.map(pick).findLast((one) => typeof one === 'number') ?? null;
        const input = last((one) => one.input_tokens);
        const output = last((one) => one.output_tokens);
        if (input === null && output === null) {
          expect(usage).toBeNull();
          return;
        }
        const written =
          last((one) => one.cache_creation_input_tokens) ??
          (last((one) => one.cache_creation?.ephemeral_5m_input_tokens) ?? 0) +
            (last((one) => one.cache_creation?.ephemeral_1h_input_tokens) ?? 0);
        const read = last((one) => one.cache_read_input_tokens) ?? 0;
        expect(tokensOf(usage!)).toBe((input ?? 0) + written + read + (output ?? 0));
        expect(usage!.reasoning).toBeLessThanOrEqual(usage!.output);
        for (const figure of Object.values(usage!)) expect(Number(figure)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
