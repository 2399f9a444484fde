import { describe, expect, test } from 'bun:test';
import { Biller, type Usage } from './bill.ts';
import { isDeepseekPeak } from './peak.ts';

const OFF_PEAK = Date.UTC(2026, 10, 23, 12);
const PEAK = Date.UTC(2026, 10, 23, 2);
const MILLION = 1_000_000;

const usage = (figures: Partial<Usage>): Usage => ({
  prompt: 0,
  cached: 0,
  written: 0,
  writtenLong: 0,
  output: 0,
  reasoning: 0,
  ...figures,
});

function usdOf(model: string, figures: Partial<Usage>, nowMs = OFF_PEAK): number | null | undefined {
  const biller = new Biller();
  biller.add(model, usage(figures), nowMs);
  return Object.values(biller.bill())[0]?.usd;
}

describe('one million tokens of each kind', () => {
  test('DeepSeek, off-peak and peak', () => {
    expect(usdOf('deepseek-flash', { prompt: MILLION })).toBe(0.15);
    expect(usdOf('deepseek-flash', { prompt: MILLION, cached: MILLION })).toBe(0.003);
    expect(usdOf('deepseek-flash', { output: MILLION })).toBe(0.6);
    expect(usdOf('deepseek-flash', { prompt: MILLION }, PEAK)).toBe(0.3);
    expect(usdOf('deepseek-v4-pro', { prompt: MILLION, cached: MILLION }, PEAK)).toBe(0.044);
  });

  test('OpenAI, with and without billed writes, and long prompts', () => {
    expect(usdOf('gpt-4o', { prompt: 2000, cached: 1000, output: 1000 })).toBe(0.01375);
    expect(usdOf('gpt-5.6-sol', { prompt: 3000, cached: 1000, written: 1000, output: 1000 })).toBe(0.0294);
    expect(usdOf('gpt-5.6-sol', { prompt: 272_000 })).toBe(1.088);
    expect(usdOf('gpt-5.6-sol', { prompt: 273_000, output: 1000 })).toBe(2.214);
    expect(usdOf('gpt-4.1', { prompt: 273_000 })).toBe(0.546);
  });

  test('Anthropic: writes for five minutes and for an hour, and long prompts', () => {
    const model = 'claude-opus-5-5';
    expect(usdOf(model, { prompt: MILLION })).toBe(4);
    expect(usdOf(model, { prompt: MILLION, cached: MILLION })).toBe(0.2);
    expect(usdOf(model, { prompt: MILLION, written: MILLION })).toBe(5);
    expect(usdOf(model, { prompt: MILLION, written: MILLION, writtenLong: MILLION })).toBe(8);
    expect(usdOf(model, { prompt: MILLION, written: MILLION, writtenLong: MILLION / 2 })).toBe(6.5);
    expect(usdOf(model, { output: MILLION })).toBe(20);
    expect(usdOf('claude-haiku-4-5-20251001', { prompt: MILLION })).toBe(1);
    expect(usdOf('claude-haiku-5-5', { prompt: 100_000, output: 1000 })).toBe(0.0105);
    expect(usdOf('claude-haiku-5-5', { prompt: 200_000, output: 1000 })).toBe(0.1025);
  });

  test('a model without a price has none', () => {
    expect(usdOf('nobody-knows-it', { prompt: MILLION })).toBeNull();
    expect(usdOf('constructor', { prompt: MILLION })).toBeNull();
  });
});

test('lines add up exactly, under the name that is billed', () => {
  const biller = new Biller();
  for (let index = 0; index < 1000; index++) {
    biller.add(
      index % 2 === 0 ? 'deepseek-v4-flash' : 'deepseek-flash',
      usage({ prompt: 10, cached: 3, output: 1 }),
      OFF_PEAK,
    );
    biller.add('gpt-4o-2024-08-06', usage({ prompt: 1 }), OFF_PEAK);
  }
  expect(biller.bill()).toEqual({
    'deepseek-flash': {
      requests: 1000,
      uncachedTokens: 7000,
      cachedTokens: 3000,
      writtenTokens: 0,
      writtenLongTokens: 0,
      outputTokens: 1000,
      usd: 0.001_659,
    },
    'gpt-4o': {
      requests: 1000,
      uncachedTokens: 1000,
      cachedTokens: 0,
      writtenTokens: 0,
      writtenLongTokens: 0,
      outputTokens: 0,
      usd: 0.0025,
    },
  });
  biller.clear();
  expect(biller.bill()).toEqual({});
});

test('names without end share one line', () => {
  const biller = new Biller();
  for (let index = 0; index < 2000; index++) biller.add(`model-${index}`, usage({ prompt: 1 }), OFF_PEAK);
  const bill = biller.bill();
  expect(Object.keys(bill).length).toBe(1001);
  expect(bill['other']?.requests).toBe(1000);
});

test('peak hours', () => {
  const at = (day: number, hour: number): boolean => isDeepseekPeak(Date.UTC(2026, 10, day, hour));
  expect([0, 1, 3, 4, 5, 6, 9, 10].map((hour) => at(23, hour))).toEqual([
    false,
    true,
    true,
    false,
    false,
    true,
    true,
    false,
  ]);
  expect([20, 21, 22].map((day) => at(day, 7))).toEqual([true, false, false]);
});
