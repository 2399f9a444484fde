import { describe, expect, test } from 'bun:test';
import { answerTo } from '../answers.ts';
import type { CachePrompt } from '../cache/types.ts';
import { NO_DIRECTIVES } from '../directives.ts';
import { TokenWriter } from '../tokens.ts';
import { isVendorError } from '../vendor-error.ts';
import { deepseekDialect } from './deepseek.ts';
import { openaiDialect } from './openai.ts';
import type { Dialect, Headers } from './types.ts';

type Body = Readonly<Record<string, unknown>>;

const NO_HEADERS: Headers = new Map();

/** Rendered prompt with the answer after it, kept beyond the next rendering. */
function render(dialect: Dialect, body: Body): CachePrompt {
  const call = dialect.read(body, NO_HEADERS);
  if (isVendorError(call)) throw new Error(call.message);
  const prompt = call.render(new TokenWriter(), answerTo(call.conversation, NO_DIRECTIVES, 0), 'account');
  return { ...prompt, tokens: prompt.tokens.slice() };
}

const inputOf = (prompt: CachePrompt): number[] => [...prompt.tokens.subarray(0, prompt.inputTokens)];

/** How many tokens two prompts have in common at their beginning. */
function common(left: CachePrompt, right: CachePrompt): number {
  let length = 0;
  while (length < left.tokens.length && left.tokens[length] === right.tokens[length]) length++;
  return length;
}

const tool = (name: string): Body => ({
  type: 'function',
  function: { name, description: 'd', parameters: { type: 'object', properties: { b: {}, a: {} } } },
});
const call = (id: string, text = '{"x":1}'): Body => ({
  id,
  type: 'function',
  function: { name: 'f', arguments: text },
});
const USER = { role: 'user', content: 'question' };
const SYSTEM = { role: 'system', content: 'be brief' };

describe('DeepSeek', () => {
  const body = (differences: Body): Body => ({
    model: 'deepseek-flash',
    thinking: { type: 'disabled' },
    messages: [SYSTEM, USER],
    ...differences,
  });
  const ds = (differences: Body): CachePrompt => render(deepseekDialect, body(differences));

  test('the next request goes on where the answer ended', () => {
    const read = deepseekDialect.read(body({}), NO_HEADERS);
    if (isVendorError(read)) throw new Error(read.message);
    const said = answerTo(read.conversation, NO_DIRECTIVES, 0).content?.text;
    const next = ds({ messages: [SYSTEM, USER, { role: 'assistant', content: said }, USER] });
    const first = ds({});
    expect(common(first, next)).toBe(first.tokens.length);
    expect(next.boundaries.map((boundary) => boundary.tokens)).toContain(first.tokens.length);
    expect(next.boundaries.map((boundary) => boundary.tokens)).toContain(first.inputTokens);
  });

  test('switching thinking or effort changes the very beginning', () => {
    const thinking = ds({ thinking: { type: 'enabled' } });
    expect(common(ds({}), thinking)).toBe(1);
    expect(common(thinking, ds({ thinking: { type: 'enabled' }, reasoning_effort: 'low' }))).toBe(2);
  });

  test('tools stand after the system text, in the order and key order of the client', () => {
    const two = ds({ tools: [tool('a'), tool('b')] });
    expect(inputOf(two)).not.toEqual(inputOf(ds({ tools: [tool('b'), tool('a')] })));
    expect(common(two, ds({ tools: [tool('a')] }))).toBeGreaterThan(20);
    expect(common(ds({}), two)).toBe(4);
  });

  test('the order of consecutive tool messages does not matter', () => {
    const turn = (ids: string[]): CachePrompt =>
      ds({
        messages: [
          USER,
          { role: 'assistant', content: '', tool_calls: [call('1'), call('2')] },
          ...ids.map((id) => ({ role: 'tool', tool_call_id: id, content: `result ${id}` })),
        ],
      });
    expect(inputOf(turn(['1', '2']))).toEqual(inputOf(turn(['2', '1'])));
  });

  test('in arguments whitespace is lost, key order is not', () => {
    const turn = (text: string): CachePrompt =>
      ds({
        messages: [
          USER,
          { role: 'assistant', content: '', tool_calls: [call('1', text)] },
          { role: 'tool', tool_call_id: '1', content: 'r' },
        ],
      });
    expect(inputOf(turn('{"a":1,"b":2}'))).toEqual(inputOf(turn(' { "a" : 1, "b":2 }')));
    expect(inputOf(turn('{"a":1,"b":2}'))).not.toEqual(inputOf(turn('{"b":2,"a":1}')));
  });

  test('parts are joined by a blank line', () => {
    const parts = (...texts: string[]): number[] =>
      inputOf(ds({ messages: [{ role: 'user', content: texts.map((text) => ({ type: 'text', text })) }] }));
    expect(parts('a', 'b')).toEqual(parts('a\n\nb'));
    expect(parts('a', 'b')).not.toEqual(parts('ab'));
  });

  test('earlier reasoning is rendered only where there are tools', () => {
    const turn = (reasoning: string, tools: Body[]): number[] =>
      inputOf(
        ds({
          thinking: { type: 'enabled' },
          tools,
          messages: [USER, { role: 'assistant', content: 'a', reasoning_content: reasoning }, USER],
        }),
      );
    expect(turn('one', [])).toEqual(turn('two', []));
    expect(turn('one', [tool('f')])).not.toEqual(turn('two', [tool('f')]));
  });

  test('user_id separates caches', () => {
    expect(ds({ user_id: 'u' }).scope).not.toBe(ds({}).scope);
    expect(ds({ user: 'u' }).scope).toBe(ds({}).scope);
  });
});

describe('OpenAI', () => {
  const oa = (differences: Body): CachePrompt =>
    render(openaiDialect, { model: 'gpt-5.6-sol', messages: [SYSTEM, USER], ...differences });
  const kinds = (prompt: CachePrompt): string[] => prompt.boundaries.map((boundary) => boundary.kind);

  test('boundaries stand at instructions, user messages and the last of a run of results', () => {
    const prompt = oa({
      messages: [
        SYSTEM,
        { role: 'developer', content: 'd' },
        USER,
        { role: 'assistant', content: null, tool_calls: [call('1'), call('2')] },
        { role: 'tool', tool_call_id: '1', content: 'r' },
        { role: 'tool', tool_call_id: '2', content: 'r' },
        { role: 'assistant', content: 'a' },
        SYSTEM,
        USER,
      ],
    });
    expect(kinds(prompt)).toEqual(['developer', 'message', 'message', 'message']);
    expect(prompt.boundaries.at(-1)?.tokens).toBe(prompt.inputTokens);
  });

  test('marks do not change the prompt', () => {
    const content = (mark: object): Body[] => [
      { role: 'user', content: [{ type: 'text', text: 'a', ...mark }] },
    ];
    const marked = oa({ messages: content({ prompt_cache_breakpoint: { mode: 'explicit' } }) });
    const plain = oa({ messages: content({}) });
    expect(inputOf(marked)).toEqual(inputOf(plain));
    expect(kinds(marked)).toEqual(['mark', 'message']);
    expect(kinds(plain)).toEqual(['message']);
  });

  test('tools and schema come first, settings separate caches', () => {
    expect(common(oa({}), oa({ tools: [tool('a')], reasoning_effort: 'none' }))).toBe(0);
    expect(common(oa({}), oa({ response_format: { type: 'json_schema', json_schema: {} } }))).toBe(0);
    for (const setting of [{ reasoning_effort: 'low' }, { verbosity: 'low' }, { service_tier: 'flex' }]) {
      expect(oa(setting).scope).not.toBe(oa({}).scope);
    }
    expect(oa({ temperature: 1, metadata: { a: 'b' } })).toEqual(oa({}));
  });

  test('cache settings are taken', () => {
    const asked = oa({ prompt_cache_key: 'k', prompt_cache_options: { mode: 'explicit' } });
    expect([asked.cacheKey, asked.explicitMarks]).toEqual(['k', true]);
    expect(oa({ model: 'gpt-4.1' }).extendedRetention).toBe(true);
    expect(oa({ model: 'gpt-4.1', prompt_cache_retention: 'in_memory' }).extendedRetention).toBe(false);
    expect(oa({ model: 'gpt-4o' }).extendedRetention).toBe(false);
    expect(oa({ model: 'gpt-4o', prompt_cache_retention: '24h' }).extendedRetention).toBe(true);
  });
});
