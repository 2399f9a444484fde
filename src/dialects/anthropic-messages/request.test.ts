import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../errors/gateway-error.ts';
import { JsonDocument } from '../../std/json/document.ts';
import type { IntList } from '../../std/json/int-list.ts';
import { BlockKind } from '../block-list.ts';
import { Ttl } from '../cache-mark.ts';
import { Role } from '../request-facts.ts';
import { MessagesRequest } from './request.ts';

const MESSAGES = '"messages":[{"role":"user","content":"x"}]';
const document = new JsonDocument();

function read(text: string): MessagesRequest {
  document.parse(Buffer.from(text));
  const request = new MessagesRequest();
  request.read(document);
  return request;
}
const withField = (member: string): MessagesRequest =>
  read(`{"model":"m","max_tokens":9,${member},${MESSAGES}}`);
const withMessages = (messages: unknown): MessagesRequest =>
  read(JSON.stringify({ model: 'm', max_tokens: 9, messages }));
const list = (of: IntList): number[] => Array.from({ length: of.length }, (_, at) => of.at(at));

function refusal(text: string): GatewayError {
  try {
    read(text);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error(`not refused: ${text}`);
}

const SAMPLES = {
  null: 'null',
  'a boolean': 'true',
  'a number': '1',
  'a string': '"x"',
  'an array': '[]',
  'an object': '{}',
} as const;
type Sample = keyof typeof SAMPLES;

/** Field, the vendor's word for its type, the kinds that fit. Null fits everywhere. */
const TYPES: readonly (readonly [string, string, readonly Sample[]])[] = [
  ...['temperature', 'top_p'].map((name) => [name, 'a valid number', ['a number']] as const),
  ['top_k', 'a valid integer', ['a number']],
  ['stream', 'a valid boolean', ['a boolean']],
  ...['service_tier', 'speed', 'inference_geo'].map(
    (name) => [name, 'a valid string', ['a string']] as const,
  ),
  ...[
    'cache_control',
    'context_management',
    'diagnostics',
    'metadata',
    'output_config',
    'output_format',
    'thinking',
    'tool_choice',
  ].map((name) => [name, 'an object', ['an object']] as const),
  ...['mcp_servers', 'stop_sequences', 'tools'].map((name) => [name, 'a valid array', ['an array']] as const),
  ['system', 'a valid string or an array of blocks', ['a string', 'an array']],
  ['container', 'a valid string or an object', ['a string', 'an object']],
  ['fallback_credit_token', 'a valid string or an object', ['a string', 'an object']],
];

describe('types of fields', () => {
  test.each([...TYPES])('%s: %s', (name, words, fitting) => {
    for (const [kind, value] of Object.entries(SAMPLES)) {
      if (kind === 'null' || fitting.includes(kind as Sample)) {
        expect(withField(`"${name}":${value}`).model).toBe('m');
        continue;
      }
      const error = refusal(`{"model":"m","max_tokens":9,"${name}":${value},${MESSAGES}}`);
      expect(error.code).toBe('invalid_type');
      expect(error.spec.status).toBe(400);
      expect(error.param).toBe(name);
      expect(error.message).toBe(`${name}: Input should be ${words}`);
    }
  });

  test('fields that are not known pass, whatever they hold', () => {
    for (const value of Object.values(SAMPLES)) expect(withField(`"fallbacks":${value}`).model).toBe('m');
  });

  test('max_tokens takes whole numbers from zero on: zero warms a cache', () => {
    const limited = (value: string): string => `{"model":"m","max_tokens":${value},${MESSAGES}}`;
    expect(read(limited('0')).maxOutputTokens).toBe(0);
    expect(read(limited('1e2')).maxOutputTokens).toBe(100);
    expect(refusal(limited('1.5')).message).toBe('max_tokens: Input should be a valid integer');
    expect(refusal(limited('-1')).message).toBe('max_tokens: Input should be greater than or equal to 0');
    expect(refusal(limited('1e300')).code).toBe('invalid_value');
  });
});

describe('what must be there', () => {
  const rest = '"model":"m","max_tokens":9';
  test.each([
    ['{}', 'missing_field', 'model', 'model: Field required'],
    [`{"max_tokens":9,${MESSAGES}}`, 'missing_field', 'model', 'model: Field required'],
    [`{"model":"m",${MESSAGES}}`, 'missing_field', 'max_tokens', 'max_tokens: Field required'],
    [`{${rest}}`, 'missing_field', 'messages', 'messages: Field required'],
    [
      `{"model":null,"max_tokens":9,${MESSAGES}}`,
      'invalid_type',
      'model',
      'model: Input should be a valid string',
    ],
    [
      `{"model":"m","max_tokens":null,${MESSAGES}}`,
      'invalid_type',
      'max_tokens',
      'max_tokens: Input should be a valid integer',
    ],
    [
      `{"model":"","max_tokens":9,${MESSAGES}}`,
      'invalid_value',
      'model',
      'model: String should have at least 1 character',
    ],
    [`{${rest},"messages":[]}`, 'invalid_value', 'messages', 'messages: at least one message is required'],
    [`{${rest},"messages":["x"]}`, 'invalid_type', 'messages.0', 'messages.0: Input should be an object'],
    [
      `{${rest},"messages":[{"content":"x"}]}`,
      'missing_field',
      'messages.0.role',
      'messages.0.role: Field required',
    ],
    [
      `{${rest},"messages":[{"role":"tool","content":"x"}]}`,
      'invalid_value',
      'messages.0.role',
      "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    ],
    [
      `{${rest},"messages":[{"role":"user"}]}`,
      'missing_field',
      'messages.0.content',
      'messages.0.content: Field required',
    ],
    [
      `{${rest},"messages":[{"role":"user","content":null}]}`,
      'invalid_type',
      'messages.0.content',
      'messages.0.content: Input should be a valid string or an array of blocks',
    ],
    [
      `{${rest},"messages":[{"role":"user","content":[{},"x"]}]}`,
      'invalid_type',
      'messages.0.content.1',
      'messages.0.content.1: Input should be an object',
    ],
    [
      `{${rest},"system":["x"],${MESSAGES}}`,
      'invalid_type',
      'system.0',
      'system.0: Input should be an object',
    ],
    [
      `{${rest},"tools":[{},null],${MESSAGES}}`,
      'invalid_type',
      'tools.1',
      'tools.1: Input should be an object',
    ],
    ['[]', 'invalid_type', 'body', 'body: Input should be an object'],
  ])('%s', (text, code, param, message) => {
    const error = refusal(text);
    expect([error.code as string, error.param, error.message]).toEqual([code, param, message]);
  });

  test('what only the vendor can judge passes', () => {
    for (const messages of [
      [{ role: 'user', content: [] }],
      [{ role: 'user', content: [{}] }],
      [{ role: 'user', content: [{ type: 7 }, { type: 'never_heard_of', content: 9 }] }],
      [{ role: 'system', content: 'first' }],
    ])
      expect(withMessages(messages).messages.length).toBe(1);
  });
});

describe('facts', () => {
  test('defaults; usage is always told', () => {
    expect(read(`{"model":"m","max_tokens":9,${MESSAGES}}`)).toMatchObject({
      model: 'm',
      stream: false,
      usageRequested: true,
      shareable: true,
      maxOutputTokens: 9,
      n: 1,
      toolsNode: -1,
      systemNode: -1,
      streamOptionsNode: -1,
      clientCacheKey: false,
      automaticTtl: Ttl.None,
    });
    expect(withField('"stream":true').stream).toBe(true);
  });

  test('roles and order of each message, blocks and what is in them among it', () => {
    const result = (inner: string): string =>
      `{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[${inner}]}]}`;
    const request = read(
      `{"model":"m","max_tokens":9,"messages":[${[
        '{"role":"user","content":"x"}',
        '{"content":"x","role":"assistant"}',
        '{"role":"system","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}',
        '{"role":"user","content":[{"text":"x","type":"text"}]}',
        result('{"type":"text","text":"x"}'),
        result('{"text":"x","type":"text"}'),
        // Null is no mark: what is written has none.
        '{"role":"user","content":[{"type":"text","text":"x","cache_control":null}]}',
      ].join()}]}`,
    );
    const { Assistant, System, User } = Role;
    expect(list(request.roles)).toEqual([User, Assistant, System, User, User, User, User]);
    expect(list(request.ordered)).toEqual([1, 0, 1, 0, 1, 0, 0]);
  });

  const TOOLS = {
    '{"name":"a"}': [true, 'a'],
    '{"type":null,"name":"a"}': [true, 'a'],
    '{"type":"custom","name":"a"}': [true, 'a'],
    '{"type":"bash_20250124","name":"bash"}': [true, 'bash'],
    '{"type":"text_editor_20250728","name":"e"}': [true, 'e'],
    '{"type":"computer_20251124","name":"computer"}': [true, 'computer'],
    '{"type":"memory_20250818","name":"memory"}': [true, 'memory'],
    '{"type":"browser_toolset_20260801"}': [true, null],
    '{"type":"web_search_20250305","name":"web_search"}': [false, null],
    '{"type":"code_execution_20260120","name":"c"}': [false, null],
    '{"type":"tool_search_tool_bm25","name":"t"}': [false, null],
    '{"type":"mcp_toolset","mcp_server_name":"s"}': [false, null],
    '{"type":"some_tool_of_next_year","name":"n"}': [false, null],
  } as const;
  test.each(Object.entries(TOOLS))('tool %s', (tool, [shareable, name]) => {
    const request = withField(`"tools":[{"name":"first"},${tool}]`);
    expect(request.shareable).toBe(shareable);
    const node = request.toolName(document, request.tools.nodes.at(1));
    expect(node < 0 ? null : document.text(node)).toBe(name);
  });

  test.each([
    ['"container":"c"', false],
    ['"container":{"skills":[]}', false],
    ['"container":null', true],
    ['"mcp_servers":[{"type":"url"}]', false],
    ['"mcp_servers":[]', true],
    ['"fallback_credit_token":"t"', false],
    ['"thread":{"type":"continue","previous_message_id":"msg_1"}', false],
    ['"thread":null', true],
    ['"thinking":{"type":"adaptive"}', true],
  ])('%s: shareable is %p', (member, shareable) => {
    expect(withField(member).shareable).toBe(shareable);
  });

  test('one object reads request after request', () => {
    const request = new MessagesRequest();
    const full = `{"model":"full","max_tokens":1,"stream":true,"container":"c","cache_control":{"type":"ephemeral"},"system":"s","tools":[{"name":"a","cache_control":{}}],"messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{}}]}]}`;
    for (const text of [full, `{"model":"m","max_tokens":9,${MESSAGES}}`]) {
      document.parse(Buffer.from(text));
      request.read(document);
    }
    expect(request).toEqual(read(`{"model":"m","max_tokens":9,${MESSAGES}}`));
  });
});

describe('blocks and marks', () => {
  const MARK = { cache_control: { type: 'ephemeral' } };
  const HOUR = { cache_control: { type: 'ephemeral', ttl: '1h' } };

  test('system first, then messages, wherever they stand in the text; a string is a block', () => {
    const { blocks } = withField('"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}]');
    expect(list(blocks.messages)).toEqual([-1, -1, 0]);
    const behind = read(`{"model":"m","max_tokens":9,${MESSAGES},"system":"s"}`).blocks;
    expect(list(behind.messages)).toEqual([-1, 0]);
    expect(list(behind.nodes).map((node) => document.text(node))).toEqual(['s', 'x']);
  });

  test.each([
    [{ type: 'text', text: 'x' }, BlockKind.Other, true],
    [{ type: 'text', text: '' }, BlockKind.Other, false],
    [{ type: 'text' }, BlockKind.Other, false],
    [{ type: 'image', source: {} }, BlockKind.Media, true],
    [{ type: 'document', source: {} }, BlockKind.Media, true],
    [{ type: 'search_result', content: [] }, BlockKind.Media, true],
    [{ type: 'tool_use', id: '1', name: 'f', input: {} }, BlockKind.ToolCall, true],
    [{ type: 'tool_result', tool_use_id: '1' }, BlockKind.ToolResult, true],
    [{ type: 'thinking', thinking: 't', signature: 's' }, BlockKind.Other, false],
    [{ type: 'redacted_thinking', data: 'd' }, BlockKind.Other, false],
    [{ type: 'server_tool_use', id: '1' }, BlockKind.Other, false],
    [{}, BlockKind.Other, false],
  ])('%j', (block, kind, markable) => {
    const { blocks } = withMessages([{ role: 'user', content: [block] }]);
    expect([blocks.kinds.at(0), blocks.markable(0)]).toEqual([kind, markable]);
  });

  test('an empty string carries no mark', () => {
    const { blocks } = withMessages([
      { role: 'user', content: '' },
      { role: 'user', content: 'x' },
    ]);
    expect([blocks.markable(0), blocks.markable(1)]).toEqual([false, true]);
  });

  test('plain is what a string would say too: a text alone, a mark with it', () => {
    const plain = (...content: unknown[]): boolean =>
      withMessages([{ role: 'user', content }]).blocks.plain(0);
    expect(plain({ type: 'text', text: 'x' })).toBe(true);
    expect(plain({ type: 'text', text: 'x', ...MARK })).toBe(true);
    expect(plain({ type: 'text', text: 'x', citations: null })).toBe(false);
    expect(plain({ type: 'text', text: 'x' }, { type: 'text', text: 'y' })).toBe(false);
    expect(plain({ type: 'text' })).toBe(false);
  });

  test('marks are found on blocks, in results, on tools and at the top, with their TTLs', () => {
    const request = read(
      JSON.stringify({
        model: 'm',
        max_tokens: 9,
        ...HOUR,
        tools: [{ name: 'a' }, { name: 'b', ...HOUR }, { name: 'c', cache_control: null }],
        system: [
          { type: 'text', text: 'x', ...HOUR },
          { type: 'text', text: 'y' },
        ],
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'tool_result',
                tool_use_id: '1',
                content: [
                  { type: 'text', text: 'x', ...HOUR },
                  { type: 'search_result', content: [{ type: 'text', text: 'z', ...MARK }] },
                ],
                ...MARK,
              },
              { type: 'text', text: 'y', cache_control: null },
              { type: 'tool_use', id: '2', name: 'f', input: { content: [{ ...MARK }] } },
            ],
          },
        ],
      }),
    );
    expect(request.automaticTtl).toBe(Ttl.OneHour);
    expect(list(request.tools.marks).map((node) => node >= 0)).toEqual([false, true, false]);
    expect(list(request.blocks.markBlocks)).toEqual([0, 2, 2, 2]);
    expect(list(request.blocks.ttls)).toEqual([Ttl.OneHour, 0, Ttl.OneHour | Ttl.FiveMinutes, 0, 0]);
  });

  test('marks are found wherever a block has blocks in it, behind its own where no string could stand for them', () => {
    const texts = [
      { type: 'text', text: 'x', ...HOUR },
      { type: 'text', text: 'y', cache_control: null },
    ];
    const source = { type: 'content', content: texts };
    const document_ = { type: 'document', source, ...MARK };
    const { blocks } = withMessages([
      {
        role: 'user',
        content: [
          { type: 'mcp_tool_result', tool_use_id: '1', content: texts },
          document_,
          { type: 'tool_result', tool_use_id: '2', content: [document_], ...MARK },
          {
            type: 'web_fetch_tool_result',
            tool_use_id: '3',
            content: { type: 'web_fetch_result', content: document_ },
          },
          { type: 'tool_use', id: '4', name: 'f', input: { source: document_ } },
        ],
      },
    ]);
    expect(list(blocks.markBlocks)).toEqual([0, 1, 1, 2, 2, 2, 3, 3]);
    expect(list(blocks.marks).map((node) => node >= 0)).toEqual([
      true,
      true,
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
    const both = Ttl.OneHour | Ttl.FiveMinutes;
    expect(list(blocks.ttls)).toEqual([Ttl.OneHour, both, both, both, 0]);
  });

  test('a tool that is loaded later, or is empty but for a mark, carries none', () => {
    const { tools } = withField(
      '"tools":[{"name":"a"},{"name":"b","defer_loading":true},{"name":"c","defer_loading":false},{"cache_control":null}]',
    );
    expect(list(tools.markable)).toEqual([1, 0, 1, 0]);
  });
});
