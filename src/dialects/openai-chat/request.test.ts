import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../errors/gateway-error.ts';
import { JsonDocument } from '../../std/json/document.ts';
import { Role } from '../request-facts.ts';
import { ChatRequest } from './request.ts';

const MESSAGES = '"messages":[{"role":"user","content":"x"}]';

function read(text: string): ChatRequest {
  const document = new JsonDocument();
  document.parse(Buffer.from(text));
  const request = new ChatRequest();
  request.read(document);
  return request;
}
const withField = (member: string): ChatRequest => read(`{"model":"m",${member},${MESSAGES}}`);

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
  ...['temperature', 'top_p', 'presence_penalty', 'frequency_penalty'].map(
    (name) => [name, 'a number', ['a number']] as const,
  ),
  ...['n', 'seed', 'max_tokens', 'max_completion_tokens', 'top_logprobs'].map(
    (name) => [name, 'an integer', ['a number']] as const,
  ),
  ...['user', 'service_tier', 'reasoning_effort', 'prompt_cache_key', 'safety_identifier'].map(
    (name) => [name, 'a string', ['a string']] as const,
  ),
  ...['parallel_tool_calls', 'stream', 'store', 'logprobs', 'background'].map(
    (name) => [name, 'a boolean', ['a boolean']] as const,
  ),
  ...[
    'response_format',
    'logit_bias',
    'metadata',
    'prediction',
    'audio',
    'stream_options',
    'web_search_options',
  ].map((name) => [name, 'an object', ['an object']] as const),
  ...['tools', 'functions', 'modalities'].map((name) => [name, 'an array', ['an array']] as const),
  ['stop', 'a string or an array of strings', ['a string', 'an array']],
  ['tool_choice', 'a string or an object', ['a string', 'an object']],
];

describe('types of fields', () => {
  test.each([...TYPES])('%s: expected %s', (name, words, fitting) => {
    for (const [kind, value] of Object.entries(SAMPLES)) {
      if (kind === 'null' || fitting.includes(kind as Sample)) {
        expect(withField(`"${name}":${value}`).model).toBe('m');
        continue;
      }
      const error = refusal(`{"model":"m","${name}":${value},${MESSAGES}}`);
      expect(error.code).toBe('invalid_type');
      expect(error.spec.status).toBe(400);
      expect(error.param).toBe(name);
      expect(error.message).toBe(`Invalid type for '${name}': expected ${words}, but got ${kind} instead.`);
    }
  });

  test('a field in another spelling is the same field', () => {
    expect(refusal(String.raw`{"model":"m","\u0074emperature":"hot",${MESSAGES}}`).param).toBe('temperature');
  });

  test('fields that are not known pass, whatever they hold', () => {
    for (const value of Object.values(SAMPLES)) expect(withField(`"thinking":${value}`).model).toBe('m');
  });

  test.each(['n', 'seed', 'max_tokens', 'top_logprobs'])('%s takes whole numbers only', (name) => {
    expect(refusal(`{"model":"m","${name}":1.5,${MESSAGES}}`).message).toBe(
      `Invalid type for '${name}': expected an integer, but got a decimal number instead.`,
    );
    for (const whole of ['1', '1.0', '1e2']) expect(withField(`"${name}":${whole}`).model).toBe('m');
  });
});

describe('values', () => {
  test.each([
    ['n', '0', 1],
    ['n', '-3', 1],
    ['max_tokens', '-1', 0],
    ['max_completion_tokens', '-1', 0],
    ['top_logprobs', '-1', 0],
  ])('%s %s is below its minimum', (name, value, least) => {
    const error = refusal(`{"model":"m","${name}":${value},${MESSAGES}}`);
    expect(error.code).toBe('invalid_value');
    expect(error.param).toBe(name);
    expect(error.message).toBe(
      `Invalid '${name}': integer below minimum value. Expected a value >= ${least}, but got ${value} instead.`,
    );
  });

  test('a count that no machine can keep is refused', () => {
    expect(refusal(`{"model":"m","max_tokens":1e300,${MESSAGES}}`).code).toBe('invalid_value');
    expect(withField('"seed":12345678901234567890').n).toBe(1);
    expect(withField('"seed":-5').n).toBe(1);
  });
});

describe('what must be there', () => {
  test.each([
    ['{}', 'missing_field', 'model'],
    [`{${MESSAGES}}`, 'missing_field', 'model'],
    ['{"model":"m"}', 'missing_field', 'messages'],
    [`{"model":null,${MESSAGES}}`, 'invalid_type', 'model'],
    ['{"model":"m","messages":null}', 'invalid_type', 'messages'],
    [`{"model":7,${MESSAGES}}`, 'invalid_type', 'model'],
    [`{"model":"",${MESSAGES}}`, 'invalid_value', 'model'],
    ['{"model":"m","messages":[]}', 'invalid_value', 'messages'],
    ['{"model":"m","messages":{}}', 'invalid_type', 'messages'],
    ['{"model":"m","messages":["x"]}', 'invalid_type', 'messages[0]'],
    ['{"model":"m","messages":[null]}', 'invalid_type', 'messages[0]'],
    ['{"model":"m","messages":[{"role":"user"},{}]}', 'missing_field', 'messages[1].role'],
    ['{"model":"m","messages":[{"role":null}]}', 'invalid_type', 'messages[0].role'],
    ['{"model":"m","messages":[{"role":"robot"}]}', 'invalid_value', 'messages[0].role'],
    ['{"model":"m","messages":[{"role":"user","content":7}]}', 'invalid_type', 'messages[0].content'],
    ['{"model":"m","messages":[{"role":"user","content":{}}]}', 'invalid_type', 'messages[0].content'],
    [
      '{"model":"m","messages":[{"role":"user","content":[{},"x"]}]}',
      'invalid_type',
      'messages[0].content[1]',
    ],
    [
      '{"model":"m","messages":[{"role":"assistant","tool_calls":{}}]}',
      'invalid_type',
      'messages[0].tool_calls',
    ],
    [
      '{"model":"m","messages":[{"role":"assistant","tool_calls":[{},7]}]}',
      'invalid_type',
      'messages[0].tool_calls[1]',
    ],
    [`{"model":"m","tools":[{},null],${MESSAGES}}`, 'invalid_type', 'tools[1]'],
    [`{"model":"m","tools":[{"type":"function"},{"type":7}],${MESSAGES}}`, 'invalid_type', 'tools[1].type'],
    [
      `{"model":"m","stream_options":{"include_usage":"yes"},${MESSAGES}}`,
      'invalid_type',
      'stream_options.include_usage',
    ],
    ['[]', 'invalid_type', 'body'],
  ])('%s', (text, code, param) => {
    const error = refusal(text);
    expect([error.code as string, error.param]).toEqual([code, param]);
    expect(error.message).toContain(`'${param}'`);
  });

  test('content and tool calls may be null or absent', () => {
    for (const rest of ['', ',"content":null', ',"tool_calls":null', ',"content":"","tool_calls":[]'])
      expect(read(`{"model":"m","messages":[{"role":"assistant"${rest}}]}`).roles.at(0)).toBe(Role.Assistant);
  });
});

describe('facts', () => {
  test('defaults', () => {
    const request = read(`{"model":"m",${MESSAGES}}`);
    expect(request).toMatchObject({
      model: 'm',
      stream: false,
      usageRequested: false,
      shareable: true,
      maxOutputTokens: null,
      n: 1,
      toolsNode: -1,
      streamOptionsNode: -1,
      clientCacheKey: false,
    });
  });

  test('max_completion_tokens goes before max_tokens', () => {
    expect(withField('"max_tokens":5').maxOutputTokens).toBe(5);
    expect(withField('"max_tokens":5,"max_completion_tokens":7').maxOutputTokens).toBe(7);
    expect(withField('"max_tokens":5,"max_completion_tokens":null').maxOutputTokens).toBe(5);
  });

  test('a client’s own cache key is seen, null too', () => {
    expect(withField('"prompt_cache_key":"k"').clientCacheKey).toBe(true);
    expect(withField('"prompt_cache_key":null').clientCacheKey).toBe(true);
  });

  test('roles, parts and order of each message', () => {
    const request = read(
      '{"model":"m","messages":[{"role":"developer","content":"x"},{"content":[{"type":"text"}],"role":"user"},{"role":"assistant","z":1},{"role":"tool","a":1,"content":"x"},{"role":"function","b":1,"a":1}]}',
    );
    const list = (of: typeof request.roles): number[] =>
      Array.from({ length: of.length }, (_, at) => of.at(at));
    expect(list(request.roles)).toEqual([
      Role.Developer,
      Role.User,
      Role.Assistant,
      Role.Tool,
      Role.Function,
    ]);
    expect(list(request.ordered)).toEqual([1, 0, 1, 0, 0]);
    expect(list(request.parts).map((node) => node >= 0)).toEqual([false, true, false, false, false]);
  });

  test.each([
    ['"store":true', false],
    ['"store":false', true],
    ['"background":true', false],
    ['"audio":{"voice":"x"}', false],
    ['"web_search_options":{}', false],
    ['"audio":null,"web_search_options":null,"store":null', true],
    ['"tools":[{"type":"function"},{"type":"custom"},{"name":"untyped"}]', true],
    ['"tools":[{"type":"function"},{"type":"web_search"}]', false],
  ])('%s: shareable is %p', (member, shareable) => {
    expect(withField(member).shareable).toBe(shareable);
  });

  test('one object reads request after request', () => {
    const document = new JsonDocument();
    const request = new ChatRequest();
    const full = `{"model":"full","stream":true,"stream_options":{"include_usage":true},"n":2,"max_tokens":3,"store":true,"tools":[{}],"prompt_cache_key":"k",${MESSAGES}}`;
    for (const text of [full, `{"model":"m",${MESSAGES}}`]) {
      document.parse(Buffer.from(text));
      request.read(document);
    }
    expect(request).toEqual(read(`{"model":"m",${MESSAGES}}`));
  });
});
