import { describe, expect, test } from 'bun:test';
import { converted, fieldsOf, NEWER, NEWEST, OLDER, refusal, withFields } from './testing/request.ts';

const TOOL = '{"type":"function","function":{"name":"f"}}';
const tools = (...list: readonly string[]): string => `"tools":[${list.join(',')}]`;
const MAX = '"max_tokens":64000';
const refusedAs = (members: string, model = OLDER): readonly [string, string | undefined] => {
  const fault = refusal(withFields(members), model);
  return [fault.code, fault.param];
};
const warningsOf = (members: string, model = OLDER): readonly string[] =>
  converted(withFields(members), model).warnings.map((warning) => warning.slice(0, warning.indexOf(':')));

describe('model and limits', () => {
  test('the model is the vendor’s name for it', () => {
    expect(converted(withFields('"stream":true'), 'claude-opus-4-5').text).toStartWith(
      '{"model":"claude-opus-4-5",',
    );
  });

  test('max_completion_tokens, else max_tokens, else what the model writes at most', () => {
    expect(fieldsOf('"max_tokens":5')).toBe('"max_tokens":5');
    expect(fieldsOf('"max_completion_tokens":7,"max_tokens":7')).toBe('"max_tokens":7');
    expect(fieldsOf('"n":1')).toBe(MAX);
    expect(fieldsOf('"max_tokens":null', NEWEST)).toBe('"max_tokens":128000');
  });

  test.each([
    ['"max_tokens":64001', OLDER, 64_000],
    ['"max_completion_tokens":1e6', OLDER, 64_000],
    ['"max_completion_tokens":200000,"max_tokens":200000', 'claude-opus-4-1', 32_000],
    ['"max_tokens":200000', 'anthropic/claude-opus-5.5', 128_000],
  ])('%s is more than %s writes: %d is sent, with a warning', (members, model, sent) => {
    expect(fieldsOf(members, model)).toBe(`"max_tokens":${sent}`);
    expect(warningsOf(members, model)).toHaveLength(1);
    expect(converted(withFields(members), model).lost).not.toBe('');
  });

  test('what is known of no model is the vendor’s to judge', () => {
    expect(fieldsOf('"max_tokens":64000')).toBe('"max_tokens":64000');
    expect(fieldsOf('"max_tokens":900000', 'claude-nova-7')).toBe('"max_tokens":900000');
    expect(warningsOf('"max_tokens":900000', 'claude-nova-7')).toEqual([]);
  });

  test('a budget stays below the limit that is sent', () => {
    const members = '"max_tokens":900000,"reasoning_effort":"max"';
    expect(fieldsOf(members)).toBe('"max_tokens":64000,"thinking":{"type":"enabled","budget_tokens":16384}');
  });

  test('two limits that differ are warned of', () => {
    expect(fieldsOf('"max_completion_tokens":7,"max_tokens":5')).toBe('"max_tokens":7');
    expect(warningsOf('"max_completion_tokens":7,"max_tokens":5')).toEqual(['max_tokens']);
  });
});

describe('tools', () => {
  const schemaOf = (parameters: string): string => {
    const written = fieldsOf(tools(`{"type":"function","function":{"name":"f","parameters":${parameters}}}`));
    return written.slice('"tools":[{"name":"f","input_schema":'.length, written.indexOf(`],${MAX}`) - 1);
  };

  test('name, description, schema, strict', () => {
    const tool =
      '{"type":"function","function":{"strict":true,"parameters":{"type":"object","properties":{"b":{"default":1.0},"1":{}}},"description":"d","name":"f"}}';
    expect(fieldsOf(tools(tool))).toBe(
      `"tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"b":{"default":1.0},"1":{}}},"strict":true}],${MAX}`,
    );
  });

  test('a function without parameters takes an object without members', () => {
    const written = `"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],${MAX}`;
    for (const tool of [
      TOOL,
      '{"function":{"name":"f","parameters":null,"strict":null}}',
      '{"type":"function","function":{"name":"f","parameters":{}}}',
    ])
      expect(fieldsOf(tools(tool))).toBe(written);
  });

  test('none, and an empty list, are none', () => {
    expect(fieldsOf('"tools":[]')).toBe(MAX);
    expect(fieldsOf('"tools":null')).toBe(MAX);
  });

  test('a mark on the tool, its function or in its schema stands on the tool', () => {
    const mark = '"cache_control":{"type":"ephemeral"}';
    for (const tool of [
      `{"type":"function",${mark},"function":{"name":"f"}}`,
      `{"type":"function","function":{"name":"f",${mark}}}`,
      `{"type":"function","function":{"name":"f","parameters":{${mark}}}}`,
    ]) {
      expect(fieldsOf(tools(tool))).toBe(
        `"tools":[{"name":"f","input_schema":{"type":"object","properties":{}},${mark}}],${MAX}`,
      );
    }
    expect(schemaOf(`{"type":"object",${mark},"properties":{"cache_control":{}}}`)).toBe(
      `{"type":"object","properties":{"cache_control":{}}},${mark}`,
    );
    expect(schemaOf(`{${mark},"type":"object"}`)).toBe(`{"type":"object"},${mark}`);
  });

  test.each([
    ['{"type":"custom","custom":{"name":"f"}}', 'unsupported_value', 'tools[1].type'],
    ['{"type":"web_search"}', 'unsupported_value', 'tools[1].type'],
    ['{"type":"function"}', 'missing_field', 'tools[1].function'],
    ['{"function":{}}', 'missing_field', 'tools[1].function.name'],
    ['{"function":{"name":"f","parameters":[]}}', 'invalid_type', 'tools[1].function.parameters'],
    ['{"function":{"name":"f","strict":"yes"}}', 'invalid_type', 'tools[1].function.strict'],
    ['{"function":{"name":"f","description":7}}', 'invalid_type', 'tools[1].function.description'],
  ])('%s is refused', (tool, code, param) => {
    expect(refusedAs(tools(TOOL, tool))).toEqual([code, param]);
  });

  test('what nobody knows is named', () => {
    expect(warningsOf(tools('{"type":"function","a":1,"function":{"name":"f","b":1}}'))).toEqual([
      'tools[].a',
      'tools[].function.b',
    ]);
  });
});

describe('tool_choice and parallel_tool_calls', () => {
  const choiceOf = (members: string, model = OLDER): string => {
    const written = fieldsOf(`${tools(TOOL)},${members}`, model);
    return written.slice(written.indexOf(']') + 2, written.lastIndexOf('"max_tokens"')).replace(/,$/, '');
  };

  test.each([
    ['"tool_choice":"auto"', '"tool_choice":{"type":"auto"}'],
    ['"tool_choice":"none"', '"tool_choice":{"type":"none"}'],
    ['"tool_choice":"required"', '"tool_choice":{"type":"any"}'],
    ['"tool_choice":{"type":"function","function":{"name":"f"}}', '"tool_choice":{"type":"tool","name":"f"}'],
    ['"parallel_tool_calls":false', '"tool_choice":{"type":"auto","disable_parallel_tool_use":true}'],
    ['"parallel_tool_calls":true', ''],
    [
      '"tool_choice":"required","parallel_tool_calls":false',
      '"tool_choice":{"type":"any","disable_parallel_tool_use":true}',
    ],
    ['"tool_choice":"none","parallel_tool_calls":false', '"tool_choice":{"type":"none"}'],
  ])('%s', (members, written) => {
    expect(choiceOf(members)).toBe(written);
  });

  test('are nothing without tools, but a forced call is refused', () => {
    expect(fieldsOf('"tool_choice":"auto","parallel_tool_calls":false')).toBe(MAX);
    expect(refusedAs('"tool_choice":"required"')).toEqual(['invalid_value', 'tool_choice']);
  });

  test('a model that cannot be forced says so', () => {
    for (const choice of ['"required"', '{"type":"function","function":{"name":"f"}}'])
      expect(refusedAs(`${tools(TOOL)},"tool_choice":${choice}`, NEWEST)).toEqual([
        'unsupported_value',
        'tool_choice',
      ]);
    expect(choiceOf('"tool_choice":"none"', NEWEST)).toBe('"tool_choice":{"type":"none"}');
  });

  test.each([
    ['{"type":"allowed_tools","allowed_tools":{}}', 'unsupported_value', 'tool_choice.type'],
    ['{"type":"custom","custom":{"name":"f"}}', 'unsupported_value', 'tool_choice.type'],
    ['{}', 'missing_field', 'tool_choice.type'],
    ['{"type":"function"}', 'missing_field', 'tool_choice.function'],
    ['{"type":"function","function":{}}', 'missing_field', 'tool_choice.function.name'],
    ['"any"', 'invalid_value', 'tool_choice'],
  ])('%s is refused', (choice, code, param) => {
    expect(refusedAs(`${tools(TOOL)},"tool_choice":${choice}`)).toEqual([code, param]);
  });
});

describe('sampling', () => {
  test('temperature up to 1 passes as it is spelled, above it is clamped', () => {
    expect(fieldsOf('"temperature":0.70')).toBe(`${MAX},"temperature":0.70`);
    expect(fieldsOf('"temperature":1')).toBe(`${MAX},"temperature":1`);
    expect(fieldsOf('"temperature":1.5')).toBe(`${MAX},"temperature":1`);
    expect(converted(withFields('"temperature":1.5'))).toMatchObject({
      warnings: ['temperature: Anthropic goes up to 1, which was sent.'],
      lost: 'temperature=1.5\n',
    });
  });

  test('top_p and top_k pass on models that take them', () => {
    expect(fieldsOf('"top_p":0.9,"top_k":5')).toBe(`${MAX},"top_p":0.9,"top_k":5`);
  });

  test('both only where the model takes both', () => {
    const both = '"temperature":0.5,"top_p":0.9';
    expect(fieldsOf(both, OLDER)).toBe(`${MAX},"temperature":0.5`);
    expect(warningsOf(both, OLDER)).toEqual(['top_p']);
    expect(fieldsOf(both, 'claude-sonnet-4')).toBe(`${MAX},"temperature":0.5,"top_p":0.9`);
    expect(fieldsOf('"temperature":1,"top_p":0.9', OLDER)).toBe(`${MAX},"top_p":0.9`);
    expect(fieldsOf('"temperature":0.5,"top_p":1', OLDER)).toBe(`${MAX},"temperature":0.5`);
  });

  test('the newest models take the defaults only: others are left out with a warning', () => {
    const members = '"temperature":0,"top_p":0.9,"top_k":5';
    expect(fieldsOf(members, NEWER)).toBe('"max_tokens":128000');
    expect(warningsOf(members, NEWER)).toEqual(['temperature', 'top_p', 'top_k']);
    expect(warningsOf('"temperature":1.0,"top_p":1', NEWER)).toEqual([]);
    expect(fieldsOf('"temperature":1.0,"top_p":1', NEWER)).toBe('"max_tokens":128000');
  });

  test('a model that thinks with a budget is restricted likewise', () => {
    const members = '"temperature":0,"top_p":0.9,"top_k":5,"reasoning_effort":"low"';
    expect(warningsOf(members)).toEqual(['temperature', 'top_p', 'top_k']);
    expect(fieldsOf('"top_p":0.97,"reasoning_effort":"low"')).toEndWith(',"top_p":0.97');
  });
});

describe('stop', () => {
  test('a string and a list', () => {
    expect(fieldsOf('"stop":"END"')).toBe(`${MAX},"stop_sequences":["END"]`);
    expect(fieldsOf(String.raw`"stop":["a","\u0062"]`)).toBe(
      String.raw`${MAX},"stop_sequences":["a","\u0062"]`,
    );
    expect(fieldsOf('"stop":[]')).toBe(MAX);
  });

  test.each([
    ['"\\n"', 'unsupported_value', 'stop'],
    ['["a"," "]', 'unsupported_value', 'stop[1]'],
    ['[""]', 'unsupported_value', 'stop[0]'],
    ['[7]', 'invalid_type', 'stop[0]'],
  ])('%s is refused', (stop, code, param) => {
    expect(refusedAs(`"stop":${stop}`)).toEqual([code, param]);
  });
});

describe('response_format', () => {
  test('a schema goes to output_config.format, key by key', () => {
    const schema = '{"type":"object","properties":{"b":{},"1":{"minimum":1.0}},"required":["b"]}';
    const format = `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":${schema}}}`;
    expect(fieldsOf(format)).toBe(
      `${MAX},"output_config":{"format":{"type":"json_schema","schema":${schema}}}`,
    );
    expect(warningsOf(format)).toEqual([]);
    expect(converted(withFields(format)).lost).toContain('"n"');
    expect(fieldsOf(`${format},"reasoning_effort":"low"`, NEWER)).toEndWith(
      `"output_config":{"effort":"low","format":{"type":"json_schema","schema":${schema}}}`,
    );
  });

  test('its description has no place; JSON mode is warned of, text is what there is anyway', () => {
    const described =
      '"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{}}}';
    expect(warningsOf(described)).toEqual(['response_format.json_schema.description']);
    expect(fieldsOf('"response_format":{"type":"json_object"}')).toBe(MAX);
    expect(warningsOf('"response_format":{"type":"json_object"}')).toEqual(['response_format']);
    expect(warningsOf('"response_format":{"type":"text"}')).toEqual([]);
  });

  test.each([
    ['{}', 'missing_field', 'response_format.type'],
    ['{"type":"grammar"}', 'invalid_value', 'response_format.type'],
    ['{"type":"json_schema"}', 'missing_field', 'response_format.json_schema'],
    [
      '{"type":"json_schema","json_schema":{"name":"n"}}',
      'missing_field',
      'response_format.json_schema.schema',
    ],
  ])('%s is refused', (format, code, param) => {
    expect(refusedAs(`"response_format":${format}`)).toEqual([code, param]);
  });
});

describe('other fields', () => {
  test('stream passes, stream_options is the gateway’s', () => {
    expect(fieldsOf('"stream":true,"stream_options":{"include_usage":true}')).toBe(`${MAX},"stream":true`);
    expect(warningsOf('"stream":true,"stream_options":{"include_usage":true}')).toEqual([]);
    expect(converted(withFields('"stream_options":{"include_usage":true}')).lost).toContain('stream_options');
  });

  test('user and safety_identifier are metadata.user_id', () => {
    expect(fieldsOf('"user":"u"')).toBe(`${MAX},"metadata":{"user_id":"u"}`);
    expect(fieldsOf('"safety_identifier":"s","user":"u"')).toBe(`${MAX},"metadata":{"user_id":"s"}`);
    expect(warningsOf('"safety_identifier":"s","user":"u"')).toEqual(['user']);
    expect(fieldsOf(`"user":"${'u'.repeat(257)}"`)).toMatch(/"metadata":\{"user_id":"[0-9a-f]{64}"\}$/);
  });

  test('service_tier: the tiers that both have', () => {
    expect(fieldsOf('"service_tier":"auto"')).toBe(`${MAX},"service_tier":"auto"`);
    expect(fieldsOf('"service_tier":"default"')).toBe(`${MAX},"service_tier":"standard_only"`);
    expect(fieldsOf('"service_tier":"flex"')).toBe(MAX);
    expect(warningsOf('"service_tier":"flex"')).toEqual(['service_tier']);
  });

  test('automatic caching is asked for as it is', () => {
    expect(fieldsOf('"cache_control":{"type":"ephemeral"}')).toBe(
      `${MAX},"cache_control":{"type":"ephemeral"}`,
    );
  });

  test.each(['prompt_cache_key', 'prompt_cache_retention'])(
    '%s is for a cache that works otherwise',
    (name) => {
      expect(fieldsOf(`"${name}":"k"`)).toBe(MAX);
      expect(warningsOf(`"${name}":"k"`)).toEqual([]);
      expect(converted(withFields(`"${name}":"k"`)).lost).toBe(`${name}="k"\n`);
    },
  );

  test.each([
    ['seed', '7'],
    ['logprobs', 'true'],
    ['top_logprobs', '2'],
    ['logit_bias', '{"1":-100}'],
    ['frequency_penalty', '0.5'],
    ['presence_penalty', '0.5'],
    ['prediction', '{"type":"content"}'],
    ['verbosity', '"low"'],
    ['metadata', '{"a":"b"}'],
    ['store', 'true'],
    ['anything', '[1]'],
  ])('%s is left out, warned of, and counted as lost', (name, value) => {
    expect(fieldsOf(`"${name}":${value}`)).toBe(MAX);
    expect(warningsOf(`"${name}":${value}`)).toEqual([name]);
    expect(converted(withFields(`"${name}":${value}`)).lost).toBe(`${name}=${value}\n`);
    expect(warningsOf(`"${name}":null`)).toEqual([]);
  });

  test('prompt_cache_options is dropped; a mode of explicit is warned of where no mark is the client’s', () => {
    const explicit = '"prompt_cache_options":{"mode":"explicit"}';
    for (const member of [explicit, '"prompt_cache_options":{"mode":"implicit","ttl":"30m"}'])
      expect(fieldsOf(member)).toBe(MAX);
    expect(warningsOf('"prompt_cache_options":{"mode":"implicit","ttl":"30m"}')).toEqual([]);
    expect(warningsOf(explicit)).toEqual(['prompt_cache_options']);
    expect(converted(withFields(explicit)).lost).toBe('prompt_cache_options={"mode":"explicit"}\n');
    for (const mark of [
      '"prompt_cache_breakpoint":{"mode":"explicit"}',
      '"cache_control":{"type":"ephemeral"}',
    ]) {
      const part = `{"type":"text","text":"x",${mark}}`;
      const body = `{"model":"m",${explicit},"messages":[{"role":"user","content":[${part}]}]}`;
      expect(converted(body).warnings).toEqual([]);
    }
  });

  test('two seeds are two requests', () => {
    const [one, other] = ['1', '2'].map((seed) => converted(withFields(`"seed":${seed}`)));
    expect(one?.text).toBe(other!.text);
    expect(one?.lost).not.toBe(other?.lost);
  });

  test.each(['"frequency_penalty":0', '"logprobs":false', '"store":false', '"n":1', '"modalities":["text"]'])(
    '%s says nothing',
    (member) => {
      expect(warningsOf(member)).toEqual([]);
    },
  );

  test.each([
    ['"n":2', 'n'],
    ['"audio":{"voice":"x"}', 'audio'],
    ['"modalities":["text","audio"]', 'modalities[1]'],
    ['"web_search_options":{}', 'web_search_options'],
    ['"functions":[]', 'functions'],
    ['"function_call":"auto"', 'function_call'],
  ])('%s is refused', (member, param) => {
    expect(refusedAs(member)).toEqual(['unsupported_value', param]);
  });

  test('a name that is made up cannot break out of a header', () => {
    const { warnings } = converted(withFields('"a\\r\\nx: 1 é":1'));
    expect(warnings).toEqual(['a??x??1??: the vendor has no such field; it was left out.']);
  });

  test('there are never more warnings than one reads', () => {
    const many = Array.from({ length: 300 }, (_, index) => `"x${index}":1`).join(',');
    const { warnings, lost } = converted(withFields(many));
    expect(warnings).toHaveLength(24);
    expect(lost.split('\n')).toHaveLength(301);
  });
});
