import { describe, expect, test } from 'bun:test';
import { caseLines, withCases } from '../../../test/support/cases.ts';
import { isVendorError } from '../vendor-error.ts';
import { deepseekDialect } from './deepseek.ts';
import { openaiDialect } from './openai.ts';
import { gptVersion } from './openai-rules.ts';
import type { Dialect, Headers } from './types.ts';

type Body = Readonly<Record<string, unknown>>;

const NO_HEADERS: Headers = new Map();

const USER = { role: 'user', content: 'hello' };
const TOOL = { type: 'function', function: { name: 'f', parameters: {} } };
const CALLS = {
  role: 'assistant',
  content: '',
  tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }],
};

/** `param` or message of the refusal; null: accepted. */
function refusal(dialect: Dialect, model: string, differences: Body): string | null {
  const read = dialect.read({ model, messages: [USER], ...differences }, NO_HEADERS);
  if (!isVendorError(read)) return null;
  expect(read.status).toBe(400);
  return read.param ?? read.message;
}
const openai = (differences: Body, model = 'gpt-4o'): string | null =>
  refusal(openaiDialect, model, differences);
const deepseek = (differences: Body, model = 'deepseek-flash'): string | null =>
  refusal(deepseekDialect, model, differences);

test('both refuse bodies without sense', () => {
  for (const check of [openai, deepseek]) {
    expect(check({})).toBeNull();
    expect(check({ model: 1 })).toBe('model');
    expect(check({ messages: undefined })).toBe('messages');
    expect(check({ messages: [] })).toBe('messages');
    expect(check({ messages: ['x'] })).toBe('messages[0]');
    expect(check({ messages: [{ content: 'x' }] })).toBe('messages[0].role');
    expect(check({ messages: [{ role: 'nobody' }] })).toBe('messages[0].role');
    expect(check({ stream: 'yes' })).toBe('stream');
    expect(check({ stream_options: { include_usage: true } })).toBe('stream_options');
    expect(check({ tools: {} })).toBe('tools');
    expect(check({ tools: [{ type: 'function', function: { name: 'a b' } }] })).toBe(
      'tools[0].function.name',
    );
    expect(check({ n: 0 })).toBe('n');
    expect(check({ max_tokens: 'x' })).toBe('max_tokens');
  }
});

test('tool messages belong to calls, and calls have their results', () => {
  const result = { role: 'tool', tool_call_id: '1', content: 'r' };
  expect(openai({ messages: [USER, CALLS, result] })).toBeNull();
  expect(openai({ messages: [USER, result] })).toBe('messages[1].role');
  expect(openai({ messages: [USER, CALLS, result, result] })).toBe('messages[3].role');
  expect(openai({ messages: [USER, CALLS, USER] })).toBe('messages');
  expect(openai({ messages: [USER, CALLS] })).toBe('messages');
});

describe('OpenAI', () => {
  test('knows its models by number', () => {
    const names = [
      'gpt-6.1-sol',
      'gpt-6-luna',
      'gpt-5.6-terra',
      'gpt-5',
      'gpt-5-mini',
      'gpt-4.1',
      'gpt-4o',
      'o3',
    ];
    expect(names.map(gptVersion)).toEqual([6.1, 6, 5.6, 5, 5, 4.1, 0, 0]);
  });

  test('max_tokens on reasoning models', () => {
    expect(openai({ max_tokens: 5 }, 'gpt-5')).toBe('max_tokens');
    expect(openai({ max_tokens: 5 }, 'o3')).toBe('max_tokens');
    expect(openai({ max_completion_tokens: 5 }, 'gpt-5')).toBeNull();
    expect(openai({ max_tokens: 5 }, 'gpt-4.1')).toBeNull();
    expect(openai({ max_tokens: 0 })).toBe('max_tokens');
  });

  test('tools on the newest models', () => {
    const tools = [TOOL];
    for (const model of ['gpt-6.1-sol', 'gpt-6-astra'])
      for (const effort of ['none', 'high', undefined])
        expect(openai({ tools, reasoning_effort: effort }, model)).toBe('reasoning_effort');
    expect(openai({ reasoning_effort: 'none' }, 'gpt-6.1-sol')).toBe('reasoning_effort');
    expect(openai({ reasoning_effort: 'low' }, 'gpt-6.1-sol')).toBeNull();
    expect(openai({ tools }, 'gpt-6-sol')).toBe('reasoning_effort');
    expect(openai({ tools, reasoning_effort: 'none' }, 'gpt-6-sol')).toBeNull();
    for (const model of ['gpt-5.4', 'gpt-5.4-mini', 'gpt-5.5', 'gpt-5.6-sol', 'gpt-6.1-terra']) {
      expect(openai({ tools, reasoning_effort: 'low' }, model)).toBe('reasoning_effort');
      expect(openai({ tools, reasoning_effort: 'none' }, model)).toBeNull();
      expect(openai({ reasoning_effort: 'low' }, model)).toBeNull();
    }
    expect(openai({ tools }, 'gpt-5.6-sol')).toBe('reasoning_effort');
    expect(openai({ tools }, 'gpt-5.4-mini')).toBeNull();
    for (const model of ['gpt-5.2', 'gpt-5.1', 'gpt-5-mini', 'o3', 'o4-mini'])
      expect(openai({ tools, reasoning_effort: 'low' }, model)).toBeNull();
  });

  test.each([
    ['gpt-4o', 16_384],
    ['gpt-4o-2024-08-06', 16_384],
    ['gpt-4o-2024-05-13', 4096],
    ['gpt-4.1-mini', 32_768],
    ['gpt-5-chat-latest', 16_384],
  ])('%s writes %d tokens and is asked for no more', (model, limit) => {
    for (const field of ['max_tokens', 'max_completion_tokens']) {
      expect(openai({ [field]: limit }, model)).toBeNull();
      expect(openai({ [field]: limit + 1 }, model)).toBe('max_tokens');
    }
  });

  test.each([
    ['o4-mini', 100_000],
    ['gpt-5.4', 128_000],
    ['gpt-6.1-sol', 128_000],
  ])('%s thinks, and writes %d tokens', (model, limit) => {
    expect(openai({ max_completion_tokens: limit }, model)).toBeNull();
    expect(openai({ max_completion_tokens: limit + 1 }, model)).toBe('max_tokens');
  });

  test('in the words by which clients know it', () => {
    const read = openaiDialect.read({ model: 'gpt-4o', messages: [USER], max_tokens: 32_000 }, NO_HEADERS);
    expect(read).toMatchObject({
      status: 400,
      code: 'invalid_value',
      message:
        'max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you provided 32000.',
    });
  });

  test('long cache keys, unknown tool choices', () => {
    expect(openai({ prompt_cache_key: 'x'.repeat(65) })).toBe('prompt_cache_key');
    expect(openai({ prompt_cache_key: 'x'.repeat(64) })).toBeNull();
    expect(openai({ tools: [TOOL], tool_choice: { type: 'function', function: { name: 'g' } } })).toBe(
      'tool_choice',
    );
  });
});

describe('DeepSeek', () => {
  test('no forced tool choice while thinking', () => {
    const forced = { tools: [TOOL], tool_choice: 'required' };
    expect(deepseek(forced)).toContain('tool_choice');
    expect(deepseek({ ...forced, thinking: { type: 'disabled' } })).toBeNull();
    expect(deepseek({ ...forced, reasoning_effort: 'none' })).toBeNull();
    expect(deepseek(forced, 'deepseek-chat')).toBeNull();
  });

  test('reasoning has to come back where there are tools', () => {
    const said = (reasoning: object): Body[] => [
      USER,
      { role: 'assistant', content: 'a', ...reasoning },
      USER,
    ];
    expect(deepseek({ tools: [TOOL], messages: said({}) })).toContain('reasoning_content');
    expect(deepseek({ tools: [TOOL], messages: said({ reasoning_content: '' }) })).toBeNull();
    expect(deepseek({ messages: said({}) })).toBeNull();
    expect(deepseek({ tools: [TOOL], thinking: { type: 'disabled' }, messages: said({}) })).toBeNull();
  });

  test('token limits, user ids, empty assistant turns', () => {
    expect(deepseek({ max_tokens: 393_217 })).toContain('max_tokens');
    expect(deepseek({ max_tokens: 393_216 })).toBeNull();
    expect(deepseek({ user_id: 'a b' })).toContain('user_id');
    expect(deepseek({ messages: [USER, { role: 'assistant', content: null }, USER] })).toContain('content');
  });
});

interface RecordedPrompt {
  readonly request: Body;
}

withCases.describe('requests that vendors accepted', () => {
  test.each(['taubench_airline_gpt4o', 'bfcl_single', 'miniswe_deepseek_chat'])('%s is accepted', (file) => {
    const rows = caseLines<RecordedPrompt>(`prompts/${file}.jsonl`);
    expect(rows.length).toBeGreaterThan(50);
    for (const { request } of rows) {
      const body = { ...request, model: file.includes('deepseek') ? 'deepseek-chat' : 'gpt-4o' };
      const dialect = file.includes('deepseek') ? deepseekDialect : openaiDialect;
      const read = dialect.read(body, NO_HEADERS);
      expect(isVendorError(read) ? read.message : null).toBeNull();
    }
  });
});
