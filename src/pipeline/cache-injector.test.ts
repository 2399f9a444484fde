import { describe, expect, test } from 'bun:test';
import { prepare, routeTo, textOf, type Setting } from './testing/pipeline.ts';

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
    const tools = Array.from({ length: 200 }, (_, index) => tool(`a_tool_of_a_long_name_${index}`));
    for (const body of [{ messages: [SYSTEM, user('x')] }, { messages: [user('x')], tools }])
      expect(key(body)).toMatch(/^tr-[0-9a-f]{16}$/);
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

  test('differs by tools alone where there are any', () => {
    const tools = [tool('a')];
    const keys = [
      key({ messages: [SYSTEM, user('x')], tools }),
      key({ messages: [SYSTEM, user('x')], tools: [tool('b')] }),
      key({ messages: [SYSTEM, user('x')], tools: [tool('a'), tool('b')] }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    for (const messages of [[user('x')], [{ role: 'system', content: 'It is Monday.' }, user('y')]])
      expect(key({ messages, tools })).toBe(keys[0]);
  });

  test('differs by the leading system block where there are no tools; with neither there is none', () => {
    const keys = [
      key({ messages: [SYSTEM, user('x')] }),
      key({ messages: [SYSTEM, SYSTEM, user('x')] }),
      key({ messages: [{ role: 'system', content: 'You are not.' }, user('x')] }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(key({ messages: [SYSTEM, user('x'), SYSTEM] })).toBe(keys[0]);
    expect(key({ messages: [SYSTEM, user('y')], tools: [] })).toBe(keys[0]);
    expect(key({ messages: [user('x')] })).toBeUndefined();
    expect(key({ messages: [user('x'), SYSTEM], tools: [] })).toBeUndefined();
  });

  test('of converted requests is one for the same tools, from turn to turn and whatever the system says', () => {
    const asked = {
      max_tokens: 9,
      tools: [
        { name: 'b', input_schema: {} },
        { name: 'a', input_schema: {} },
      ],
    };
    const turns = [user('hi'), { role: 'assistant', content: 'yes?' }, user('bye')];
    const cached = { cache_control: { type: 'ephemeral' } };
    const keyOf = (body: Record<string, unknown>): unknown =>
      key({ ...asked, messages: turns, ...body }, {}, { dialect: 'anthropic-messages' });
    const only = keyOf({ messages: turns.slice(0, 1) });
    expect(only).toMatch(/^tr-[0-9a-f]{16}$/);
    for (const body of [
      {},
      { system: 'It is Monday.' },
      { system: [{ type: 'text', text: 'It is Tuesday.', ...cached }], stream: true },
      { tools: [asked.tools[1], { ...asked.tools[0], ...cached }] },
    ])
      expect(keyOf(body)).toBe(only);
    expect(keyOf({ tools: [asked.tools[0]] })).not.toBe(only);
  });

  test('a client’s own key wins; null is none', () => {
    expect(key({ messages: [SYSTEM, user('x')], prompt_cache_key: 'mine' })).toBe('mine');
    const body = '{"model":"m","prompt_cache_key":null,"messages":[{"role":"system","content":"x"}]}';
    const text = textOf(prepare(body));
    expect(text.match(/"prompt_cache_key"/g)).toHaveLength(1);
  });

  test('is left out for a provider that does not declare it, when switched off, and in byte-exact mode', () => {
    const body = { messages: [SYSTEM, user('x')] };
    expect(key(body)).toBeString();
    expect(key(body, { resolveModel: (model) => routeTo(model, { cacheKey: false }) })).toBeUndefined();
    expect(key(body, { cacheInject: false })).toBeUndefined();
    const exact = prepare('{"model":"m","messages":[{"role":"system"}]}', {}, { passthrough: true });
    expect(textOf(exact)).not.toContain('prompt_cache_key');
  });
});
