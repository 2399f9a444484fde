import { describe, expect, test } from 'bun:test';
import { CONTEXT, converted, dataOf, feed, heardOfChatStream, parsed, record } from '../testing/answers.ts';
import { ChatStream } from './stream.ts';

type Json = Record<string, unknown>;

const START =
  '{"type":"message_start","message":{"id":"msg_1","model":"claude-opus-5-5","usage":{"input_tokens":10,"cache_read_input_tokens":300,"output_tokens":1}}}';
const STOP = '{"type":"message_stop"}';
const PING = '{"type": "ping"}';
const end = (reason = 'end_turn', more = ''): string =>
  `{"type":"message_delta","delta":{"stop_reason":"${reason}","stop_sequence":null${more}},"usage":{"output_tokens":9}}`;
const open = (index: number, block: string): string =>
  `{"type":"content_block_start","index":${index},"content_block":${block}}`;
const close = (index: number): string => `{"type":"content_block_stop","index":${index}       }`;
const delta = (index: number, inner: string): string =>
  `{"type":"content_block_delta","index":${index},"delta":${inner}}`;
const say = (raw: string, index = 0): string => delta(index, `{"type":"text_delta","text":"${raw}"}   `);
const think = (raw: string, index = 0): string =>
  delta(index, `{"type":"thinking_delta","thinking":"${raw}"}`);
const sign = (raw: string, index = 0): string =>
  delta(index, `{"type":"signature_delta","signature":"${raw}"}`);
const input = (raw: string, index = 0): string =>
  delta(index, `{"type":"input_json_delta","partial_json":"${raw}"}`);
const TEXT = '{"type":"text","text":""}';
const THINKING = '{"type":"thinking","thinking":"","signature":""}';
const tool = (id: string): string => `{"type":"tool_use","id":"${id}","name":"look","input":{}}`;

const stream = (usageRequested = false): ChatStream => new ChatStream({ ...CONTEXT, usageRequested });
const run = (...events: string[]): string => converted(stream(), [START, ...events, end(), STOP]);
const deltasOf = (out: string): Json[] =>
  parsed(dataOf(out)).map((chunk) => record(record((chunk['choices'] as Json[])[0])['delta']));

describe('ChatStream', () => {
  test('the records of a plain answer, to the byte', () => {
    const frame = (inner: string, finish = 'null'): string =>
      `data: {"id":"msg_1","object":"chat.completion.chunk","created":${CONTEXT.nowS},"model":"claude-opus-5-5","choices":[{"index":0,"delta":{${inner}},"logprobs":null,"finish_reason":${finish}}]}\n\n`;
    expect(run(open(0, TEXT), say('Hel'), say('lo'), close(0))).toBe(
      frame('"role":"assistant","content":""') +
        frame('"content":"Hel"') +
        frame('"content":"lo"') +
        frame('', '"stop"') +
        'data: [DONE]\n\n',
    );
  });

  test('usage is told when it was asked for: null in every record, and one more', () => {
    const events = [START, open(0, TEXT), say('x'), close(0), end(), STOP];
    const chunks = parsed(dataOf(converted(stream(true), events)));
    expect(chunks.slice(0, -1).map((chunk) => chunk['usage'])).toEqual([null, null, null]);
    expect(chunks.at(-1)).toEqual({
      id: 'msg_1',
      object: 'chat.completion.chunk',
      created: CONTEXT.nowS,
      model: 'claude-opus-5-5',
      choices: [],
      usage: {
        prompt_tokens: 310,
        completion_tokens: 9,
        total_tokens: 319,
        prompt_tokens_details: { cached_tokens: 300, cache_write_tokens: 0 },
      },
    });
    expect(converted(stream(false), events)).not.toContain('usage');
    // A vendor that told nothing: nothing is made up.
    const bare = events
      .with(0, '{"type":"message_start"}')
      .with(4, end().replace(',"usage":{"output_tokens":9}', ''));
    expect(parsed(dataOf(converted(stream(true), bare))).every((chunk) => chunk['usage'] === null)).toBe(
      true,
    );
  });

  test('tool calls are counted among themselves, whatever stands between', () => {
    const out = run(
      open(0, TEXT),
      say('x'),
      close(0),
      open(1, tool('a')),
      input(''),
      input('{\\"q\\": ', 1),
      input('1.0}', 1),
      close(1),
      open(2, '{"type":"server_tool_use","id":"s","name":"web_search","input":{}}'),
      input('{\\"query\\":1}', 2),
      close(2),
      open(3, '{"type":"web_search_tool_result","tool_use_id":"s","content":[]}'),
      close(3),
      open(4, tool('b')),
      input('{}', 4),
      close(4),
    );
    const calls = deltasOf(out).flatMap((one) => (one['tool_calls'] ?? []) as Json[]);
    expect(calls).toEqual([
      { index: 0, id: 'a', type: 'function', function: { name: 'look', arguments: '' } },
      { index: 0, function: { arguments: '{"q": ' } },
      { index: 0, function: { arguments: '1.0}' } },
      { index: 1, id: 'b', type: 'function', function: { name: 'look', arguments: '' } },
      { index: 1, function: { arguments: '{}' } },
    ]);
    expect(heardOfChatStream(dataOf(out)).end).toBe('tool_calls');
  });

  test('the empty input of a start is never told; without any fragment, {} is, once', () => {
    for (const fragments of [[], [input('')], [input(''), PING, input('')]])
      for (const closing of [[close(0)], []]) {
        const { calls } = heardOfChatStream(dataOf(run(open(0, tool('a')), ...fragments, ...closing)));
        expect(calls).toEqual([{ id: 'a', name: 'look', arguments: '{}' }]);
      }
    // A start in place of one that was never closed closes it.
    const two = heardOfChatStream(dataOf(run(open(0, tool('a')), open(0, tool('b')), input('{}'), close(0))));
    expect(two.calls.map((call) => call.arguments)).toEqual(['{}', '{}']);
  });

  test('input that comes with the start, as compatible servers send it, is told if nothing else is', () => {
    const whole = open(0, '{"type":"tool_use","id":"a","name":"look","input":{"q":  1.0,\n"10":"\\n"}}');
    const heard = (...events: string[]): unknown =>
      heardOfChatStream(dataOf(run(...events))).calls.map((call) => call.arguments);
    expect(heard(whole, close(0))).toEqual(['{"q":  1.0,\n"10":"\\n"}']);
    expect(heard(whole, input('{}'), close(0))).toEqual(['{}']);
  });

  test('a message that is whole in its start', () => {
    const content =
      '[{"type":"thinking","thinking":"Hm","signature":"s"},{"type":"text","text":"x"},{"type":"tool_use","id":"a","name":"look","input":{"q": 1.0}}]';
    const whole = START.replace('"usage"', `"content":${content},"stop_reason":"tool_use","usage"`);
    const out = converted(stream(), [whole, STOP]);
    expect(heardOfChatStream(dataOf(out))).toMatchObject({
      thinking: 'Hm',
      text: 'x',
      calls: [{ id: 'a', name: 'look', arguments: '{"q": 1.0}' }],
      end: 'tool_calls',
    });
    expect(out).toContain('{"type":"thinking","thinking":"Hm","signature":"s","index":0}');
    expect(out).toEndWith('data: [DONE]\n\n');
    // What is said of the end behind it counts more.
    const later = converted(stream(), [whole, end('max_tokens'), STOP]);
    expect(heardOfChatStream(dataOf(later)).end).toBe('length');
  });

  test('thinking is told as it comes, and once more with its signature before the end', () => {
    const out = run(
      open(0, THINKING),
      think('Hm'),
      think('.\\n'),
      think(''),
      sign('a=='),
      close(0),
      open(1, '{"type":"redacted_thinking","data":"op\\/aque"}'),
      close(1),
      open(2, TEXT),
      say('x', 2),
      close(2),
      open(3, tool('a')),
      close(3),
      open(4, THINKING),
      sign('b', 4),
      close(4),
      open(5, THINKING),
      think('unsigned', 5),
      close(5),
    );
    expect(heardOfChatStream(dataOf(out)).thinking).toBe('Hm.\nunsigned');
    expect(deltasOf(out).filter((one) => 'thinking_blocks' in one)).toEqual([
      {
        thinking_blocks: [
          { type: 'thinking', thinking: 'Hm.\n', signature: 'a==', index: 0 },
          { type: 'redacted_thinking', data: 'op/aque', index: 1 },
          { type: 'thinking', thinking: '', signature: 'b', index: 4 },
        ],
      },
    ]);
    expect(out).toContain('"thinking":"Hm.\\n","signature":"a=="');
    expect(out).toContain('"data":"op\\/aque"');
  });

  test('more thinking than is kept is told, but not to come back: it would be refused', () => {
    const lots = think('x'.repeat(1024 * 1024));
    const out = run(open(0, THINKING), ...Array.from({ length: 9 }, () => lots), sign('s'), close(0));
    expect(heardOfChatStream(dataOf(out)).thinking).toHaveLength(9 * 1024 * 1024);
    expect(out).not.toContain('thinking_blocks');
  });

  test('spelling is kept, and a surrogate pair that is split over two deltas', () => {
    const out = run(open(0, TEXT), say('\\ud83d'), say('\\ude00\\u00e9é\\/'), close(0));
    expect(out).toContain('"content":"\\ud83d"');
    expect(out).toContain('"content":"\\ude00\\u00e9é\\/"');
    expect(heardOfChatStream(dataOf(out)).text).toBe('😀éé/');
  });

  test.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['tool_use', 'stop'],
    ['pause_turn', 'stop'],
    ['refusal', 'content_filter'],
  ])('stop_reason %s is %s', (reason, finish) => {
    expect(heardOfChatStream(dataOf(converted(stream(), [START, end(reason), STOP]))).end).toBe(finish);
  });

  test('why the vendor refused is kept, on one line', () => {
    const details = ',"stop_details":{"type":"refusal",\n"category" : "cyber"}';
    const out = converted(stream(), [START, end('refusal', details), STOP]);
    expect(out).toContain(
      '"finish_reason":"content_filter","stop_details":{"type":"refusal","category":"cyber"}}]',
    );
  });

  test('a ping is a comment', () => {
    const one = stream();
    expect(feed(one, [START, PING])).toEndWith(': ping\n\n');
    expect(one.comment()).toBe(': ping\n\n');
  });

  test('an error ends the stream: no finish, no [DONE]', () => {
    const one = stream(true);
    const error =
      '{"type":"error","error":{"type":"overloaded_error","message":"Over\\u006coaded"},"request_id":"req_1"}';
    const out = feed(one, [START, open(0, TEXT), say('x'), error, say('y'), PING, end(), STOP]) + one.end();
    expect(out).toEndWith(
      'data: {"error":{"message":"Over\\u006coaded","type":"server_error","param":null,"code":"server_is_overloaded"},"request_id":"req_1"}\n\n',
    );
    expect(out).not.toContain('"y"');
    expect(one.failed).toBe(true);
    expect(one.comment()).toBe('');
  });

  test('what cannot be told is a failure, not a gap', () => {
    const broken = [
      [
        START,
        open(0, TEXT),
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x',
      ],
      [START, open(0, TEXT), say('x'), START],
      [START, open(0, TEXT), say('x'), close(0), STOP],
      [START, ...Array.from({ length: 300 }, (_, index) => open(index, TEXT))],
    ];
    for (const events of broken) {
      const one = stream();
      const out = feed(one, events) + one.end();
      expect(one.failed).toBe(true);
      expect(JSON.parse(dataOf(out).at(-1)!)).toMatchObject({ error: { code: 'upstream_protocol' } });
      expect(out).not.toContain('"finish_reason":"');
    }
  });

  test('a start that is said twice is said once; a missing one is made up', () => {
    const twice = converted(stream(), [START, START, open(0, TEXT), say('x'), close(0), end(), STOP]);
    expect(twice).toBe(run(open(0, TEXT), say('x'), close(0)));
    const without = parsed(dataOf(converted(stream(), [say('x'), end(), STOP])));
    expect(record(record((without[0]!['choices'] as Json[])[0])['delta'])).toEqual({
      role: 'assistant',
      content: '',
    });
    expect(without[0]).toMatchObject({ model: CONTEXT.model });
    expect(new Set(without.map((chunk) => chunk['id'])).size).toBe(1);
  });

  test('a stream that ends behind its reason, without message_stop, is whole', () => {
    const events = [START, open(0, TEXT), say('x'), close(0), end()];
    expect(converted(stream(), events)).toBe(run(open(0, TEXT), say('x'), close(0)));
    const one = stream();
    feed(one, [...events, STOP]);
    expect(one.end()).toBe('');
  });

  test('what is not known is ignored, and what is no record', () => {
    const odd = [
      '{"type":"from_the_future","index":0}',
      '{"type":7}',
      '{"index":0}',
      delta(0, '{"type":"from_the_future","text":"no"}'),
      delta(0, '{"type":"citations_delta","citation":{"type":"char_location","cited_text":"no"}}'),
      delta(0, 'null'),
      delta(9, '{"type":"input_json_delta","partial_json":"{}"}'),
      '{"type":"content_block_start"}',
      close(77),
      '{"type":"message_delta","delta":{"stop_reason":null}}',
      '',
      '[DONE]',
      'null',
      '[]',
    ];
    const plain = [open(0, TEXT), say('x'), close(0)];
    expect(run(plain[0]!, ...odd, plain[1]!, ...odd, plain[2]!)).toBe(run(...plain));
  });
});
