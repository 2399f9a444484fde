import { describe, expect, test } from 'bun:test';
import type { Envelope } from './envelope.ts';
import { naiveCanonicalBody } from './testing/naive-canonical.ts';
import { routeTo, runTo } from './testing/pipeline.ts';

const canonical = (body: string): string => runTo('canonicalizer', body).canonical.text();

/** What the noted spans hold, as text. */
function spans({ sent }: Envelope): { toolList: string; tools: string[]; messages: string[] } {
  const cut = (start: number, end: number): string => sent.bytes.toString('utf8', start, end);
  const list = (of: typeof sent.tools): string[] =>
    Array.from({ length: of.length }, (_, index) => cut(of.start(index), of.end(index)));
  return {
    toolList: cut(sent.toolsStart, sent.toolsEnd),
    tools: list(sent.tools),
    messages: list(sent.messages),
  };
}

describe('order of keys', () => {
  test('the body: model, the rest alphabetically, messages last', () => {
    expect(canonical('{"messages":[{"role":"user"}],"top_p":1,"user":"u","model":"m","seed":1}')).toBe(
      '{"model":"m","seed":1,"top_p":1,"user":"u","messages":[{"role":"user"}]}',
    );
  });

  test('messages and parts: known keys first, others alphabetically', () => {
    expect(
      canonical(
        '{"model":"m","messages":[{"z":1,"tool_calls":[{"id":"1","type":"function"}],"a":2,"content":[{"text":"t","b":1,"type":"text","a":2}],"role":"assistant"}]}',
      ),
    ).toBe(
      '{"model":"m","messages":[{"role":"assistant","content":[{"type":"text","text":"t","a":2,"b":1}],"tool_calls":[{"id":"1","type":"function"}],"a":2,"z":1}]}',
    );
  });

  test('nothing inside tools, schemas, arguments, response_format or a part’s own value moves', () => {
    const inner = '{"z":1,"10":2,"2":3,"a":{"required":["b","a"],"enum":[2,1]}}';
    const body = `{"model":"m","response_format":${inner},"tools":[{"type":"function","function":{"parameters":${inner},"name":"f"}}],"messages":[{"role":"user","content":[{"type":"image_url","image_url":${inner}}]},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\\"b\\": 1, \\"a\\":2}"},"id":"1"}]}]}`;
    expect(canonical(body)).toBe(body);
  });
});

describe('spelling', () => {
  test('whitespace and escapes are normalised, content is not', () => {
    expect(
      canonical(
        String.raw`{ "model" : "m", "messages" : [ { "role" : "user", "content" : " \u0041\u00e9\/ \r\n caf\u0065\u0301 " } ] }`,
      ),
    ).toBe('{"model":"m","messages":[{"role":"user","content":" Aé/ \\r\\n cafe\u0301 "}]}');
  });

  test('numbers keep their text, integer-like keys their place', () => {
    const body =
      '{"model":"m","logit_bias":{"50256":-100,"198":1.0,"7":1e2},"seed":12345678901234567890,"temperature":0.10,"messages":[{"role":"user"}]}';
    expect(canonical(body)).toBe(body);
  });

  test('the model is the resolved name, in any script', () => {
    for (const name of ['gpt-4o', 'größe "x"', '\u{1F600}']) {
      const { canonical } = runTo('canonicalizer', '{"model":"alias","messages":[{"role":"user"}]}', {
        resolveModel: () => routeTo(name),
      });
      expect(JSON.parse(canonical.text())).toEqual({ model: name, messages: [{ role: 'user' }] });
    }
  });
});

describe('spans', () => {
  const tools = [
    '{"type":"function","function":{"name":"b"}}',
    '{"type":"function","function":{"name":"a"}}',
  ];

  test('tools and messages lie where they were written', () => {
    const found = spans(
      runTo(
        'canonicalizer',
        `{"model":"m","tools":[${tools.join(' , ')}],"messages":[{"role":"system","content":"s"},{"content":"é","role":"user"},{"role":"assistant","content":"a"} ]}`,
      ),
    );
    expect(found).toEqual({
      toolList: `[${tools[1]},${tools[0]}]`,
      tools: [tools[1]!, tools[0]!],
      messages: [
        '{"role":"system","content":"s"}',
        '{"role":"user","content":"é"}',
        '{"role":"assistant","content":"a"}',
      ],
    });
  });

  test('a row of messages that is copied as one slice is noted message by message', () => {
    const row = Array.from({ length: 9 }, (_, index) => `{"role":"user","content":"${'x'.repeat(index)}"}`);
    // Neither a gap nor an odd one between them changes what is noted.
    for (const joint of [',', ' ,', ', ']) {
      const odd = [...row.slice(0, 4), '{"content":"odd","role":"user"}', ...row.slice(4)];
      const envelope = runTo('canonicalizer', `{"model":"m","messages":[${odd.join(joint)}]}`);
      const expected = odd.with(4, '{"role":"user","content":"odd"}');
      expect(spans(envelope).messages).toEqual(expected);
      expect(envelope.canonical.text()).toBe(`{"model":"m","messages":[${expected.join(',')}]}`);
    }
  });

  test('without tools the list is empty', () => {
    for (const absent of ['', '"tools":null,'])
      expect(spans(runTo('canonicalizer', `{"model":"m",${absent}"messages":[{"role":"user"}]}`))).toEqual({
        toolList: '',
        tools: [],
        messages: ['{"role":"user"}'],
      });
  });

  test('byte-exact mode notes where they lie in the client’s own bytes', () => {
    const body = `{"tools":[ ${tools[0]!} ], "messages":[ {"content":"é","role":"user"}], "model":"m"}`;
    expect(spans(runTo('canonicalizer', body, {}, { passthrough: true }))).toEqual({
      toolList: `[ ${tools[0]!} ]`,
      tools: [tools[0]!],
      messages: ['{"content":"é","role":"user"}'],
    });
  });
});

test('stream_options are found with their comma, null too', () => {
  for (const value of ['{"include_usage":false}', 'null']) {
    const { canonical, streamOptionsEnd, streamOptionsStart } = runTo(
      'canonicalizer',
      `{"model":"m","stream_options":${value},"messages":[{"role":"user"}]}`,
    );
    expect(canonical.text(streamOptionsStart, streamOptionsEnd)).toBe(`,"stream_options":${value}`);
  }
  expect(runTo('canonicalizer', '{"model":"m","messages":[{"role":"user"}]}').streamOptionsStart).toBe(-1);
});

test('equals the naive twin where several rules meet', () => {
  const body = String.raw`{"tools":[{"function":{"name":"\u0062"}},{"name":"a"},{}],"\u0073top":null,"x\ny":1,"é":2,"model":"m","messages":[{"content":[{"text":"a"},{"type":"text"}],"role":"user"},{"role":"user","content":[]}]}`;
  expect(canonical(body)).toBe(naiveCanonicalBody(body));
});
