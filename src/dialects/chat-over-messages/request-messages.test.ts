import { describe, expect, test } from 'bun:test';
import { originalId } from '../conversion/tool-ids.ts';
import {
  call,
  calls,
  converted,
  messagesOf,
  NEWER,
  NEWEST,
  OLDER,
  refusal,
  result,
  USER,
  withMessages,
} from './testing/request.ts';

const system = (text: string, role = 'system'): string => `{"role":"${role}","content":"${text}"}`;

describe('leading system and developer messages', () => {
  test('become one text block each, in order, not joined', () => {
    expect(messagesOf([system('a'), system('b', 'developer'), USER])).toBe(
      `"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"messages":[${USER}]`,
    );
  });

  test('parts become blocks each, with their marks', () => {
    const parts =
      '{"role":"system","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}]}';
    expect(messagesOf([parts, USER])).toBe(
      `"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}],"messages":[${USER}]`,
    );
  });

  test('an empty one says nothing; no system field without a block', () => {
    expect(messagesOf([system(''), USER])).toBe(`"messages":[${USER}]`);
    expect(messagesOf([USER])).toBe(`"messages":[${USER}]`);
  });

  test('are not enough', () => {
    const fault = refusal(withMessages(system('a')));
    expect([fault.code as string, fault.param]).toEqual(['invalid_value', 'messages']);
  });
});

describe('later system messages', () => {
  const late = [USER, system('now'), '{"role":"assistant","content":"ok"}', USER];

  test('stay in their place where the model takes them', () => {
    expect(messagesOf(late, NEWER)).toBe(
      `"messages":[${USER},{"role":"system","content":[{"type":"text","text":"now"}]},{"role":"assistant","content":[{"type":"text","text":"ok"}]},${USER}]`,
    );
  });

  test('may end the conversation, and follow tool results', () => {
    expect(messagesOf([calls('a'), result('a'), system('now')], NEWER)).toEndWith(
      '{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"r"}]},{"role":"system","content":[{"type":"text","text":"now"}]}]',
    );
  });

  test('that follow each other are one message with a block each: two in a row are refused', () => {
    expect(messagesOf([USER, system('a'), system('b', 'developer')], NEWER)).toBe(
      `"messages":[${USER},{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`,
    );
  });

  test('empty ones say nothing', () => {
    expect(messagesOf([calls('a'), result('a'), system(''), USER], NEWER)).toEndWith(
      '"content":"r"},{"type":"text","text":"x"}]}]',
    );
  });

  test.each([OLDER, 'claude-sonnet-5'])('%s takes none: 400, never moved to the front', (model) => {
    const fault = refusal(withMessages(...late), model);
    expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'messages[1].role']);
  });

  test('must follow the user', () => {
    const fault = refusal(withMessages(USER, '{"role":"assistant","content":"ok"}', system('now')), NEWER);
    expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'messages[2].role']);
  });

  test('must not stand before the user', () => {
    const fault = refusal(withMessages(USER, system('now'), USER), NEWER);
    expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'messages[1].role']);
  });

  test('must not part calls from their results', () => {
    const fault = refusal(withMessages(calls('a'), system('now'), result('a')), NEWER);
    expect([fault.code as string, fault.param]).toEqual(['invalid_value', 'messages[0].tool_calls']);
  });
});

describe('user messages', () => {
  test('a string stays a string, to the byte', () => {
    const content = String.raw`"a\u00e9\ud800\/\n <&>"`;
    expect(messagesOf([`{"role":"user","content":${content}}`])).toBe(
      `"messages":[{"role":"user","content":${content}}]`,
    );
  });

  test('parts keep their boundaries; empty ones are left out', () => {
    const parts = '[{"type":"text","text":"a"},{"type":"text","text":""},{"type":"text","text":"b"}]';
    expect(messagesOf([`{"role":"user","content":${parts}}`])).toBe(
      '"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]',
    );
  });

  test('that follow each other stay apart: the vendor joins them', () => {
    expect(messagesOf([USER, USER])).toBe(`"messages":[${USER},${USER}]`);
  });

  test.each(['""', '" "', String.raw`"\n\t"`, '[]', '[{"type":"text","text":""}]'])(
    '%s is no message',
    (content) => {
      const fault = refusal(withMessages(`{"role":"user","content":${content}}`));
      expect([fault.code as string, fault.param]).toEqual(['invalid_value', 'messages[0].content']);
    },
  );

  test('white space beside text is left out, with a warning', () => {
    const parts = String.raw`[{"type":"text","text":"a"},{"type":"text","text":"\n"}]`;
    const { body, warnings, lost } = converted(withMessages(`{"role":"user","content":${parts}}`));
    expect(body['messages']).toEqual([{ role: 'user', content: [{ type: 'text', text: 'a' }] }]);
    expect(warnings).toHaveLength(1);
    expect(lost).toBe('messages[].content="\\n"\n');
  });

  test('the name of a speaker is warned of and not spliced into the text', () => {
    const { body, warnings, lost } = converted(
      withMessages('{"role":"user","name":"Ann","content":"x"}', USER),
    );
    expect(body['messages']).toEqual([JSON.parse(USER), JSON.parse(USER)]);
    expect(warnings).toEqual(['messages[].name: Anthropic has no names of speakers; it was left out.']);
    expect(lost).toBe('messages[].name="Ann"\n');
  });

  test('the name on a result is that of the call', () => {
    const named = '{"role":"tool","tool_call_id":"a","name":"f","content":"r"}';
    const { warnings, lost } = converted(withMessages(calls('a'), named));
    expect([warnings, lost]).toEqual([[], 'messages[].name="f"\n']);
  });

  test('a member that nobody knows is named', () => {
    const { warnings } = converted(withMessages('{"role":"user","mood":"good","content":"x"}'));
    expect(warnings).toEqual(['messages[].mood: the vendor has no such field; it was left out.']);
  });
});

describe('assistant messages', () => {
  const after = (message: string, model = OLDER): string =>
    messagesOf([message, USER], model).slice('"messages":['.length, -USER.length - 2);

  test('text, then calls in their order', () => {
    const message = `{"role":"assistant","content":"t","tool_calls":[${call('a', 'f', '{"x":1}')},${call('b', 'g', '')}]}`;
    expect(messagesOf([message, result('b'), result('a')])).toBe(
      '"messages":[{"role":"assistant","content":[{"type":"text","text":"t"},{"type":"tool_use","id":"a","name":"f","input":{"x":1}},{"type":"tool_use","id":"b","name":"g","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"b","content":"r"},{"type":"tool_result","tool_use_id":"a","content":"r"}]}]',
    );
  });

  test.each(['null', '""', '[]'])('content %s beside calls is omitted', (content) => {
    const message = `{"role":"assistant","content":${content},"tool_calls":[${call('a')}]}`;
    expect(messagesOf([message, result('a')])).toStartWith(
      '"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},',
    );
  });

  test('a refusal is text, as a member and as a part', () => {
    const block = '{"role":"assistant","content":[{"type":"text","text":"no"}]}';
    expect(after('{"role":"assistant","content":null,"refusal":"no"}')).toBe(block);
    expect(after('{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}')).toBe(block);
  });

  test('what an answer carries besides is quietly dropped where it is empty', () => {
    const message =
      '{"role":"assistant","content":"t","refusal":null,"audio":null,"function_call":null,"annotations":[],"tool_calls":null}';
    expect(converted(withMessages(message, USER)).warnings).toEqual([]);
    const cited = '{"role":"assistant","content":"t","annotations":[{"type":"url_citation"}]}';
    expect(converted(withMessages(cited, USER)).warnings).toHaveLength(1);
  });

  test('one without content is left out, with a warning', () => {
    const empty = '{"role":"assistant","content":""}';
    const { body, warnings } = converted(withMessages(USER, empty, USER));
    expect(body['messages']).toEqual([JSON.parse(USER), JSON.parse(USER)]);
    expect(warnings).toEqual(['messages[]: an assistant message without content was left out.']);
    expect(messagesOf([calls('a'), result('a'), empty, USER])).toEndWith(
      '"content":"r"},{"type":"text","text":"x"}]}]',
    );
  });

  test.each([
    ['"audio":{"id":"audio_1"}', 'messages[0].audio'],
    ['"function_call":{"name":"f"}', 'messages[0].function_call'],
  ])('%s is refused', (member, param) => {
    const fault = refusal(withMessages(`{"role":"assistant","content":"t",${member}}`, USER));
    expect([fault.code as string, fault.param]).toEqual(['unsupported_value', param]);
  });

  test('at the end: only models that continue it', () => {
    const prefill = withMessages(USER, '{"role":"assistant","content":"{"}');
    expect(converted(prefill, OLDER).text).toContain(
      '{"role":"assistant","content":[{"type":"text","text":"{"}]}]',
    );
    for (const model of ['claude-sonnet-4-6', NEWEST]) {
      const fault = refusal(prefill, model);
      expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'messages[1]']);
    }
  });
});

describe('tool results', () => {
  test('consecutive ones stand in one user message, before what the user says next', () => {
    expect(
      messagesOf([calls('a', 'b'), result('a'), result('b', '[{"type":"text","text":"r"}]'), USER]),
    ).toEndWith(
      '{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"r"},{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"r"}]},{"type":"text","text":"x"}]}]',
    );
  });

  test('a second user message is one of its own', () => {
    expect(messagesOf([calls('a'), result('a'), USER, USER])).toEndWith(
      `{"type":"text","text":"x"}]},${USER}]`,
    );
  });

  test('an empty result has no content', () => {
    for (const content of ['""', 'null', '[]'])
      expect(messagesOf([calls('a'), result('a', content)])).toEndWith(
        '[{"type":"tool_result","tool_use_id":"a"}]}]',
      );
  });

  test('images in a result are kept', () => {
    const content = '[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUI="}}]';
    expect(messagesOf([calls('a'), result('a', content)])).toEndWith(
      '"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUI="}}]}]}]',
    );
  });

  test('a missing result is refused, wherever it is missing', () => {
    for (const rest of [[result('a')], [result('a'), USER], [USER], [result('a'), calls('c'), result('c')]]) {
      const fault = refusal(withMessages(calls('a', 'b'), ...rest));
      expect([fault.code as string, fault.param]).toEqual(['invalid_value', 'messages[0].tool_calls']);
      expect(fault.message).toContain("'");
    }
  });

  test('a result without a call is refused, and a second one too', () => {
    for (const messages of [
      [USER, result('a')],
      [calls('b'), result('a')],
      [calls('a'), result('a'), result('a')],
      [calls('a'), result('a'), USER, result('a')],
    ]) {
      const fault = refusal(withMessages(...messages));
      expect([fault.code as string, fault.param]).toEqual([
        'invalid_value',
        `messages[${messages.length - 1}].tool_call_id`,
      ]);
    }
  });

  test('ids that do not fit are replaced by a hash, for call and result alike', () => {
    const written = messagesOf([calls('functions.f:0', 'é'), result('functions.f:0'), result('é')]);
    const ids = [...written.matchAll(/"(?:tool_use_)?id":"(call_[0-9a-f]{24})"/g)].map((match) => match[1]);
    expect(ids).toHaveLength(4);
    expect([ids[0], ids[1]]).toEqual([ids[2], ids[3]]);
    expect(ids[0]).not.toBe(ids[1]);
    const spelled = withMessages(
      calls('a'),
      String.raw`{"role":"tool","tool_call_id":"\u0061","content":"r"}`,
    );
    expect(converted(spelled).text).toContain('"tool_use_id":"a"');
  });

  test('the role function, which has no ids, is refused', () => {
    const fault = refusal(withMessages(USER, '{"role":"function","name":"f","content":"x"}'));
    expect([fault.code as string, fault.param]).toEqual(['unsupported_value', 'messages[1].role']);
  });
});

describe('arguments of calls', () => {
  const inputOf = (held: string): string => {
    const written = messagesOf([`{"role":"assistant","tool_calls":[${call('a', 'f', held)}]}`, result('a')]);
    return written.slice(written.indexOf('"input":') + 8, written.indexOf('}]},{"role":"user"'));
  };

  test('come out digit by digit, keys in their order', () => {
    const held = '{"b": 1.0,"10":1e2,"2":12345678901234567890,"a":"\\u00e9"}';
    expect(inputOf(held)).toBe(held);
    expect(inputOf('')).toBe('{}');
  });

  test.each(['{"a":', '[1]', 'nonsense'])('%s is told as it stands, not guessed at', (held) => {
    expect(JSON.parse(inputOf(held))).toEqual({ INVALID_JSON: held });
  });

  test.each(['', 'null', ' '])('%j is none', (held) => {
    expect(inputOf(held)).toBe('{}');
  });

  test('with an id of an earlier turn are told apart, and so are their results', () => {
    const turn = [`{"role":"assistant","tool_calls":[${call('call_0', 'f', '{}')}]}`, result('call_0')];
    const written = messagesOf([...turn, ...turn, ...turn]);
    const called = [...written.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id!);
    const answered = [...written.matchAll(/"tool_use_id":"([^"]+)"/g)].map(([, id]) => id!);
    expect(called).toHaveLength(3);
    expect(answered).toEqual(called);
    expect(new Set(called).size).toBe(3);
    expect(called.map((id) => originalId(id))).toEqual(['call_0', 'call_0', 'call_0']);
    // What stands for earlier turns does not depend on later ones.
    const shorter = messagesOf([...turn, ...turn]);
    expect(written.startsWith(shorter.slice(0, shorter.lastIndexOf(']')))).toBe(true);
  });
});

describe('what is missing or of the wrong type', () => {
  const assistant = (one: string): string => `{"role":"assistant","tool_calls":[${one}]}`;
  test.each([
    ['{"role":"user"}', 'missing_field', 'messages[0].content'],
    ['{"role":"system"}', 'missing_field', 'messages[0].content'],
    ['{"role":"user","content":[{"text":"x"}]}', 'missing_field', 'messages[0].content[0].type'],
    ['{"role":"user","content":[{"type":"text"}]}', 'missing_field', 'messages[0].content[0].text'],
    ['{"role":"user","content":[{"type":"text","text":7}]}', 'invalid_type', 'messages[0].content[0].text'],
    ['{"role":"user","content":[{"type":7}]}', 'invalid_type', 'messages[0].content[0].type'],
    [
      '{"role":"user","content":[{"type":"text","text":"x","cache_control":true}]}',
      'invalid_type',
      'messages[0].content[0].cache_control',
    ],
    ['{"role":"tool","content":"x"}', 'missing_field', 'messages[0].tool_call_id'],
    ['{"role":"tool","content":"x","tool_call_id":7}', 'invalid_type', 'messages[0].tool_call_id'],
    ['{"role":"tool","content":"x","tool_call_id":""}', 'invalid_value', 'messages[0].tool_call_id'],
    [assistant('{}'), 'missing_field', 'messages[0].tool_calls[0].id'],
    [assistant('{"id":"a"}'), 'missing_field', 'messages[0].tool_calls[0].function'],
    [assistant('{"id":"a","function":7}'), 'invalid_type', 'messages[0].tool_calls[0].function'],
    [assistant('{"id":"a","function":{}}'), 'missing_field', 'messages[0].tool_calls[0].function.name'],
    [
      assistant('{"id":"a","function":{"name":"f"}}'),
      'missing_field',
      'messages[0].tool_calls[0].function.arguments',
    ],
    [
      assistant('{"id":"a","function":{"name":"f","arguments":{}}}'),
      'invalid_type',
      'messages[0].tool_calls[0].function.arguments',
    ],
    [
      assistant('{"id":"a","type":"custom","custom":{}}'),
      'unsupported_value',
      'messages[0].tool_calls[0].type',
    ],
    [assistant(`${call('a')},${call('a')}`), 'invalid_value', 'messages[0].tool_calls[1].id'],
    ['{"role":"assistant","content":"x","refusal":7}', 'invalid_type', 'messages[0].refusal'],
  ])('%s', (message, code, param) => {
    const fault = refusal(withMessages(message));
    expect([fault.code as string, fault.param]).toEqual([code, param]);
    expect(fault.spec.status).toBe(400);
    expect(fault.message).toContain(`'${param}'`);
  });
});
