import { describe, expect, test } from 'bun:test';
import { imageTokens, imageTokensAtMost } from '../models/image-tokens.ts';
import { fileTokens, filmTokens, soundTokens } from './media-tokens.ts';

const tokens = (model: string, width: number, height: number, detail = ''): number =>
  imageTokens(model, { width, height }, detail);

describe('a picture', () => {
  test('the examples of OpenAI’s guide, in tiles', () => {
    expect(tokens('gpt-4o', 1024, 1024)).toBe(765);
    expect(tokens('gpt-4o', 2048, 4096)).toBe(1_105);
    expect(tokens('gpt-4o-2024-08-06', 4096, 8192, 'low')).toBe(85);
    expect(tokens('gpt-4o', 64, 64)).toBe(85 + 170);
    expect(tokens('gpt-4o-mini', 1024, 1024)).toBe(2_833 + 4 * 5_667);
    expect(tokens('o3', 1024, 1024)).toBe(75 + 4 * 150);
    expect(tokens('gpt-5', 1024, 1024)).toBe(70 + 4 * 140);
  });

  test('and in squares', () => {
    expect(tokens('gpt-5.4-mini', 1024, 1024)).toBe(Math.ceil(1_024 * 1.62));
    expect(tokens('gpt-4.1-nano', 1024, 1024)).toBe(Math.ceil(1_024 * 2.46));
    expect(tokens('gpt-5.6-terra', 320, 320)).toBe(120);
    expect(tokens('gpt-6-sol', 9_000, 9_000)).toBe(3_000);
    expect(tokens('gpt-6-sol', 9_000, 9_000, 'original')).toBe(12_000);
  });

  test('of Claude, whose later models look closer', () => {
    for (const model of ['claude-sonnet-4-5', 'claude-3-5-haiku-20241022', 'claude-sonnet-4-20250514']) {
      expect(tokens(model, 1000, 1000)).toBe(36 * 36);
      expect(tokens(model, 5000, 5000)).toBe(1_600);
    }
    for (const model of ['claude-opus-4-8', 'claude-sonnet-5-5', 'anthropic/claude-fable-5'])
      expect(tokens(model, 5000, 5000)).toBe(4_784);
  });

  test('whose size is not known counts as the largest; nothing counts more than that', () => {
    for (const model of [
      'gpt-4o',
      'gpt-4o-mini',
      'gpt-5-nano',
      'claude-opus-5',
      'deepseek-flash',
      'qwen-vl',
    ]) {
      const most = imageTokensAtMost(model);
      expect(imageTokens(model, null)).toBe(most);
      expect(most).toBeWithin(1_000, 50_000);
      for (const side of [1, 100, 768, 2_048, 100_000]) {
        expect(tokens(model, side, side)).toBeLessThanOrEqual(most);
        expect(tokens(model, 1, side)).toBeWithin(1, most + 1);
      }
    }
  });
});

describe('what is no picture', () => {
  test('files count by their pages, sound and films by their seconds', () => {
    expect(fileTokens(50_000)).toEqual({ tokens: 3_000, atMost: 9_000 });
    expect(fileTokens(999_000).tokens).toBe(30_000);
    // No vendor reads more than 600 pages.
    expect(fileTokens(31 * 1024 * 1024)).toEqual({ tokens: 978_000, atMost: 1_800_000 });
    expect(fileTokens(100_000_000)).toEqual({ tokens: 1_800_000, atMost: 1_800_000 });
    // A minute at 64 kbit/s.
    expect(soundTokens(640_000).tokens).toBeWithin(590, 610);
    expect(soundTokens(3_840_000, true).tokens).toBe(600);
    expect(filmTokens(1_670_000).tokens).toBe(2_900);
  });

  test('what is not there counts, too', () => {
    for (const counted of [fileTokens(null), soundTokens(null), filmTokens(null)])
      expect(counted.tokens).toBeGreaterThan(500);
  });
});
