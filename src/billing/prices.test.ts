import { describe, expect, test } from 'bun:test';
import { outputCap } from '../models/output-caps.ts';
import { costNanoUsd, savingsNanoUsd } from './cost.ts';
import { PriceTable } from './prices.ts';
import type { Usage } from './usage.ts';

const prices = new PriceTable();

describe('PriceTable', () => {
  test('other names and dated names are billed as the model they are', () => {
    expect(prices.find('deepseek', 'deepseek-v4-flash')).toBe(prices.find('deepseek', 'deepseek-flash'));
    expect(prices.find('openai', 'gpt-4o-2024-08-06')).toBe(prices.find('openai', 'gpt-4o'));
    expect(prices.find('openai', 'gpt-4o')).not.toBeNull();
    const haiku = prices.find('anthropic', 'claude-haiku-4-5');
    expect(haiku).not.toBeNull();
    expect(prices.find('anthropic', 'claude-haiku-4-5-20251001')).toBe(haiku);
  });

  test('what it does not know has no price', () => {
    for (const model of ['gpt-99', 'gpt-99-2024-08-06', '', 'gpt-4o-2024-08'])
      expect(prices.find('openai', model)).toBeNull();
    for (const model of ['claude-99-20251001', 'claude-haiku-4-5-2025', 'claude-haiku-4-5-202510011'])
      expect(prices.find('anthropic', model)).toBeNull();
    expect(prices.find('vllm', 'gpt-4o')).toBeNull();
  });

  test.each(['openai', 'deepseek', 'gemini'])('%s: models write what their families do', (provider) => {
    const models = prices.modelsOf(provider);
    expect(models.length).toBeGreaterThan(1);
    expect(models.map((model) => [model, prices.find(provider, model)?.maxOutputTokens])).toEqual(
      models.map((model) => [model, outputCap(model) ?? undefined]),
    );
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

  test("Claude's figures: writes for five minutes and an hour, reads (price page of 2026-11-10)", () => {
    const kinds = { uncachedInput: 1e6, cacheRead: 1e6, cacheWrite5m: 1e6, cacheWrite1h: 1e6, output: 1e6 };
    const million = usage(kinds);
    const sonnet = prices.find('anthropic', 'claude-sonnet-4-5')!;
    expect(costNanoUsd(sonnet, million, SATURDAY)).toBe((3 + 0.3 + 3.75 + 6 + 15) * 1e9);
    expect(savingsNanoUsd(sonnet, million, SATURDAY)).toBe(-1_050_000_000);
    const opus = prices.find('anthropic', 'claude-opus-5-5')!;
    expect(costNanoUsd(opus, million, SATURDAY)).toBe((4 + 0.2 + 5 + 8 + 20) * 1e9);
  });

  test('a long prompt costs more, all of it, counted with what the cache held', () => {
    const cost = (provider: string, model: string, tokens: Partial<Usage>): number =>
      costNanoUsd(prices.find(provider, model)!, usage(tokens), SATURDAY);
    const read = { cacheRead: 60_000, uncachedInput: 40_000, output: 1_000 };
    expect(cost('anthropic', 'claude-haiku-5-5', read)).toBe((60 * 0.01 + 40 * 0.1 + 0.5) * 1e6);
    const more = { ...read, uncachedInput: 40_001 };
    expect(cost('anthropic', 'claude-haiku-5-5', more)).toBe((60 * 0.05 + 40.001 * 0.5 + 2.5) * 1e6);
    const gpt = { uncachedInput: 272_001, output: 1_000 };
    expect(cost('openai', 'gpt-5.4', gpt)).toBe((272.001 * 5 + 22.5) * 1e6);
    expect(cost('openai', 'gpt-4o', gpt)).toBe((272.001 * 2.5 + 10) * 1e6);
  });
});
