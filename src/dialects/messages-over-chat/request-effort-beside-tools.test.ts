import { describe, expect, test } from 'bun:test';
import { converted, fieldsOf, refusal, withFields } from './testing/request.ts';

/** What OpenAI's Chat Completions takes of thinking beside tools. */

const TOOL = '{"name":"f","input_schema":{"type":"object"}}';
const warningsOf = (members: string, model: string): readonly string[] =>
  converted(withFields(members), model).warnings.map((warning) => warning.slice(0, warning.indexOf(':')));

const WITH_TOOL = `"tools":[${TOOL}]`;
const effortBeside = (members: string, model: string, context = {}): unknown =>
  converted(withFields(`${WITH_TOOL},${members}`), model, context).body['reasoning_effort'];

describe.each(['gpt-5.4', 'gpt-5.4-mini-2026-03-17', 'gpt-5.5', 'gpt-5.6-sol', 'gpt-6-sol', 'gpt-6.1-terra'])(
  '%s takes tools without thinking only',
  (model) => {
    test.each([
      ['"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}', ['thinking']],
      ['"thinking":{"type":"adaptive"}', ['thinking']],
      ['"thinking":{"type":"enabled","budget_tokens":8000}', ['thinking']],
      ['"output_config":{"effort":"low"}', ['output_config']],
      ['"thinking":{"type":"disabled"}', []],
      ['"thinking":{"type":"between_tools"}', []],
      ['"top_p":1', []],
    ])('%s', (members, warned) => {
      expect(effortBeside(members, model)).toBe('none');
      expect(warningsOf(`${WITH_TOOL},${members}`, model)).toEqual(warned);
    });
  },
);

test('without tools it thinks, and so it does where the host chooses the API', () => {
  const high = '"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}';
  expect(fieldsOf(high, 'gpt-5.4')).toBe('"reasoning_effort":"high"');
  expect(fieldsOf(`"tools":[],${high}`, 'gpt-5.6-sol')).toBe('"reasoning_effort":"high"');
  const host = { toolsBesideEffort: true };
  expect(effortBeside(high, 'openai/gpt-5.4', host)).toBe('high');
  expect(effortBeside(high, 'openai/gpt-6-astra', host)).toBe('high');
  expect(effortBeside('"top_p":1', 'openai/gpt-5.6-sol', host)).toBeUndefined();
});

test('efforts that give way to tools tell requests apart', () => {
  const lostOf = (effort: string): string =>
    converted(withFields(`${WITH_TOOL},"output_config":{"effort":"${effort}"}`), 'gpt-5.4').lost;
  expect(lostOf('high')).not.toBe(lostOf('low'));
});

test.each(['gpt-5.2', 'gpt-5.1', 'gpt-5-mini', 'o3', 'o4-mini', 'qwen3-32b', 'deepseek-flash'])(
  '%s thinks beside tools',
  (model) => {
    expect(effortBeside('"output_config":{"effort":"high"}', model)).toBe('high');
    expect(effortBeside('"thinking":{"type":"adaptive"}', model)).toBeUndefined();
  },
);

test.each(['gpt-6-astra', 'gpt-6.1-sol', 'gpt-6-astra-2026-09-04'])(
  '%s takes tools in another API only, and always thinks',
  (model) => {
    for (const members of ['"top_p":1', '"thinking":{"type":"disabled"}', '"tool_choice":{"type":"none"}']) {
      const fault = refusal(withFields(`${WITH_TOOL},${members}`), model);
      expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'tools']);
      expect(fault.message).toContain('/v1/responses');
    }
    expect(fieldsOf('"thinking":{"type":"disabled"}', model)).toBe('"reasoning_effort":"low"');
    expect(warningsOf('"thinking":{"type":"disabled"}', model)).toEqual(['thinking']);
    expect(fieldsOf('"output_config":{"effort":"high"}', model)).toBe('"reasoning_effort":"high"');
  },
);
