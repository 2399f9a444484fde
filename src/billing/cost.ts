import type { Price } from './prices.ts';
import type { Usage } from './usage.ts';

/** Weekdays 01:00–04:00 and 06:00–10:00 UTC (DeepSeek price page); public holidays are not known here. */
function isDeepSeekPeak(atMs: number): boolean {
  const date = new Date(atMs);
  const day = date.getUTCDay();
  const hour = date.getUTCHours();
  return day >= 1 && day <= 5 && ((hour >= 1 && hour < 4) || (hour >= 6 && hour < 10));
}

const ORDINARY = { input: 1, output: 1 };

function factors(price: Price, usage: Usage, atMs: number): { input: number; output: number } {
  if (price.provider === 'deepseek' && isDeepSeekPeak(atMs)) return { input: 2, output: 2 };
  const { longPrompt } = price;
  if (longPrompt === null) return ORDINARY;
  const prompt =
    usage.uncachedInput + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWrite30m;
  return prompt > longPrompt.aboveTokens ? longPrompt : ORDINARY;
}

/** What a call cost, in nano-USD, rounded once. */
export function costNanoUsd(price: Price, usage: Usage, atMs: number): number {
  const factor = factors(price, usage, atMs);
  const input =
    usage.uncachedInput * price.input +
    usage.cacheRead * price.cachedInput +
    usage.cacheWrite5m * price.cacheWrite5m +
    usage.cacheWrite1h * price.cacheWrite1h +
    usage.cacheWrite30m * price.cacheWrite30m;
  return Math.round((input * factor.input + usage.output * price.output * factor.output) * 1_000);
}

/** What the cache saved against uncached input, in nano-USD, net of what its writes cost more. May be negative. */
export function savingsNanoUsd(price: Price, usage: Usage, atMs: number): number {
  const factor = factors(price, usage, atMs);
  const saved =
    usage.cacheRead * (price.input - price.cachedInput) -
    usage.cacheWrite5m * (price.cacheWrite5m - price.input) -
    usage.cacheWrite1h * (price.cacheWrite1h - price.input) -
    usage.cacheWrite30m * (price.cacheWrite30m - price.input);
  return Math.round(saved * factor.input * 1_000);
}
