import { describe, expect, test } from 'bun:test';
import {
  CONTEXT,
  converted,
  dataOf,
  feed,
  heardOfMessagesStream,
  parsed,
  record,
} from '../testing/answers.ts';
import { MessagesStream } from './stream.ts';

type Json = Record<string, unknown>;

const DONE = '[DONE]';
/** A record as OpenAI writes it. */
const chunk = (delta: string, finish = 'null', more = ''): string =>
  `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-6-sol","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}]${more},"obfuscation":"Qup1"}`;
const say = (raw: string): string => chunk(`{"content":"${raw}"}`);
const finish = (reason = 'stop'): string => chunk('{}', `"${reason}"`);
const USAGE = { prompt_tokens: 100, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 64 } };
const usageChunk = (usage: object = USAGE): string =>
  `{"id":"chatcmpl-1","choices":[],"usage":${JSON.stringify(usage)}}`;
const call = (fragment: Json): string => chunk(JSON.stringify({ tool_calls: [fragment] }));
const begin = (index: number, id: string, args = ''): string =>
  call({ index, id, type: 'function', function: { name: 'look', arguments: args } });
const more = (index: number, args: string): string => call({ index, function: { arguments: args } });

const stream = (): MessagesStream => new MessagesStream(CONTEXT);
const run = (...data: string[]): string => converted(stream(), data);
/** Type and place of what is told: `start 0 text`, `delta 0 text_delta`, `stop 0`. */
const outline = (out: string): string[] =>
  parsed(dataOf(out)).map((event) => {
    const kind = String(event['type']).replace('content_block_', '');
    const inner = record(event['content_block'] ?? event['delta'])['type'];
    return [kind, event['index'], inner]
      .filter((part) => part !== undefined)
      .map(String)
      .join(' ');
  });
const blocks = (out: string): Json[] =>
  parsed(dataOf(out)).filter((event) => event['type'] === 'content_block_start');

/** What must hold of any stream that was told to its end: strictly one block after the other. */
function expectSequential(out: string): void {
  let open = -1;
  let next = 0;
  for (const event of parsed(dataOf(out))) {
    if (event['type'] === 'content_block_start') {
      expect([open, event['index']]).toEqual([-1, next]);
      open = next++;
    } else if (event['type'] === 'content_block_delta') expect(event['index']).toBe(open);
    else if (event['type'] === 'content_block_stop') {
      expect(event['index']).toBe(open);
      open = -1;
    }
  }
  expect(open).toBe(-1);
}

describe('MessagesStream', () => {
  test('the records of a plain answer, to the byte', () => {
    const first = chunk('{"role":"assistant","content":"","refusal":null}');
    expect(run(first, say('Hel'), say('lo'), finish(), usageChunk(), DONE)).toBe(
      [
        'event: message_start\ndata: {"type":"message_start","message":{"id":"chatcmpl-1","type":"message","role":"assistant","model":"gpt-6-sol","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{"input_tokens":0,"output_tokens":0}}}',
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}',
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo"}}',
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}',
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,"stop_details":null},"usage":{"input_tokens":36,"cache_creation_input_tokens":0,"cache_read_input_tokens":64,"output_tokens":5}}',
        'event: message_stop\ndata: {"type":"message_stop"}',
        '',
      ].join('\n\n'),
    );
  });

  test('each record is told at once, but the end waits for its usage', () => {
    const one = stream();
    expect(outline(feed(one, [chunk('{"role":"assistant","content":""}')]))).toEqual(['message_start']);
    expect(outline(feed(one, [say('x')]))).toEqual(['start 0 text', 'delta 0 text_delta']);
    expect(outline(feed(one, [finish()]))).toEqual(['stop 0']);
    expect(feed(one, [usageChunk()])).toBe('');
    expect(outline(feed(one, [DONE]))).toEqual(['message_delta', 'message_stop']);
    expect(one.end()).toBe('');
    expect(one.failed).toBe(false);
  });

  test('usage wherever it comes: on the finish, behind it, on every record; the last one counts', () => {
    const onFinish = chunk('{}', '"stop"', `,"usage":${JSON.stringify(USAGE)}`);
    const early = chunk('{"content":"x"}', 'null', ',"usage":{"prompt_tokens":1,"completion_tokens":1}');
    const nothing = chunk('{}', 'null', ',"usage":null');
    for (const data of [
      [say('x'), onFinish, DONE],
      [say('x'), finish(), usageChunk(), DONE],
      [early, nothing, finish(), usageChunk()],
      [early, onFinish, nothing, DONE],
    ])
      expect(heardOfMessagesStream(dataOf(run(...data))).usage).toEqual({
        input_tokens: 36,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 64,
        output_tokens: 5,
      });
    expect(heardOfMessagesStream(dataOf(run(say('x'), finish(), DONE))).usage).toEqual({
      input_tokens: 0,
      output_tokens: 0,
    });
  });

  test('calls without a word are none', () => {
    const stub = chunk('{"content":"Hello","function_call":{"name":"","arguments":""}}');
    const stubs = chunk('{"content":"!","tool_calls":[{"index":0,"function":{"name":"","arguments":""}}]}');
    const out = run(stub, stubs, finish());
    expect(heardOfMessagesStream(dataOf(out))).toMatchObject({ text: 'Hello!', calls: [], end: 'end_turn' });
  });

  test('an empty reason ends nothing', () => {
    const out = feed(stream(), [chunk('{"content":"a"}', '""'), chunk('{"content":"b"}', '"null"')]);
    expect(out).not.toContain('content_block_stop');
    const whole = run(chunk('{"content":"a"}', '""'), finish());
    expect(heardOfMessagesStream(dataOf(whole))).toMatchObject({ text: 'a', end: 'end_turn' });
  });

  test('ids that the vendor leaves out or repeats are those of no other answer', () => {
    const nameless = (more: Json): string =>
      JSON.stringify({ ...more, choices: [{ index: 0, delta: { content: 'x' }, finish_reason: null }] });
    const begun = (id: string): string => begin(0, id, '{}');
    const idsIn = (unique: string): string[] => {
      const out = converted(new MessagesStream({ ...CONTEXT, unique }), [
        nameless({ id: '' }),
        begun('call_0'),
        finish('tool_calls'),
      ]);
      return [...out.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id!);
    };
    const all = [...idsIn('one'), ...idsIn('other')];
    expect(all).toHaveLength(4);
    expect(new Set(all).size).toBe(4);
    expect(idsIn('one')).toEqual(all.slice(0, 2));
  });

  test('blocks are opened when they have content, one after the other', () => {
    const out = run(
      chunk('{"role":"assistant","content":null,"reasoning_content":""}'),
      chunk('{"content":null,"reasoning_content":"Hm"}'),
      chunk('{"content":"","reasoning_content":"."}'),
      chunk('{"content":"x","reasoning_content":null}'),
      begin(0, 'a', '{}'),
      finish('tool_calls'),
      DONE,
    );
    expect(outline(out).slice(1, -2)).toEqual([
      'start 0 thinking',
      'delta 0 thinking_delta',
      'delta 0 thinking_delta',
      'stop 0',
      'start 1 text',
      'delta 1 text_delta',
      'stop 1',
      'start 2 tool_use',
      'delta 2 input_json_delta',
      'stop 2',
    ]);
    expect(blocks(out)[0]!['content_block']).toEqual({ type: 'thinking', thinking: '', signature: '' });
    expect(blocks(out)[2]!['content_block']).toEqual({
      type: 'tool_use',
      id: expect.stringMatching(/^a_tr_[0-9a-f]{12}$/) as string,
      name: 'look',
      input: {},
    });
    expect(heardOfMessagesStream(dataOf(out))).toMatchObject({ thinking: 'Hm.', text: 'x', end: 'tool_use' });
  });

  test('an answer without content has no blocks', () => {
    expect(outline(run(chunk('{"role":"assistant","content":""}'), finish(), DONE))).toEqual([
      'message_start',
      'message_delta',
      'message_stop',
    ]);
  });

  test('calls that come one by one are told as they come', () => {
    const one = stream();
    expect(outline(feed(one, [begin(0, 'a'), more(0, '{"q":')])).slice(1)).toEqual([
      'start 0 tool_use',
      'delta 0 input_json_delta',
    ]);
    expect(outline(feed(one, [more(0, '"}{"}')]))).toEqual(['delta 0 input_json_delta']);
    expect(outline(feed(one, [begin(1, 'b')]))).toEqual(['stop 0', 'start 1 tool_use']);
    expect(outline(feed(one, [more(1, '{}')]))).toEqual(['delta 1 input_json_delta']);
  });

  test('interleaved calls are put in order: the next one waits until the open one is whole', () => {
    const one = stream();
    const out = feed(one, [
      begin(0, 'a', '{"q":'),
      begin(1, 'b', '{"r":'),
      more(1, '[2]'),
      begin(2, 'c', '{}'),
    ]);
    expect(outline(out).slice(1)).toEqual(['start 0 tool_use', 'delta 0 input_json_delta']);
    const rest = feed(one, [more(0, '1}'), more(1, '}'), finish('tool_calls'), DONE]);
    expect(outline(rest).slice(0, 7)).toEqual([
      'delta 0 input_json_delta',
      'stop 0',
      'start 1 tool_use',
      'delta 1 input_json_delta',
      'delta 1 input_json_delta',
      'stop 1',
      'start 2 tool_use',
    ]);
    expectSequential(out + rest);
    expect(heardOfMessagesStream(dataOf(out + rest)).calls).toEqual([
      { id: 'a', name: 'look', arguments: '{"q":1}' },
      { id: 'b', name: 'look', arguments: '{"r":[2]}' },
      { id: 'c', name: 'look', arguments: '{}' },
    ]);
  });

  test('text in the middle of a call waits too', () => {
    const out = run(begin(0, 'a', '{"q":'), say('x'), more(0, '1}'), say('y'), finish(), DONE);
    expectSequential(out);
    expect(heardOfMessagesStream(dataOf(out))).toMatchObject({
      text: 'xy',
      calls: [{ arguments: '{"q":1}' }],
      end: 'tool_use',
    });
  });

  test('arguments may come before id and name', () => {
    const one = stream();
    expect(outline(feed(one, [more(0, '{"q"')]))).toEqual(['message_start']);
    expect(feed(one, [call({ index: 0, id: 'a' }), more(0, ':1')])).toBe('');
    expect(outline(feed(one, [call({ index: 0, function: { name: 'look' } })]))).toEqual([
      'start 0 tool_use',
      'delta 0 input_json_delta',
    ]);
    const rest = feed(one, [more(0, '}'), finish('tool_calls'), DONE]);
    expect(rest).toContain('"partial_json":"}"');
  });

  test('a server without ids: each call gets one of its own, always the same', () => {
    const bare = (index: number, args: string): string =>
      call({ index, function: { name: 'look', arguments: args } });
    const ids = (): string[] =>
      heardOfMessagesStream(dataOf(run(bare(0, '{}'), bare(1, '{}'), finish(), DONE))).calls.map(
        ({ id }) => id,
      );
    expect(new Set(ids()).size).toBe(2);
    expect(ids()).toEqual(ids());
  });

  test('a server that gives every call the same index, or none, has them told apart', () => {
    for (const index of [0, undefined]) {
      const whole = (id: string | undefined, args: string): string =>
        call({ index, id, function: { name: 'look', arguments: args } });
      const both = [
        { name: 'look', arguments: '{"a":1}' },
        { name: 'look', arguments: '{"b":2}' },
      ];
      const heard = (...data: string[]): unknown =>
        heardOfMessagesStream(dataOf(run(...data, finish(), DONE))).calls;
      expect(heard(whole('a', '{"a":1}'), whole('b', '{"b":2}'))).toMatchObject(both);
      // The id may be said again with a fragment.
      expect(
        heard(whole('a', '{"a":'), call({ index, id: 'a', function: { arguments: '1}' } })),
      ).toMatchObject([both[0]]);
    }
    const nameless = (args: string): string => call({ function: { arguments: args } });
    expect(
      heardOfMessagesStream(
        dataOf(
          run(
            call({ id: 'a', function: { name: 'look' } }),
            nameless('{"q":'),
            nameless('1}'),
            finish(),
            DONE,
          ),
        ),
      ).calls,
    ).toEqual([{ id: 'a', name: 'look', arguments: '{"q":1}' }]);
  });

  test('a call in place of another closes that one, whether it was whole or not', () => {
    const one = stream();
    feed(one, [begin(0, 'a', '{"q":')]);
    expect(outline(feed(one, [begin(0, 'b')]))).toEqual(['stop 0', 'start 1 tool_use']);
  });

  test('indices that do not begin at 0', () => {
    const out = run(begin(3, 'a', '{}'), begin(1, 'b', '{}'), finish('tool_calls'), DONE);
    expect(blocks(out).map((event) => event['index'])).toEqual([0, 1]);
    expect(heardOfMessagesStream(dataOf(out)).calls.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  test('a call without arguments, and what comes behind a whole object', () => {
    expect(outline(run(begin(0, 'a'), finish('tool_calls'), DONE))).toContain('start 0 tool_use');
    const late = run(begin(0, 'a', '{}'), begin(1, 'b'), more(0, '{"q":1}'), more(1, '{}'), finish(), DONE);
    expect(heardOfMessagesStream(dataOf(late)).calls.map((one) => one.arguments)).toEqual(['{}', '{}']);
  });

  test('arguments that were cut off are told as they came', () => {
    const out = run(begin(0, 'a', '{"q":"x'), begin(1, 'b', '{'), finish('length'), DONE);
    expect(heardOfMessagesStream(dataOf(out))).toMatchObject({
      calls: [{ arguments: '{"q":"x' }, { arguments: '{' }],
      end: 'max_tokens',
    });
  });

  test('arguments that are no object are told once they are whole, as an object; null is nothing', () => {
    for (const [pieces, told] of [
      [['null'], ''],
      [[' nu', 'll'], ''],
      [['[1', ',{"a":2}]'], '{"INVALID_JSON":"[1,{\\"a\\":2}]"}'],
      [['"x', '"'], '{"INVALID_JSON":"\\"x\\""}'],
      [['7'], '{"INVALID_JSON":"7"}'],
      [['nul'], '{"INVALID_JSON":"nul"}'],
    ] as const) {
      const fragments = pieces.map((piece) => more(0, piece));
      const out = run(begin(0, 'a'), ...fragments, begin(1, 'b', '{}'), finish('tool_calls'), DONE);
      expectSequential(out);
      const partials = parsed(dataOf(out))
        .filter((event) => event['type'] === 'content_block_delta' && event['index'] === 0)
        .map((event) => record(event['delta'])['partial_json']);
      expect(partials).toEqual(told === '' ? [] : [told]);
      expect(heardOfMessagesStream(dataOf(out)).calls[1]).toMatchObject({ id: 'b', arguments: '{}' });
    }
  });

  test('blanks before an object do not hold it up', () => {
    const one = stream();
    expect(outline(feed(one, [begin(0, 'a', '\n ')])).slice(1)).toEqual(['start 0 tool_use']);
    expect(feed(one, [more(0, '{"q"')])).toContain('"partial_json":"\\n {\\"q\\""');
  });

  test('a function call of old', () => {
    const out = run(
      chunk('{"role":"assistant","content":null,"function_call":{"name":"look","arguments":""}}'),
      chunk('{"function_call":{"arguments":"{\\"q\\":"}}'),
      chunk('{"function_call":{"arguments":"1}"}}'),
      finish('function_call'),
      DONE,
    );
    expect(heardOfMessagesStream(dataOf(out))).toMatchObject({
      calls: [{ id: expect.stringMatching(/^toolu_/), name: 'look', arguments: '{"q":1}' }],
      end: 'tool_use',
    });
  });

  test('reasoning of other servers', () => {
    for (const delta of [
      '{"reasoning":"Hm."}',
      '{"reasoning":"Hm.","reasoning_details":[{"type":"reasoning.text","text":"Hm."}]}',
      '{"reasoning_details":[{"type":"reasoning.summary","summary":"Hm."}]}',
    ])
      expect(heardOfMessagesStream(dataOf(run(chunk(delta), finish(), DONE))).thinking).toBe('Hm.');
  });

  test('spelling is kept, and a surrogate pair that is split over two deltas', () => {
    const out = run(
      say('\\ud83d'),
      say('\\ude00\\u00e9é\\/'),
      chunk(
        '{"tool_calls":[{"index":0,"id":"a","function":{"name":"look","arguments":"{\\"q\\":\\"\\ud83d"}}]}',
      ),
      chunk('{"tool_calls":[{"index":0,"function":{"arguments":"\\ude00\\\\"}}]}'),
      chunk('{"tool_calls":[{"index":0,"function":{"arguments":"\\"}\\"}"}}]}'),
      begin(1, 'b'),
      finish(),
      DONE,
    );
    expect(out).toContain('"text":"\\ud83d"');
    expect(out).toContain('"text":"\\ude00\\u00e9é\\/"');
    expect(out).toContain('"partial_json":"{\\"q\\":\\"\\ud83d"');
    const heard = heardOfMessagesStream(dataOf(out));
    expect(heard.text).toBe('😀éé/');
    expect(JSON.parse(heard.calls[0]!.arguments)).toEqual({ q: '😀"}' });
    expectSequential(out);
  });

  test.each([
    ['stop', 'end_turn'],
    ['tool_calls', 'end_turn'],
    ['length', 'max_tokens'],
    ['content_filter', 'refusal'],
    ['from_the_future', 'end_turn'],
  ])('finish_reason %s is %s', (reason, stop) => {
    expect(heardOfMessagesStream(dataOf(run(say('x'), finish(reason), DONE))).end).toBe(stop);
  });

  test('a refusal is text, and the reason', () => {
    const out = run(chunk('{"refusal":"No"}'), chunk('{"refusal":"."}'), finish(), DONE);
    expect(heardOfMessagesStream(dataOf(out))).toMatchObject({ text: 'No.', end: 'refusal' });
  });

  test('a comment is a ping', () => {
    expect(stream().comment()).toBe('event: ping\ndata: {"type":"ping"}\n\n');
  });

  test('the first record may have no choice and no id (Azure); id and model are made up where there are none', () => {
    const azure = '{"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[]}';
    expect(run(azure, say('x'), finish(), DONE)).toBe(run(say('x'), finish(), DONE));
    const [start] = parsed(
      dataOf(run('{"id":"","model":"","choices":[{"delta":{"content":"x"}}]}', finish(), DONE)),
    );
    expect(start!['message']).toMatchObject({
      id: expect.stringMatching(/^msg_[0-9a-f]{16}$/),
      model: CONTEXT.model,
    });
  });

  test('what is not known is ignored, and what is no record', () => {
    const odd = [
      '',
      'keep-alive',
      'null',
      '[]',
      '{}',
      '{"choices":7}',
      '{"choices":[7,null,["x",1]]}',
      '{"choices":[{"index":1,"delta":{"content":"no"}}]}',
      '{"choices":[{"index":0,"delta":null}]}',
      '{"choices":[{"index":0,"delta":{"content":7,"tool_calls":{},"reasoning_details":7}}]}',
      '{"error":null,"choices":[]}',
    ];
    const first = chunk('{"role":"assistant"}');
    expect(run(first, ...odd, say('x'), ...odd, say('y'), finish(), ...odd, DONE)).toBe(
      run(first, say('x'), say('y'), finish(), DONE),
    );
  });
});
