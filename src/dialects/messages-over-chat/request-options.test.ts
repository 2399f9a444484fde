import { describe, expect, test } from 'bun:test';
import { converted, fieldsOf, refusal, USER, withFields, withMessages } from './testing/request.ts';
import { chatModel } from './request-model.ts';

/** The host is OpenAI's own. */
const OPENAI = { openaiFields: true };
const TOOL = '{"name":"f","input_schema":{"type":"object"}}';
const WRITTEN_TOOL =
  '{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}';
const refusedAs = (members: string, model = 'gpt-4o'): readonly [string, string | undefined] => {
  const fault = refusal(withFields(members), model);
  return [fault.code, fault.param];
};
const warningsOf = (members: string, model = 'gpt-4o'): readonly string[] =>
  converted(withFields(members), model).warnings.map((warning) => warning.slice(0, warning.indexOf(':')));

describe('max_tokens', () => {
  test.each([
    ['gpt-4o', 'max_tokens'],
    ['gpt-4.1-mini', 'max_tokens'],
    ['o3', 'max_completion_tokens'],
    ['o4-mini', 'max_completion_tokens'],
    ['gpt-5', 'max_completion_tokens'],
    ['gpt-5.1-codex', 'max_completion_tokens'],
    ['openai/gpt-6-sol', 'max_completion_tokens'],
    ['gpt-5-chat-latest', 'max_tokens'],
    ['gpt-oss-120b', 'max_tokens'],
    ['deepseek-flash', 'max_tokens'],
    ['qwen3-32b', 'max_tokens'],
  ])('%s takes %s', (model, name) => {
    const { body } = converted(withMessages(USER), model);
    expect(Object.keys(body)).toEqual(['model', 'messages', name]);
    expect([body['model'], body[name]]).toEqual([model, 9]);
  });

  const limited = (tokens: number | string): string => withMessages(USER).replace('9', String(tokens));

  test.each([
    ['gpt-4o', 32_000, 'max_tokens', 16_384],
    ['openai/gpt-4o-2024-08-06', 32_000, 'max_tokens', 16_384],
    ['gpt-4o-2024-05-13', 32_000, 'max_tokens', 4096],
    ['ft:gpt-4o-mini-2024-07-18:team::id', 32_000, 'max_tokens', 16_384],
    ['gpt-4.1-nano', 64_000, 'max_tokens', 32_768],
    ['o4-mini-2025-04-16', 200_000, 'max_completion_tokens', 100_000],
    ['gpt-5.4-2026-03-05', 128_001, 'max_completion_tokens', 128_000],
    ['gpt-5-chat-latest', 32_000, 'max_tokens', 16_384],
    ['deepseek-v4-pro', 400_000, 'max_tokens', 393_216],
    ['anthropic/claude-sonnet-4.5', 128_000, 'max_tokens', 64_000],
  ])('%s writes no %d tokens: %s is %d, with a warning', (model, asked, field, sent) => {
    const { body, lost, warnings } = converted(limited(asked), model);
    expect(body[field]).toBe(sent);
    expect(warnings).toEqual([`max_tokens: this model writes ${sent} at most, which was sent.`]);
    expect(lost).toBe(`max_tokens=${asked}\n`);
  });

  test.each([
    ['gpt-4o', 16_384],
    ['gpt-5.4', 32_000],
    ['openai/gpt-4o:extended', 64_000],
    ['gpt-4o-64k-output-alpha', 64_000],
    ['gpt-7', 500_000],
    ['qwen3-32b', 500_000],
    ['anthropic/claude-nova-7', 500_000],
  ])('%s is asked for %d as it stands', (model, asked) => {
    const { body, warnings } = converted(limited(asked), model);
    expect(body['max_completion_tokens'] ?? body['max_tokens']).toBe(asked);
    expect(warnings).toEqual([]);
  });

  test('0, which warms a cache, has no counterpart', () => {
    const fault = refusal(withMessages(USER).replace('9', '0'));
    expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'max_tokens']);
  });
});

describe('tools', () => {
  test('name, description, schema, strict, key by key', () => {
    const tool =
      '{"name":"f","description":"d","strict":true,"type":"custom","input_schema":{"type":"object","properties":{"b":{"default":1.0},"1":{}}}}';
    expect(fieldsOf(`"tools":[${tool}]`)).toBe(
      '"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"b":{"default":1.0},"1":{}}},"strict":true}}]',
    );
    expect(fieldsOf('"tools":[]')).toBe('');
  });

  test.each([
    ['{"type":"web_search_20260209","name":"web_search"}', 'unsupported_value', 'tools.1.type'],
    ['{"type":"bash_20250124","name":"bash"}', 'unsupported_value', 'tools.1.type'],
    ['{"input_schema":{}}', 'missing_field', 'tools.1.name'],
    ['{"name":"f"}', 'missing_field', 'tools.1.input_schema'],
    ['{"name":"f","input_schema":[]}', 'invalid_type', 'tools.1.input_schema'],
    ['{"name":"f","input_schema":{},"strict":1}', 'invalid_type', 'tools.1.strict'],
    ['{"name":"f","input_schema":{},"description":1}', 'invalid_type', 'tools.1.description'],
  ])('%s is refused', (tool, code, param) => {
    expect(refusedAs(`"tools":[${TOOL},${tool}]`)).toEqual([code, param]);
  });

  test('what has no place is named', () => {
    expect(
      warningsOf('"tools":[{"name":"f","input_schema":{},"input_examples":[{}],"defer_loading":true}]'),
    ).toEqual(['tools[].input_examples', 'tools[].defer_loading']);
  });
});

describe('tool_choice', () => {
  test.each([
    ['{"type":"auto"}', '"tool_choice":"auto"'],
    ['{"type":"none"}', '"tool_choice":"none"'],
    ['{"type":"any"}', '"tool_choice":"required"'],
    ['{"type":"tool","name":"f"}', '"tool_choice":{"type":"function","function":{"name":"f"}}'],
    ['{"type":"auto","disable_parallel_tool_use":true}', '"tool_choice":"auto","parallel_tool_calls":false'],
    ['{"type":"any","disable_parallel_tool_use":false}', '"tool_choice":"required"'],
  ])('%s', (choice, written) => {
    expect(fieldsOf(`"tools":[${TOOL}],"tool_choice":${choice}`)).toBe(
      `"tools":[${WRITTEN_TOOL}],${written}`,
    );
  });

  test('is nothing without tools, but a forced call is refused', () => {
    expect(fieldsOf('"tool_choice":{"type":"auto","disable_parallel_tool_use":true}')).toBe('');
    expect(refusedAs('"tool_choice":{"type":"any"}')).toEqual(['invalid_value', 'tool_choice']);
  });

  test('what else it says is named', () => {
    const choice = '{"type":"auto","mood":"keen","name":null}';
    expect(warningsOf(`"tools":[${TOOL}],"tool_choice":${choice}`)).toEqual(['tool_choice.mood']);
  });

  test.each([
    ['{}', 'missing_field', 'tool_choice.type'],
    ['{"type":"required"}', 'invalid_value', 'tool_choice.type'],
    ['{"type":"tool"}', 'missing_field', 'tool_choice.name'],
  ])('%s is refused', (choice, code, param) => {
    expect(refusedAs(`"tools":[${TOOL}],"tool_choice":${choice}`)).toEqual([code, param]);
  });
});

describe('thinking and effort', () => {
  test.each([
    ['"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}', 'max'],
    ['"output_config":{"effort":"medium"}', 'medium'],
    ['"thinking":{"type":"enabled","budget_tokens":1024}', 'low'],
    ['"thinking":{"type":"enabled","budget_tokens":2048}', 'medium'],
    ['"thinking":{"type":"enabled","budget_tokens":2049}', 'high'],
    ['"thinking":{"type":"disabled"}', 'none'],
    ['"thinking":{"type":"between_tools"}', 'none'],
    ['"thinking":{"type":"enabled","budget_tokens":1024},"output_config":{"effort":"low"}', 'low'],
  ])('%s is reasoning_effort %s', (members, effort) => {
    expect(fieldsOf(members, 'deepseek-flash')).toBe(`"reasoning_effort":"${effort}"`);
    expect(warningsOf(members, 'deepseek-flash')).toEqual([]);
  });

  test.each([
    ['"thinking":{"type":"enabled","budget_tokens":8000},"output_config":{"effort":"low"}', 'high', 'low'],
    ['"thinking":{"type":"enabled","budget_tokens":8000},"output_config":{"effort":"max"}', 'high', 'max'],
    ['"thinking":{"type":"disabled"},"output_config":{"effort":"high"}', 'none', 'high'],
  ])(
    '%s: an effort that thinking overrules is warned of, and tells requests apart',
    (members, sent, lost) => {
      expect(fieldsOf(members, 'deepseek-flash')).toBe(`"reasoning_effort":"${sent}"`);
      expect(warningsOf(members, 'deepseek-flash')).toEqual(['output_config']);
      expect(converted(withFields(members), 'deepseek-flash').lost).toContain(`output_config="${lost}"\n`);
    },
  );

  test('an effort that the model lacks tells requests apart, beside adaptive thinking too', () => {
    const lostOf = (effort: string): string =>
      converted(withFields(`"thinking":{"type":"adaptive"},"output_config":{"effort":"${effort}"}`), 'o3')
        .lost;
    expect(lostOf('max')).not.toBe(lostOf('xhigh'));
  });

  test('adaptive without an effort leaves it to the vendor', () => {
    expect(fieldsOf('"thinking":{"type":"adaptive"}', 'gpt-5.2')).toBe('');
  });

  test.each([
    ['o3', 'none', 'low'],
    ['o4-mini', 'max', 'high'],
    ['gpt-5', 'none', 'minimal'],
    ['gpt-5-mini-2025-08-07', 'xhigh', 'high'],
    ['gpt-5.1', 'max', 'high'],
    ['gpt-5.2', 'max', 'xhigh'],
    ['gpt-5.5-2026-03-05', 'max', 'xhigh'],
  ])('%s has no %s: %s is sent, with a warning', (model, effort, sent) => {
    const members =
      effort === 'none' ? '"thinking":{"type":"disabled"}' : `"output_config":{"effort":"${effort}"}`;
    expect(fieldsOf(members, model)).toBe(`"reasoning_effort":"${sent}"`);
    expect(warningsOf(members, model)).toHaveLength(1);
  });

  test('models that do not think are not asked to', () => {
    for (const model of ['gpt-4o', 'gpt-4.1', 'chatgpt-4o-latest', 'gpt-5-chat-latest']) {
      expect(fieldsOf('"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}', model)).toBe('');
      expect(warningsOf('"thinking":{"type":"enabled","budget_tokens":2000}', model)).toEqual(['thinking']);
      expect(warningsOf('"thinking":{"type":"disabled"}', model)).toEqual([]);
    }
  });

  test.each([
    ['{}', 'missing_field', 'thinking.type'],
    ['{"type":"deep"}', 'invalid_value', 'thinking.type'],
    ['{"type":"enabled"}', 'missing_field', 'thinking.budget_tokens'],
    ['{"type":"enabled","budget_tokens":"9"}', 'invalid_type', 'thinking.budget_tokens'],
  ])('%s is refused', (thinking, code, param) => {
    expect(refusedAs(`"thinking":${thinking}`)).toEqual([code, param]);
  });

  test('an effort that is no string is refused', () => {
    expect(refusedAs('"output_config":{"effort":7}')).toEqual(['invalid_type', 'output_config.effort']);
  });
});

describe('structured output', () => {
  const schema =
    '{"type":"object","properties":{"b":{},"1":{"minimum":1.0}},"required":["b","1"],"additionalProperties":false}';

  test('the schema goes to response_format, key by key', () => {
    const written = `"response_format":{"type":"json_schema","json_schema":{"name":"response","strict":true,"schema":${schema}}}`;
    expect(fieldsOf(`"output_config":{"format":{"type":"json_schema","schema":${schema}}}`)).toBe(written);
    expect(fieldsOf(`"output_format":{"type":"json_schema","schema":${schema}}`)).toBe(written);
  });

  test('what else output_config says is warned of', () => {
    expect(warningsOf('"output_config":{"task_budget":{"total":1}}')).toEqual(['output_config']);
    expect(fieldsOf('"output_config":{"format":null}')).toBe('');
    expect(
      warningsOf(`"output_config":{"format":{"type":"json_schema","schema":${schema},"name":"n"}}`),
    ).toEqual(['output_config.format.name']);
  });

  test('null is nothing', () => {
    const members = '"output_config":{"task_budget":null,"effort":null}';
    expect(fieldsOf(members)).toBe('');
    expect(converted(withFields(members))).toMatchObject({ warnings: [], lost: '' });
    const format = `{"type":"json_schema","schema":${schema}}`;
    expect(fieldsOf(`"output_config":{"format":null},"output_format":${format}`)).toContain(schema);
  });

  test('output_format gives way to output_config.format, with a warning', () => {
    const other = '{"type":"json_schema","schema":{"type":"array"}}';
    const members = `"output_config":{"format":{"type":"json_schema","schema":${schema}}},"output_format":${other}`;
    expect(fieldsOf(members)).toContain(`"schema":${schema}`);
    expect(warningsOf(members)).toEqual(['output_format']);
    expect(converted(withFields(members)).lost).toBe(`output_format=${other}\n`);
  });

  test.each([
    ['{"type":"object","properties":{"a":{}},"additionalProperties":false}', 'a member that may be absent'],
    ['{"type":"object","properties":{"a":{}},"required":["a"]}', 'members beyond those named'],
    ['{"type":["object","null"]}', 'members beyond those named, or null'],
    [
      '{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{"b":{}},"additionalProperties":false}}},"required":["a"],"additionalProperties":false}',
      'such an object within',
    ],
    [
      '{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#/$defs/d"},{"type":"null"}]}},"required":["a"],"additionalProperties":false,"$defs":{"d":{"type":"object"}}}',
      'such a definition',
    ],
    [
      '{"type":"object","properties":{"a":{"default":1}},"required":["a"],"additionalProperties":false}',
      'a word that strict schemas lack',
    ],
  ])('%s: %s, so that it is not strict, with a warning', (loose) => {
    const members = `"output_config":{"format":{"type":"json_schema","schema":${loose}}}`;
    expect(fieldsOf(members)).toBe(
      `"response_format":{"type":"json_schema","json_schema":{"name":"response","strict":false,"schema":${loose}}}`,
    );
    expect(warningsOf(members)).toEqual(['output_config.format']);
    expect(converted(withFields(members)).lost).toBe('');
  });

  test('properties may bear the names of keywords', () => {
    const named =
      '{"type":"object","properties":{"properties":{"type":"string"},"default":{"enum":["object"]}},"required":["default","properties"],"additionalProperties":false}';
    expect(fieldsOf(`"output_format":{"type":"json_schema","schema":${named}}`)).toContain('"strict":true');
  });

  test.each([
    ['{"format":{}}', 'missing_field', 'output_config.format.type'],
    ['{"format":{"type":"grammar"}}', 'invalid_value', 'output_config.format.type'],
    ['{"format":{"type":"json_schema"}}', 'missing_field', 'output_config.format.schema'],
    ['{"format":7}', 'invalid_type', 'output_config.format'],
  ])('%s is refused', (config, code, param) => {
    expect(refusedAs(`"output_config":${config}`)).toEqual([code, param]);
  });
});

describe('other fields', () => {
  test('temperature and top_p pass as they are spelled', () => {
    expect(fieldsOf('"temperature":0.70,"top_p":1.0')).toBe('"temperature":0.70,"top_p":1.0');
  });

  test('OpenAI’s thinking models take the defaults only', () => {
    expect(fieldsOf('"temperature":0.7,"top_p":0.9', 'gpt-5')).toBe('');
    expect(warningsOf('"temperature":0.7,"top_p":0.9', 'gpt-5')).toEqual(['temperature', 'top_p']);
    expect(fieldsOf('"temperature":1', 'gpt-5')).toBe('"temperature":1');
    expect(fieldsOf('"temperature":0.7,"thinking":{"type":"disabled"}', 'gpt-5.2')).toBe(
      '"reasoning_effort":"none","temperature":0.7',
    );
  });

  test('stop_sequences: four at most, for DeepSeek sixteen', () => {
    expect(fieldsOf('"stop_sequences":["a","b"]')).toBe('"stop":["a","b"]');
    expect(fieldsOf('"stop_sequences":[]')).toBe('');
    const five = '"stop_sequences":["a","b","c","d","e"]';
    expect(refusedAs(five)).toEqual(['unsupported_value', 'stop_sequences']);
    expect(fieldsOf(five, 'deepseek-flash')).toBe('"stop":["a","b","c","d","e"]');
    expect(refusedAs('"stop_sequences":["a",7]')).toEqual(['invalid_type', 'stop_sequences.1']);
  });

  test.each(['gpt-5', 'gpt-5.6-sol', 'gpt-6-sol', 'o3', 'o4-mini'])('%s takes no stop_sequences', (model) => {
    expect(fieldsOf('"stop_sequences":["a"]', model)).toBe('');
    expect(warningsOf('"stop_sequences":["a"]', model)).toEqual(['stop_sequences']);
    expect(fieldsOf('"stop_sequences":[]', model)).toBe('');
  });

  test('metadata.user_id is safety_identifier for OpenAI, user elsewhere; a long one is hashed', () => {
    expect(fieldsOf('"metadata":{"user_id":"u"}', 'gpt-4o', OPENAI)).toBe('"safety_identifier":"u"');
    expect(fieldsOf('"metadata":{"user_id":"u"}', 'qwen3-32b')).toBe('"user":"u"');
    expect(fieldsOf(`"metadata":{"user_id":"${'u'.repeat(129)}"}`, 'gpt-4o', OPENAI)).toMatch(
      /^"safety_identifier":"[0-9a-f]{64}"$/,
    );
    expect(fieldsOf('"metadata":{"user_id":null}')).toBe('');
    expect(warningsOf('"metadata":{"team":"t"}')).toEqual(['metadata']);
  });

  test("OpenAI's own field for the user does not go to other hosts of its models", () => {
    expect(fieldsOf('"metadata":{"user_id":"u"}', 'openai/gpt-5.6-sol')).toBe('"user":"u"');
  });

  test('service_tier: the tiers that both have', () => {
    expect(fieldsOf('"service_tier":"auto"')).toBe('"service_tier":"auto"');
    expect(fieldsOf('"service_tier":"standard_only"')).toBe('"service_tier":"default"');
    expect(warningsOf('"service_tier":"auto"', 'qwen3-32b')).toEqual(['service_tier']);
  });

  test('stream passes', () => {
    expect(fieldsOf('"stream":true')).toBe('"stream":true');
    expect(fieldsOf('"stream":null')).toBe('');
  });

  test.each([
    ['top_k', '5'],
    ['speed', '"fast"'],
    ['context_management', '{"edits":[]}'],
    ['diagnostics', '{}'],
    ['anything', '[1]'],
  ])('%s is left out, warned of, and counted as lost', (name, value) => {
    expect(fieldsOf(`"${name}":${value}`)).toBe('');
    expect(warningsOf(`"${name}":${value}`)).toEqual([name]);
    expect(converted(withFields(`"${name}":${value}`)).lost).toBe(`${name}=${value}\n`);
  });

  test.each([
    ['"container":"c"', 'container'],
    ['"mcp_servers":[{}]', 'mcp_servers'],
    ['"inference_geo":"eu"', 'inference_geo'],
  ])('%s is refused', (member, param) => {
    expect(refusedAs(member)).toEqual(['unsupported_value', param]);
  });
  test("a conversation that the vendor would keep is refused by the name that Anthropic's SDK knows", () => {
    expect(refusedAs('"thread":{"type":"create"}')).toEqual(['thread_unsupported_request', 'thread']);
    expect(fieldsOf('"thread":null')).toBe('');
  });
  test('an empty list of MCP servers is none', () => {
    expect(fieldsOf('"mcp_servers":[]')).toBe('');
  });
});

test('models are known by their name, whatever the prefix', () => {
  expect(chatModel('openai/gpt-5.6-sol')).toEqual(chatModel('GPT-5.6-sol'));
  expect(chatModel('gpt-5.6-sol')).toMatchObject({ openai: true, reasoning: true, breakpoints: true });
  expect(chatModel('gpt-6-luna').breakpoints).toBe(true);
  expect(chatModel('gpt-5.4-mini').breakpoints).toBe(false);
  expect(chatModel('gpt-3.5-turbo')).toMatchObject({ openai: true, reasoning: false });
  expect(chatModel('deepseek-v4-pro')).toMatchObject({ openai: false, reasoning: true, emptyContent: true });
  expect(chatModel('llama-4').openai).toBe(false);
});
