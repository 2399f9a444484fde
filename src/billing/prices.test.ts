import { describe, expect, test } from 'bun:test';
import { costNanoUsd } from './cost.ts';
import { PriceTable } from './prices.ts';
import type { Usage } from './usage.ts';

const prices = new PriceTable();

describe('PriceTable', () => {
  test('other names and dated names are billed as the model they are', () => {
    expect(prices.find('deepseek', 'deepseek-v4-flash')).toBe(prices.find('deepseek', 'deepseek-flash'));
    expect(prices.find('openai', 'gpt-4o-2024-08-06')).toBe(prices.find('openai', 'gpt-4o'));
    expect(prices.find('openai', 'gpt-4o')).not.toBeNull();
  });

  test('what it does not know has no price', () => {
    for (const model of ['gpt-99', 'gpt-99-2024-08-06', '', 'gpt-4o-2024-08'])
      expect(prices.find('openai', model)).toBeNull();
    expect(prices.find('vllm', 'gpt-4o')).toBeNull();
  });

  test('models are listed once, under their first name', () => {
    const models = prices.modelsOf('deepseek');
    expect(models).toContain('deepseek-flash');
    expect(models).not.toContain('deepseek-v4-flash');
    expect(new Set(models).size).toBe(models.length);
  });
});

describe('costNanoUsd', () => {
  const usage = (change: Partial<Usage>): Usage => ({
    uncachedInput: 0,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWrite30m: 0,
    output: 0,
    reasoning: 0,
    cacheKnown: true,
    estimated: false,
    ...change,
  });
  const SATURDAY = Date.UTC(2026, 10, 21, 2);
  const TUESDAY_PEAK = Date.UTC(2026, 10, 24, 2);

  test("DeepSeek's figures, off-peak and at peak (price page of 2026-11-15)", () => {
    const flash = prices.find('deepseek', 'deepseek-flash')!;
    const million = usage({ uncachedInput: 1e6, cacheRead: 1e6, output: 1e6 });
    expect(costNanoUsd(flash, million, SATURDAY)).toBe((0.15 + 0.003 + 0.6) * 1e9);
    expect(costNanoUsd(flash, million, TUESDAY_PEAK)).toBe((0.3 + 0.006 + 1.2) * 1e9);
  });
});
