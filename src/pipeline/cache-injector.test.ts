import { describe, expect, test } from 'bun:test';
import { prepare, routeTo, textOf, type Setting } from './pipeline-fixture.ts';

interface Sent {
  readonly prompt_cache_key?: string;
}
const tool = (name: string): unknown => ({ type: 'function', function: { name } });
const SYSTEM = { role: 'system', content: 'You are kind.' };
const key = (body: Record<string, unknown>, ...rest: Setting): string | undefined =>
  (JSON.parse(textOf(prepare(JSON.stringify({ model: 'm', ...body }), ...rest))) as Sent).prompt_cache_key;
const user = (content: string): unknown => ({ role: 'user', content });

describe('prompt_cache_key', () => {
  test('is within the vendor’s 64 characters', () => {
    expect(key({ messages: [user('x')] })).toMatch(/^tr-[0-9a-f]{16}$/);
  });

  test('is the same over a conversation and for every order of the tools', () => {
    const turns = [user('hi'), { role: 'assistant', content: 'yes?' }, user('bye')];
    const keys = [1, 2, 3].map((count) =>
      key({
        messages: [SYSTEM, ...turns.slice(0, count)],
        tools: [tool('b'), tool('a')],
        temperature: count,
      }),
    );
    const swapped = key({ tools: [tool('a'), tool('b')], messages: [SYSTEM, user('other')] });
    expect(new Set([...keys, swapped]).size).toBe(1);
  });

  test('differs by tools and by leading system block alone', () => {
    const keys = [
      key({ messages: [SYSTEM, user('x')] }),
      key({ messages: [user('x')] }),
      key({ messages: [SYSTEM, SYSTEM, user('x')] }),
      key({ messages: [SYSTEM, user('x')], tools: [tool('a')] }),
      key({ messages: [SYSTEM, user('x')], tools: [tool('b')] }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(key({ messages: [SYSTEM, user('x'), SYSTEM] })).toBe(keys[0]);
  });

  test('a client’s own key wins; null is none', () => {
    expect(key({ messages: [user('x')], prompt_cache_key: 'mine' })).toBe('mine');
    const body = '{"model":"m","prompt_cache_key":null,"messages":[{"role":"user","content":"x"}]}';
    const text = textOf(prepare(body));
    expect(text.match(/"prompt_cache_key"/g)).toHaveLength(1);
  });

  test('is left out for a provider that does not declare it, when switched off, and in byte-exact mode', () => {
    const body = { messages: [user('x')] };
    expect(key(body, { resolveModel: (model) => routeTo(model, { cacheKey: false }) })).toBeUndefined();
    expect(key(body, { cacheInject: false })).toBeUndefined();
    const exact = prepare('{"model":"m","messages":[{"role":"user"}]}', {}, { passthrough: true });
    expect(textOf(exact)).not.toContain('prompt_cache_key');
  });
});
