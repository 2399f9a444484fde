import { describe, expect, test } from 'bun:test';
import {
  assistant,
  converted,
  messagesOf,
  refusal,
  result,
  text,
  use,
  user,
  USER,
  withFields,
  withMessages,
} from './testing/request.ts';

const MARK = ',"cache_control":{"type":"ephemeral"}';
const PNG = '{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUI="}}';
const PNG_PART = '{"type":"image_url","image_url":{"url":"data:image/png;base64,QUI="}}';
const warned = (body: string, model = 'gpt-4o'): readonly string[] =>
  converted(body, model).warnings.map((warning) => warning.slice(0, warning.indexOf(':')));

describe('system', () => {
  const systemOf = (system: string, model = 'gpt-4o'): unknown =>
    (converted(withFields(`"system":${system}`), model).body['messages'] as unknown[]).slice(0, -1);

  test('a string is one message', () => {
    expect(systemOf('"s"')).toEqual([{ role: 'system', content: 's' }]);
  });

  test('blocks are a message each, not joined', () => {
    expect(systemOf(`[${text('a', MARK)},${text('b')}]`)).toEqual([
      { role: 'system', content: 'a' },
      { role: 'system', content: 'b' },
    ]);
  });

  test('empty ones say nothing', () => {
    for (const system of ['""', '[]', `[${text('')}]`]) expect(systemOf(system)).toEqual([]);
  });

  test('is text', () => {
    const fault = refusal(withFields(`"system":[${PNG}]`));
    expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'system.0.type']);
  });

  test('among the messages stays in its place', () => {
    const late = '{"role":"system","content":[{"type":"text","text":"now"}]}';
    expect(messagesOf([USER, late, assistant(text('ok')), USER])).toBe(
      `[${USER},{"role":"system","content":"now"},{"role":"assistant","content":"ok"},${USER}]`,
    );
  });

  test('settings in the middle of a conversation are warned of', () => {
    const directive = '{"role":"system","content":[],"output_config":{"effort":"low"}}';
    expect(messagesOf([USER, directive])).toBe(`[${USER}]`);
    expect(warned(withMessages(USER, directive))).toEqual(['messages[].output_config']);
  });
});

describe('user messages', () => {
  test('a string, to the byte', () => {
    const content = String.raw`"a\u00e9\ud800\/\n <&>"`;
    expect(messagesOf([`{"role":"user","content":${content}}`])).toBe(
      `[{"role":"user","content":${content}}]`,
    );
  });

  test('one text block is what a string is: a mark makes no difference', () => {
    for (const message of [user(text('x')), user(text('x', MARK)), USER])
      expect(messagesOf([message])).toBe(`[${USER}]`);
  });

  test('several blocks are parts; empty text says nothing', () => {
    const blank = '{"type":"document","source":{"type":"text","media_type":"text/plain","data":""}}';
    expect(messagesOf([user(text('a'), text(''), blank, PNG, text('b', MARK))])).toBe(
      `[{"role":"user","content":[${text('a')},${PNG_PART},${text('b')}]}]`,
    );
  });

  test('without a block it is refused', () => {
    const fault = refusal(withMessages(user()));
    expect([fault.code as string, fault.param]).toEqual(['invalid_value', 'messages.0.content']);
  });

  test('what nobody knows is named', () => {
    expect(
      warned(withMessages('{"role":"user","mood":1,"content":[{"type":"text","text":"x","hue":1}]}')),
    ).toEqual(['messages[].mood', 'messages[].content[].hue']);
  });
});

describe('assistant messages', () => {
  const after = (message: string, model = 'gpt-4o', context = {}): string => {
    const written = messagesOf([message, USER], model, context);
    return written.slice(1, -USER.length - 2);
  };

  test('one text is a string, several are parts, none is empty', () => {
    expect(after('{"role":"assistant","content":"t"}')).toBe('{"role":"assistant","content":"t"}');
    expect(after(assistant(text('t')))).toBe('{"role":"assistant","content":"t"}');
    expect(after(assistant(text('a'), text('b')))).toBe(
      `{"role":"assistant","content":[${text('a')},${text('b')}]}`,
    );
    expect(after(assistant())).toBe('{"role":"assistant","content":""}');
  });

  test('parallel calls, in their order, arguments as text', () => {
    const message = assistant(text('t'), use('a', '{ "b" : 1.0, "1" : "\\u00e9" }'), use('b'));
    expect(messagesOf([message, user(result('a'), result('b'))])).toBe(
      String.raw`[{"role":"assistant","content":"t","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"b\":1.0,\"1\":\"` +
        'é' +
        String.raw`\"}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"r"},{"role":"tool","tool_call_id":"b","content":"r"}]`,
    );
  });

  test('calls without text have null content, for DeepSeek an empty one', () => {
    const messages = [assistant(use('a')), user(result('a'))];
    expect(messagesOf(messages)).toStartWith('[{"role":"assistant","content":null,"tool_calls":[');
    expect(messagesOf(messages, 'deepseek-flash')).toStartWith(
      '[{"role":"assistant","content":"","tool_calls":[',
    );
  });

  test('in a row are one turn where tools are called: all results must follow', () => {
    const messages = [
      assistant(text('t'), use('a')),
      assistant(text('u'), use('b')),
      user(result('a'), result('b')),
    ];
    const [first, ...rest] = JSON.parse(messagesOf(messages)) as {
      content: unknown;
      tool_calls?: unknown[];
    }[];
    expect(first?.content).toEqual([JSON.parse(text('t')), JSON.parse(text('u'))]);
    expect(first?.tool_calls).toHaveLength(2);
    expect(rest).toHaveLength(2);
    expect(messagesOf([assistant(text('t')), assistant(text('u')), USER])).toBe(
      `[{"role":"assistant","content":"t"},{"role":"assistant","content":"u"},${USER}]`,
    );
  });

  test('at the end is refused: no vendor of this dialect continues it', () => {
    const fault = refusal(withMessages(USER, assistant(text('{'))));
    expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'messages.1']);
  });

  test('blocks of server tools are refused', () => {
    for (const type of ['server_tool_use', 'web_search_tool_result', 'mcp_tool_use']) {
      const fault = refusal(withMessages(assistant(`{"type":"${type}"}`), USER));
      expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'messages.0.content.0.type']);
    }
    const called = use('a').replace('"input"', '"caller":{"type":"code_execution_20260120"},"input"');
    expect(refusal(withMessages(assistant(called), user(result('a')))).param).toBe(
      'messages.0.content.0.caller',
    );
    const direct = use('a').replace('"input"', '"caller":{"type":"direct"},"input"');
    expect(warned(withMessages(assistant(direct), user(result('a'))))).toEqual([]);
  });

  const THINKING = '{"type":"thinking","thinking":"why","signature":"s"}';
  const REDACTED = '{"type":"redacted_thinking","data":"d"}';

  test('thinking goes back where the vendor takes it', () => {
    expect(
      after(assistant(THINKING, THINKING, text('t')), 'deepseek-flash', { reasoningContent: true }),
    ).toBe('{"role":"assistant","content":"t","reasoning_content":"whywhy"}');
    expect(
      converted(withMessages(assistant(THINKING, text('t')), USER), 'deepseek-flash', {
        reasoningContent: true,
      }),
    ).toMatchObject({ warnings: [], lost: '' });
  });

  test('where it must, each message has some as soon as there are tools', () => {
    const body = withFields('"tools":[{"name":"f","input_schema":{"type":"object"}}]').replace(
      USER,
      `${USER},${assistant(text('t'))},${USER}`,
    );
    expect(converted(body, 'deepseek-flash', { reasoningContent: true }).text).toContain(
      '{"role":"assistant","content":"t","reasoning_content":""}',
    );
    expect(converted(body, 'gpt-4o').text).not.toContain('reasoning_content');
  });

  test('elsewhere it is left out, with one warning', () => {
    const {
      text: written,
      warnings,
      lost,
    } = converted(withMessages(assistant(THINKING, REDACTED, text('t')), USER));
    expect(written).not.toContain('why');
    expect(warnings).toEqual([
      'messages[].content[].thinking: this vendor does not take it back; it was left out.',
    ]);
    expect(lost).toBe(
      `messages[].content[].thinking=${THINKING}\nmessages[].content[].thinking=${REDACTED}\n`,
    );
    expect(warned(withMessages(assistant(REDACTED, text('t')), USER))).toHaveLength(1);
  });

  test.each([
    [assistant('{"type":"tool_use","name":"f","input":{}}'), 'missing_field', 'messages.0.content.0.id'],
    [assistant('{"type":"tool_use","id":"a","input":{}}'), 'missing_field', 'messages.0.content.0.name'],
    [assistant('{"type":"tool_use","id":"a","name":"f"}'), 'missing_field', 'messages.0.content.0.input'],
    [assistant(use('a', '"{}"')), 'invalid_type', 'messages.0.content.0.input'],
    [assistant(use('a'), use('a')), 'invalid_value', 'messages.0.content.1.id'],
    [assistant(use('')), 'invalid_value', 'messages.0.content.0.id'],
  ])('%s is refused', (message, code, param) => {
    const fault = refusal(withMessages(message, USER));
    expect([fault.code as string, fault.param]).toEqual([code, param]);
  });
});

describe('tool results', () => {
  const CALLS = assistant(use('a'), use('b'));
  const after = (...blocks: readonly string[]): string => {
    const written = messagesOf([CALLS, user(...blocks)]);
    return written.slice(written.indexOf('{"role":"tool"'), -1);
  };
  const tool = (id: string, content = '"r"'): string =>
    `{"role":"tool","tool_call_id":"${id}","content":${content}}`;

  test('a message each, then what the user says', () => {
    expect(after(result('a'), result('b'), text('x'))).toBe(`${tool('a')},${tool('b')},${USER}`);
  });

  test('text blocks: one is a string, several are parts, none is empty', () => {
    expect(after(result('a', `,"content":[${text('r')}]`), result('b', ''))).toBe(
      `${tool('a')},${tool('b', '""')}`,
    );
    expect(after(result('a', `,"content":[${text('r')},${text('s')}]`), result('b', ',"content":[]'))).toBe(
      `${tool('a', `[${text('r')},${text('s')}]`)},${tool('b', '""')}`,
    );
  });

  test('images follow in a message of the user, before his own blocks, with a warning', () => {
    const blocks = [
      result('a', `,"content":[${text('r')},${PNG}]`),
      result('b', `,"content":[${PNG}]`),
      text('x'),
    ];
    expect(after(...blocks)).toBe(
      `${tool('a')},${tool('b', '""')},{"role":"user","content":[${PNG_PART},${PNG_PART},${text('x')}]}`,
    );
    expect(warned(withMessages(CALLS, user(...blocks)))).toEqual(['messages[].content[].content']);
    expect(after(...blocks.slice(0, 2))).toEndWith(`{"role":"user","content":[${PNG_PART},${PNG_PART}]}`);
  });

  test('is_error is warned of, the text stays as it is', () => {
    const blocks = [
      result('a', ',"is_error":true,"content":"r"'),
      result('b', ',"is_error":false,"content":"r"'),
    ];
    expect(after(...blocks)).toBe(`${tool('a')},${tool('b')}`);
    expect(converted(withMessages(CALLS, user(...blocks))).lost).toBe('messages[].content[].is_error=true\n');
    expect(warned(withMessages(CALLS, user(...blocks)))).toEqual(['messages[].content[].is_error']);
  });

  test('must come before other blocks', () => {
    const fault = refusal(withMessages(CALLS, user(text('x'), result('a'))));
    expect([fault.code as string, fault.param]).toEqual(['invalid_value', 'messages.1.content.1']);
  });

  test('must all be there, and belong to a call', () => {
    for (const rest of [[user(result('a'))], [user(result('a'), text('x'))], [USER]]) {
      const fault = refusal(withMessages(CALLS, ...rest));
      expect([fault.code as string, fault.param]).toEqual(['invalid_value', 'messages.0.content']);
    }
    const late = refusal(withMessages(CALLS, user(result('a')), assistant(text('t')), user(result('b'))));
    expect([late.code as string, late.param]).toEqual(['invalid_value', 'messages.0.content']);
    const foreign = refusal(withMessages(CALLS, user(result('a'), result('c'))));
    expect([foreign.code as string, foreign.param]).toEqual([
      'invalid_value',
      'messages.1.content.1.tool_use_id',
    ]);
    expect(messagesOf([CALLS, user(result('a')), user(result('b'))])).toEndWith(`${tool('a')},${tool('b')}]`);
  });

  test.each(['tool_reference', 'search_result'])('%s in a result is refused', (type) => {
    const fault = refusal(withMessages(CALLS, user(result('a', `,"content":[{"type":"${type}"}]`))));
    expect([fault.code as string, fault.param]).toEqual([
      'unsupported_value',
      'messages.1.content.0.content.0.type',
    ]);
  });

  test('ids of the vendor’s own stay as they are, whatever their characters', () => {
    for (const id of ['functions.f:0', 'a"\\\n', 'é\ud800', ' ']) {
      const messages = JSON.parse(messagesOf([assistant(use(id)), user(result(id))])) as {
        tool_calls?: { id: string }[];
        tool_call_id?: string;
      }[];
      expect([messages[0]?.tool_calls?.[0]?.id, messages[1]?.tool_call_id]).toEqual([id, id]);
    }
  });

  test('ids that OpenAI would find too long are replaced by a hash, for call and result alike', () => {
    const long = `toolu_${'x'.repeat(40)}`;
    const written = messagesOf([assistant(use(long)), user(result(long))]);
    const ids = [...written.matchAll(/"(?:tool_call_)?id":"(call_[0-9a-f]{24})"/g)].map((match) => match[1]);
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
  });
});
