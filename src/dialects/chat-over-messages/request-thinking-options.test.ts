import { describe, expect, test } from 'bun:test';
import {
  call,
  calls,
  converted,
  fieldsOf,
  NEWER,
  NEWEST,
  OLDER,
  refusal,
  result,
  USER,
  withFields,
} from './testing/request.ts';

const TOOLS = '"tools":[{"type":"function","function":{"name":"f"}}]';
const MAX = '"max_tokens":64000';
const refusedAs = (members: string, model = OLDER): readonly [string, string | undefined] => {
  const fault = refusal(withFields(members), model);
  return [fault.code, fault.param];
};
const warningsOf = (members: string, model = OLDER): readonly string[] =>
  converted(withFields(members), model).warnings.map((warning) => warning.slice(0, warning.indexOf(':')));

describe('reasoning_effort', () => {
  test.each([
    ['none', '"thinking":{"type":"disabled"}'],
    ['minimal', '"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}'],
    ['low', '"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}'],
    ['medium', '"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}'],
    ['high', '"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}'],
    ['xhigh', '"thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}'],
    ['max', '"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}'],
  ])('%s on a model that effort steers', (effort, written) => {
    expect(fieldsOf(`"reasoning_effort":"${effort}"`, NEWER)).toBe(`"max_tokens":128000,${written}`);
    expect(warningsOf(`"reasoning_effort":"${effort}"`, NEWER)).toEqual([]);
  });

  test('none is the lowest that the model can do', () => {
    expect(fieldsOf('"reasoning_effort":"none"', 'claude-sonnet-5-5')).toEndWith(
      '"thinking":{"type":"between_tools"}',
    );
    expect(fieldsOf('"reasoning_effort":"none"', NEWEST)).toEndWith(
      '"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}',
    );
    expect(warningsOf('"reasoning_effort":"none"', NEWEST)).toEqual(['reasoning_effort']);
  });

  test.each([
    ['minimal', 1024],
    ['low', 1024],
    ['medium', 2048],
    ['high', 4096],
    ['xhigh', 8192],
    ['max', 16_384],
  ])('%s on a model with a budget: %i tokens', (effort, tokens) => {
    expect(fieldsOf(`"reasoning_effort":"${effort}"`)).toBe(
      `${MAX},"thinking":{"type":"enabled","budget_tokens":${tokens}}`,
    );
  });

  test('a budget stays below max_tokens', () => {
    expect(fieldsOf('"reasoning_effort":"high","max_tokens":4097')).toContain('"budget_tokens":4096');
    expect(fieldsOf('"reasoning_effort":"high","max_tokens":4096')).toContain('"budget_tokens":1024');
    expect(warningsOf('"reasoning_effort":"high","max_tokens":4096')).toEqual(['reasoning_effort']);
    expect(fieldsOf('"reasoning_effort":"low","max_tokens":1024')).toBe('"max_tokens":1024');
    expect(warningsOf('"reasoning_effort":"low","max_tokens":1024')).toEqual(['reasoning_effort']);
  });

  test('a model that does not think', () => {
    expect(fieldsOf('"reasoning_effort":"high"', 'claude-3-5-haiku-latest')).toBe('"max_tokens":8192');
    expect(warningsOf('"reasoning_effort":"high"', 'claude-3-5-haiku-latest')).toEqual(['reasoning_effort']);
    expect(warningsOf('"reasoning_effort":"none"', 'claude-3-5-haiku-latest')).toEqual([]);
  });

  test('gives way to a forced tool choice: the vendor takes one of them', () => {
    const members = `${TOOLS},"tool_choice":"required","reasoning_effort":"low"`;
    expect(fieldsOf(members)).not.toContain('thinking');
    expect(fieldsOf(members, NEWER)).toContain('"output_config":{"effort":"low"}');
    expect(fieldsOf(members, NEWER)).not.toContain('thinking');
    expect(warningsOf(members, NEWER)).toEqual(['reasoning_effort']);
  });

  test('a model with a budget thinks on only if its last calls carry signed thinking', () => {
    const body = (assistant: string): string =>
      `{"model":"m","reasoning_effort":"low","messages":[${USER},${assistant},${result('a')}]}`;
    const unsigned = converted(body(calls('a')));
    expect(unsigned.text).not.toContain('"thinking"');
    expect(unsigned.warnings).toHaveLength(1);
    expect(converted(body(calls('a')), NEWER).text).toContain('"thinking":{"type":"adaptive"}');
    const signed = `{"role":"assistant","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"}],"tool_calls":[${call('a')}]}`;
    expect(converted(body(signed)).text).toContain('"budget_tokens":1024');
  });

  test('a value that nobody knows is refused', () => {
    expect(refusedAs('"reasoning_effort":"ultra"')).toEqual(['invalid_value', 'reasoning_effort']);
  });
});

describe('thinking, as Anthropic and others have it', () => {
  test('what fits the model is sent as it stands', () => {
    expect(fieldsOf('"thinking":{"budget_tokens":5000,"type":"enabled"}')).toBe(
      `${MAX},"thinking":{"budget_tokens":5000,"type":"enabled"}`,
    );
    expect(
      fieldsOf('"thinking":{"type":"adaptive","display":"summarized"},"reasoning_effort":"max"', NEWER),
    ).toEndWith('"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"max"}');
    expect(fieldsOf('"thinking":{"type":"adaptive"}', NEWER)).toEndWith('"thinking":{"type":"adaptive"}');
  });

  test.each([
    ['{"type":"enabled","budget_tokens":1024}', 'low'],
    ['{"type":"enabled","budget_tokens":2000}', 'medium'],
    ['{"type":"enabled","budget_tokens":9000}', 'high'],
    ['{"type":"enabled"}', 'high'],
  ])('%s is effort %s on a model that effort steers', (thinking, effort) => {
    expect(fieldsOf(`"thinking":${thinking}`, NEWER)).toEndWith(
      `"thinking":{"type":"adaptive"},"output_config":{"effort":"${effort}"}`,
    );
  });

  test('off is off', () => {
    expect(fieldsOf('"thinking":{"type":"disabled"},"reasoning_effort":"high"', NEWER)).toEndWith(
      '"thinking":{"type":"disabled"}',
    );
    expect(warningsOf('"thinking":{"type":"disabled"},"reasoning_effort":"high"', NEWER)).toEqual([
      'reasoning_effort',
    ]);
    expect(fieldsOf('"thinking":{"type":"disabled"}')).toEndWith('"thinking":{"type":"disabled"}');
  });

  test('reasoning_effort beside a budget that the model takes gives way, warned', () => {
    const both = '"thinking":{"type":"enabled","budget_tokens":2048},"reasoning_effort":"high"';
    expect(fieldsOf(both)).toEndWith('"thinking":{"type":"enabled","budget_tokens":2048}');
    expect(warningsOf(both)).toEqual(['reasoning_effort']);
    expect(converted(withFields(both)).lost).toBe('reasoning_effort="high"\n');
  });

  test('where the model cannot think, both are named', () => {
    const both = '"thinking":{"type":"enabled","budget_tokens":2048},"reasoning_effort":"high"';
    const lost = 'thinking={"type":"enabled","budget_tokens":2048}\nreasoning_effort="high"\n';
    expect(warningsOf(both, 'claude-3-5-haiku-latest')).toEqual(['thinking', 'reasoning_effort']);
    expect(converted(withFields(both), 'claude-3-5-haiku-latest').lost).toBe(lost);
    const forced = `${TOOLS},"tool_choice":"required",${both}`;
    expect(warningsOf(forced)).toEqual(['thinking', 'reasoning_effort']);
    expect(converted(withFields(forced)).lost).toBe(lost);
    expect(warningsOf(forced, NEWER)).toEqual(['thinking']);
  });

  test('reasoning_effort goes before a budget on a model that effort steers', () => {
    const both = '"thinking":{"type":"enabled","budget_tokens":1024},"reasoning_effort":"max"';
    expect(fieldsOf(both, NEWER)).toEndWith(
      '"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}',
    );
    expect(warningsOf(both, NEWER)).toEqual(['thinking']);
  });

  test('what does not fit still tells requests apart', () => {
    const lostOf = (thinking: string, model: string): string =>
      converted(withFields(`"thinking":${thinking}`), model).lost;
    for (const tokens of [5000, 9000]) {
      const thinking = `{"type":"enabled","budget_tokens":${tokens}}`;
      expect(lostOf(thinking, NEWER)).toBe(`thinking=${thinking}\n`);
      expect(warningsOf(`"thinking":${thinking}`, NEWER)).toEqual([]);
    }
    expect(lostOf('{"type":"adaptive"}', 'claude-haiku-4-5')).toBe('thinking={"type":"adaptive"}\n');
    expect(lostOf('{"type":"adaptive"}', NEWER)).toBe('');
  });

  test('members that only its own kind of model knows are warned of', () => {
    const shown = '"thinking":{"type":"adaptive","display":"summarized"}';
    expect(fieldsOf(shown, 'claude-haiku-4-5')).toEndWith(
      '"thinking":{"type":"enabled","budget_tokens":4096}',
    );
    expect(warningsOf(shown, 'claude-haiku-4-5')).toEqual(['thinking']);
    expect(warningsOf('"thinking":{"type":"adaptive"}', 'claude-haiku-4-5')).toEqual([]);
  });

  test.each(['{"type":"enabled"}', '{"type":"enabled","budget_tokens":2048}', '{"type":"adaptive"}'])(
    '%s beside a reasoning_effort of none is off, warned',
    (thinking) => {
      const both = `"thinking":${thinking},"reasoning_effort":"none"`;
      for (const model of ['claude-opus-4-8', OLDER]) {
        expect(fieldsOf(both, model)).toEndWith('"thinking":{"type":"disabled"}');
        expect(warningsOf(both, model)).toEqual(['thinking']);
        expect(converted(withFields(both), model).lost).toBe(`thinking=${thinking}\n`);
      }
      expect(fieldsOf(both, NEWEST)).toEndWith('"output_config":{"effort":"low"}');
      expect(warningsOf(both, NEWEST)).toEqual(['thinking', 'reasoning_effort']);
    },
  );

  test.each([
    ['{}', 'invalid_value', 'thinking'],
    ['{"type":"deep"}', 'invalid_value', 'thinking.type'],
    ['true', 'invalid_type', 'thinking'],
  ])('%s is refused', (thinking, code, param) => {
    expect(refusedAs(`"thinking":${thinking}`)).toEqual([code, param]);
  });
});
