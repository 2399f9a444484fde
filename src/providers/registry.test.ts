import { describe, expect, test } from 'bun:test';
import { claudeModel } from '../models/claude.ts';
import { knownProfile, ProviderRegistry, type ProviderSettings } from './registry.ts';

const settings = (id: string, baseUrl: string | null = null): ProviderSettings => ({
  id,
  baseUrl,
  accounts: [],
  models: [],
  streamUsage: null,
  promptCacheKey: null,
});
const registryOf = (...providers: readonly ProviderSettings[]): ProviderRegistry =>
  new ProviderRegistry({ providers, aliases: {}, defaultProvider: null });

describe('the path of the API', () => {
  test.each([
    ['anthropic', null, '/v1'],
    ['anthropic', 'https://api.anthropic.com/', '/v1'],
    ['anthropic', 'https://api.anthropic.com/v1', '/v1'],
    ['anthropic', 'https://api.deepseek.com/anthropic', '/anthropic/v1'],
    ['openai', null, '/v1'],
    ['openai', 'http://proxy:8080', '/v1'],
    ['openai', 'http://proxy:8080/openai/v2', '/openai/v2'],
    ['openrouter', null, '/api/v1'],
  ])('%s at %p: %s', (id, baseUrl, path) => {
    expect(registryOf(settings(id, baseUrl)).providers[0]?.basePath).toBe(path);
  });
});

describe('models', () => {
  const registry = registryOf(settings('openai'), settings('anthropic'), settings('openrouter'));
  test.each([
    ['claude-opus-5-5', 'anthropic', 'claude-opus-5-5', false],
    ['anthropic/claude-opus-5-5', 'anthropic', 'claude-opus-5-5', true],
    ['openrouter/anthropic/claude-opus-4.8', 'openrouter', 'anthropic/claude-opus-4.8', true],
    ['gpt-4o', 'openai', 'gpt-4o', false],
  ])('%s reaches %s', (name, provider, upstreamModel, rewritten) => {
    const route = registry.resolve(name);
    expect([route?.provider.id, route?.upstreamModel, route?.rewritten]).toEqual([
      provider,
      upstreamModel,
      rewritten,
    ]);
  });
});

test('which models take cache marks, and where', () => {
  const takes = (id: string, model: string): boolean =>
    knownProfile(id)?.cacheMarks?.models.test(model) ?? false;
  expect(takes('anthropic', 'claude-opus-5-5')).toBe(true);
  expect(takes('openrouter', 'anthropic/claude-opus-4.8')).toBe(true);
  expect(takes('openrouter', '~anthropic/claude-sonnet-latest')).toBe(true);
  expect(takes('openrouter', 'openai/gpt-5')).toBe(false);
  expect(takes('openai', 'gpt-4o')).toBe(false);
  expect(takes('deepseek', 'deepseek-flash')).toBe(false);
});

test('names of any length are answered, and not remembered', () => {
  const registry = new ProviderRegistry({ providers: [], aliases: {}, defaultProvider: null });
  Bun.gc(true);
  const beforeBytes = process.memoryUsage.rss();
  for (let count = 0; count < 40; count++) {
    const name = Buffer.alloc(4 * 1024 * 1024, `${count} claude-opus-4-8 `).toString('latin1');
    expect(registry.resolve(name)).toBeNull();
    expect(claudeModel(name).maxOutputTokens).toBeGreaterThan(0);
    Bun.gc(true);
  }
  // 160 MB of names went by.
  expect(process.memoryUsage.rss() - beforeBytes).toBeLessThan(80 * 1024 * 1024);
});
