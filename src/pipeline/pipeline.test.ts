import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../errors/gateway-error.ts';
import { hexOf, inputOf, OPTIONS, prepare, textOf } from './testing/pipeline.ts';
import { Pipeline } from './pipeline.ts';

const body = (content: string, rest = ''): string =>
  `{"model":"m"${rest},"messages":[{"role":"user","content":"${content}"}]}`;

describe('prepared', () => {
  test('tells what the request is', () => {
    const text = body('x', ',"stream":true,"max_tokens":50,"n":3,"stream_options":{"include_usage":true}');
    const prepared = prepare(text);
    expect(prepared).toMatchObject({
      model: 'm',
      stream: true,
      usageRequested: true,
      usageAdded: false,
      shareable: true,
      maxOutputTokens: 50,
      n: 3,
      inputSize: { textBytes: text.length, mediaTokens: 0, mediaTokensAtMost: 0 },
      bodyBytes: prepared.body.byteLength,
    });
    expect(prepared.route.upstreamModel).toBe('m');
  });

  test('owns its bytes: later requests change nothing', () => {
    const pipeline = new Pipeline(OPTIONS);
    const first = pipeline.prepare(inputOf(body('first')));
    const kept = [textOf(first), hexOf(first.fullHash), first.prefixHash, first.affinityHash];
    for (let index = 0; index < 50; index++) pipeline.prepare(inputOf(body('x'.repeat(index * 1000))));
    expect([textOf(first), hexOf(first.fullHash), first.prefixHash, first.affinityHash]).toEqual(kept);
  });

  test('hands its body over once, in one piece or in parts', () => {
    for (const take of ['takeBody', 'takeParts'] as const) {
      const prepared = prepare(body('x'));
      const expected = textOf(prepared);
      const taken = prepared[take]();
      expect(Buffer.concat(Array.isArray(taken) ? taken : [taken as Uint8Array]).toString()).toBe(expected);
      expect(prepared.takeParts()).toEqual([]);
      expect(prepared.takeBody().byteLength).toBe(0);
      expect(prepared.body.byteLength).toBe(0);
      expect(prepared.bodyBytes).toBe(expected.length);
    }
  });

  test('has its body until that is handed over, however often it was looked at', () => {
    const prepared = prepare(body('x'));
    const expected = textOf(prepared);
    for (let round = 0; round < 2; round++) expect(Buffer.concat(prepared.parts).toString()).toBe(expected);
    expect(Buffer.concat(prepared.takeParts()).toString()).toBe(expected);
    expect(prepared.takeParts()).toEqual([]);
  });

  test('keeps no body alive once it was taken, nor does the pipeline', () => {
    const pipeline = new Pipeline(OPTIONS);
    const taken: { body: WeakRef<Uint8Array>; input: WeakRef<Uint8Array> }[] = [];
    const kept = Array.from({ length: 20 }, (_, index) => {
      const input = Buffer.from(body('x'.repeat(50_000 + index)));
      const prepared = pipeline.prepare(inputOf(input));
      taken.push({ body: new WeakRef(prepared.takeBody()), input: new WeakRef(input) });
      return prepared;
    });
    // A conservative collector may see a few stale references on the stack.
    const leave = Promise.resolve().then(() => {
      Bun.gc(true);
      const alive = taken.filter(
        ({ body, input }) => body.deref() !== undefined || input.deref() !== undefined,
      );
      expect(alive.length).toBeLessThan(10);
      expect(kept).toHaveLength(20);
    });
    return leave;
  });
});

describe('one pipeline, many requests', () => {
  test('each is as if it were the first, whatever came before it', () => {
    const bodies = [
      body('a', ',"tools":[{"name":"b"},{"name":"a"}],"stream":true,"stream_options":{"x":1}'),
      body('b'),
      '{"model":"m","messages":[{"role":"system","content":"s"}]}',
      body('c', ',"prompt_cache_key":"own","n":2,"store":true'),
      body('d', ',"stream":true'),
    ];
    const pipeline = new Pipeline(OPTIONS);
    const facts = (prepared: ReturnType<typeof prepare>): unknown => [
      textOf(prepared),
      hexOf(prepared.fullHash),
      Object.entries(prepared).filter(([name]) => name !== 'route' && name !== 'fullHash'),
    ];
    for (const first of bodies) {
      for (const second of bodies) {
        pipeline.prepare(inputOf(first));
        expect(() => pipeline.prepare(inputOf('{"model":"m"'))).toThrow(GatewayError);
        pipeline.prepare(inputOf(first, { passthrough: true }));
        expect(facts(pipeline.prepare(inputOf(second)))).toEqual(facts(prepare(second)));
        expect(facts(pipeline.prepare(inputOf(second, { passthrough: true })))).toEqual(
          facts(prepare(second, {}, { passthrough: true })),
        );
      }
    }
  });
});

describe('timing', () => {
  test('each stage is told of, in order, by the clock that was given', () => {
    let clockMs = 0;
    const told: [number, number][] = [];
    const pipeline = new Pipeline({
      ...OPTIONS,
      now: () => (clockMs += 2),
      onStage: (index, ms) => told.push([index, ms]),
    });
    const timed = pipeline.prepare(inputOf(body('x')));
    expect(told).toEqual(pipeline.stageNames.map((_, index) => [index, 2]));
    expect(textOf(timed)).toBe(textOf(prepare(body('x'))));
  });

  test('a stage that throws is not told of, those before it are', () => {
    const told: number[] = [];
    const pipeline = new Pipeline({
      ...OPTIONS,
      resolveModel: () => null,
      onStage: (index) => told.push(index),
    });
    expect(() => pipeline.prepare(inputOf(body('x')))).toThrow(GatewayError);
    expect(told).toEqual([]);
  });

  test('without a listener the clock is not read', () => {
    const pipeline = new Pipeline({
      ...OPTIONS,
      now: () => {
        throw new Error('read');
      },
    });
    expect(pipeline.prepare(inputOf(body('x'))).model).toBe('m');
  });
});
