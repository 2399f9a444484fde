import { describe, expect, test } from 'bun:test';
import {
  hexOf,
  MESSAGES,
  prepare,
  routeToClaude,
  routeToOpenRouter,
  textOf,
  type Setting,
} from './testing/pipeline.ts';

type Json = Readonly<Record<string, unknown>>;
const [OF_CLAUDE, INPUT] = MESSAGES;
const claude = (options: Setting[0] = {}, input: Setting[1] = {}): Setting => [
  { ...OF_CLAUDE, ...options },
  { ...INPUT, ...input },
];

const MODEL = 'claude-opus-4-8';
const LONG = 'A long text. '.repeat(400);
const MARK = '"cache_control":{"type":"ephemeral"}';
const EPHEMERAL = { type: 'ephemeral' };
const HOUR = { type: 'ephemeral', ttl: '1h' };

const sent = (body: Json, setting = claude()): string =>
  textOf(prepare(JSON.stringify({ model: MODEL, max_tokens: 9, ...body }), ...setting));
const user = (content: unknown): Json => ({ role: 'user', content });
const assistant = (content: unknown): Json => ({ role: 'assistant', content });
const text = (said: string, more: Json = {}): Json => ({ type: 'text', text: said, ...more });

/** Paths of the marks in a body, with their TTLs. */
function marksOf(body: string): readonly string[] {
  const found: string[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, one] of Object.entries(value)) {
      if (key === 'cache_control') found.push(`${path} ${(one as { ttl?: string }).ttl ?? ''}`.trim());
      else walk(one, path === '' ? key : `${path}.${key}`);
    }
  };
  walk(JSON.parse(body), '');
  return found;
}

describe('marks for Claude', () => {
  test('a string becomes a text block where it is marked, and nowhere else', () => {
    const body = {
      system: LONG,
      messages: [user('one'), assistant('1'), user('two'), assistant('2'), user('three')],
    };
    const marked = (said: string): string => `[{"type":"text","text":"${said}",${MARK}}]`;
    expect(sent(body)).toBe(
      `{"model":"${MODEL}","system":${marked(LONG)},"max_tokens":9,"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"1"},{"role":"user","content":${marked('two')}},{"role":"assistant","content":"2"},{"role":"user","content":${marked('three')}}]}`,
    );
  });

  test('a block gets its mark behind everything else, whatever it holds', () => {
    const content = [
      text('x'),
      { type: 'tool_result', tool_use_id: 't', content: 'é "quoted"', is_error: false, later: [1.5] },
    ];
    expect(sent({ system: [text(LONG, { citations: null })], messages: [user(content)] })).toBe(
      `{"model":"${MODEL}","system":[{"type":"text","text":"${LONG}","citations":null,${MARK}}],"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","tool_use_id":"t","content":"é \\"quoted\\"","is_error":false,"later":[1.5],${MARK}}]}]}`,
    );
  });

  test('in another spelling too', () => {
    const body = String.raw`{"max_tokens":9, "messages":[{"content":[ {"text":"${LONG}\u00e9","type":"text"} ],"role":"user"}, {"role":"assistant","content":"1"}, {"content":"\u0041","role":"user"}],"model":"${MODEL}"}`;
    expect(textOf(prepare(body, ...claude()))).toBe(
      `{"model":"${MODEL}","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"${LONG}é",${MARK}}]},{"role":"assistant","content":"1"},{"role":"user","content":[{"type":"text","text":"A",${MARK}}]}]}`,
    );
  });

  test('what carries no mark is passed over: thinking, empty texts, blocks of types that are not known', () => {
    const content = [
      text(LONG),
      text(''),
      { type: 'thinking', thinking: 't', signature: 's' },
      { type: 'container_upload', file_id: 'f' },
    ];
    expect(marksOf(sent({ messages: [user(content)] }))).toEqual(['messages.0.content.0']);
  });

  test('a mark that is null is none, and makes room for one', () => {
    const none = { cache_control: null };
    const body = sent({
      tools: [{ name: 'a', description: LONG, ...none }],
      system: [text('s', none)],
      messages: [user([text('a', none), text('b', none)])],
    });
    expect(marksOf(body)).toEqual(['tools.0', 'system.0', 'messages.0.content.1']);
    expect(body).not.toContain('null');
  });

  test('the end of the tools is the last in the order in which they are sent that is not loaded later', () => {
    const tools = [
      { name: 'z', defer_loading: true },
      { name: 'b', description: LONG },
      { name: 'a', description: LONG },
      { type: 'web_search_20250305', name: 'aa' },
    ];
    const messages = [user('x')];
    expect(marksOf(sent({ tools, messages }))).toEqual(['tools.3', 'messages.0.content.0']);
    expect(marksOf(sent({ tools: tools.slice(0, 3), messages }))).toEqual([
      'tools.1',
      'messages.0.content.0',
    ]);
  });

  test('below the model’s minimum there is none', () => {
    const messages = [user('A long text. '.repeat(150))];
    for (const [model, marks] of [
      ['claude-opus-5', 1],
      ['claude-haiku-4-5', 0],
    ] as const)
      expect([model, marksOf(sent({ model, messages })).length]).toEqual([model, marks]);
  });

  test('a document or an image by its address may be of any size', () => {
    for (const type of ['document', 'image'])
      for (const source of [
        { type: 'url', url: 'https://a.example/b' },
        { type: 'file', file_id: 'f' },
      ])
        for (const model of ['claude-opus-4-6', 'claude-opus-4-7', 'claude-haiku-4-5'])
          expect(marksOf(sent({ model, messages: [user([{ type, source }, text('What?')])] }))).toEqual([
            'messages.0.content.1',
          ]);
  });

  test('CACHE_TTL=1h', () => {
    expect(marksOf(sent({ messages: [user(LONG)] }, claude({ cacheTtl: '1h' })))).toEqual([
      'messages.0.content.0 1h',
    ]);
  });

  test('switched off, and in byte-exact mode, there is none', () => {
    const body = { messages: [user(LONG)] };
    expect(marksOf(sent(body, claude({ cacheInject: false })))).toEqual([]);
    const exact = JSON.stringify({ model: MODEL, max_tokens: 9, ...body });
    expect(textOf(prepare(exact, ...claude({}, { passthrough: true })))).toBe(exact);
  });

  test('identity and prefix do not see them', () => {
    const body = JSON.stringify({ model: MODEL, max_tokens: 9, system: LONG, messages: [user('x')] });
    const one = prepare(body, ...claude());
    const other = prepare(body, ...claude({ cacheInject: false }));
    expect(textOf(one)).not.toBe(textOf(other));
    expect([hexOf(one.fullHash), one.prefixHash, one.affinityHash]).toEqual([
      hexOf(other.fullHash),
      other.prefixHash,
      other.affinityHash,
    ]);
  });

  test('a large image before them is sent from the client’s body', () => {
    const image = { type: 'image', source: { type: 'base64', data: 'QUJD'.repeat(200_000) } };
    const body = Buffer.from(
      JSON.stringify({ model: MODEL, max_tokens: 9, messages: [user([image, text('What?')])] }),
    );
    const parts = prepare(body, ...claude()).takeParts();
    expect(parts.some((part) => part.buffer === body.buffer)).toBe(true);
    expect(marksOf(Buffer.concat(parts).toString())).toEqual(['messages.0.content.1']);
  });
});

describe('marks of the client', () => {
  const own = { cache_control: EPHEMERAL };

  test('four are left untouched to the byte', () => {
    const body = {
      tools: [{ name: 'b', description: LONG, ...own }],
      system: [text('s', own), text('t')],
      messages: [
        user([text('a', own), text('b')]),
        assistant('1'),
        user([{ type: 'tool_result', tool_use_id: 't', content: [text('c', own)] }]),
      ],
    };
    expect(sent(body)).toBe(sent(body, claude({ cacheInject: false })));
    const automatic = { ...body, cache_control: EPHEMERAL, system: 's' };
    expect(sent(automatic)).toBe(sent(automatic, claude({ cacheInject: false })));
  });

  test('four are left untouched wherever the vendor takes them', () => {
    const texts = [text('a', own), text('b', own), text('c', own)];
    for (const block of [
      { type: 'mcp_tool_result', tool_use_id: 't', content: texts },
      { type: 'document', source: { type: 'content', content: texts } },
      { type: 'tool_result', content: [{ type: 'document', source: { type: 'content', content: texts } }] },
    ]) {
      const body = { system: [text(LONG, own)], messages: [user([block]), assistant('1'), user('x')] };
      expect(marksOf(sent(body))).toHaveLength(4);
    }
  });

  test('a mark behind those of a document is no part of the prefix, in any order of keys', () => {
    const source = { type: 'content', content: [text('a', own)] };
    const prefixes = [
      { type: 'document', source, ...own },
      { ...own, source, type: 'document' },
      { type: 'document', source },
    ].map((block) => {
      const messages = [user([block]), assistant('1'), user('x')];
      return prepare(JSON.stringify({ model: MODEL, max_tokens: 9, messages }), ...claude()).prefixHash;
    });
    expect(new Set(prefixes).size).toBe(1);
  });

  test('fewer are filled up, none is moved, and the vendor’s order of TTLs holds', () => {
    const body = sent({
      tools: [{ name: 'a', description: LONG }],
      system: [text('s')],
      messages: [user('x'), assistant('1'), user([text('y', { cache_control: HOUR })])],
    });
    expect(marksOf(body)).toEqual([
      'tools.0 1h',
      'system.0 1h',
      'messages.0.content.0 1h',
      'messages.2.content.0 1h',
    ]);
  });

  test('on a tool they keep their place in the list when the tools change theirs', () => {
    const tools = [
      { name: 'c', description: LONG },
      { cache_control: HOUR, name: 'b' },
      { name: 'a', ...own },
    ];
    const body = sent({ tools, messages: [user('x')] }, claude({ cacheInject: false }));
    expect(body).toContain(
      `"tools":[{"name":"a"},{"name":"b","cache_control":{"type":"ephemeral","ttl":"1h"}},{"name":"c","description":"${LONG}",${MARK}}]`,
    );
    const deferred = [
      { name: 'b', description: LONG },
      { name: 'a', ...own },
      { name: 'c', defer_loading: true },
    ];
    expect(marksOf(sent({ tools: deferred.toReversed(), messages: [user('x')] }, claude()))[0]).toBe(
      'tools.1',
    );
  });

  test('on a tool that would be loaded later, once it has the place, they go to the one before', () => {
    const tools = [{ name: 'z', defer_loading: true }, { name: 'b', ...own }, { name: 'c' }, { name: 'a' }];
    const body = sent({ tools, messages: [user('x')] }, claude({ cacheInject: false }));
    expect(marksOf(body)).toEqual(['tools.1']);
    const last = [{ name: 'z', defer_loading: true }, { name: 'a' }, { name: 'b', ...own }];
    expect(marksOf(sent({ tools: last, messages: [user('x')] }, claude({ cacheInject: false })))).toEqual([
      'tools.1',
    ]);
  });
});

describe('marks for Claude behind a host that speaks Chat Completions', () => {
  const openRouter = (options: Setting[0] = {}): Setting => [{ resolveModel: routeToOpenRouter, ...options }];
  const model = 'anthropic/claude-opus-4.8';
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };

  test('on text parts of messages, strings among them; tools have none', () => {
    const body = sent(
      {
        model,
        tools: [{ type: 'function', function: { name: 'f', description: LONG } }],
        messages: [
          { role: 'system', content: LONG },
          user([text('look'), { type: 'image_url', image_url: { url: 'https://x/y.png' } }]),
          { role: 'assistant', content: null, tool_calls: [call] },
          { role: 'tool', tool_call_id: 'c', content: 'done' },
        ],
      },
      openRouter(),
    );
    expect(marksOf(body)).toEqual(['messages.0.content.0', 'messages.1.content.0', 'messages.3.content.0']);
    expect(body).toContain(
      `{"role":"tool","content":[{"type":"text","text":"done",${MARK}}],"tool_call_id":"c"}`,
    );
  });

  test('the client’s count, and are not counted in the prefix', () => {
    const of = (...parts: readonly unknown[]): Json => ({
      model,
      messages: [{ role: 'system', content: parts[0] }, user(parts[1]), assistant('1'), user(parts[2])],
    });
    const mark = { cache_control: EPHEMERAL };
    const one = of([text(LONG, mark)], [text('a', mark)], [text('b', mark)]);
    expect(marksOf(sent(one, openRouter()))).toHaveLength(3);
    const hashes = [one, of(LONG, 'a', 'b'), of(LONG, [text('a')], 'b')].map((body) => {
      const { affinityHash, prefixHash } = prepare(JSON.stringify(body), ...openRouter());
      return `${prefixHash} ${affinityHash}`;
    });
    expect(new Set(hashes).size).toBe(1);
  });

  test('models of other vendors have none there, and no model elsewhere', () => {
    const messages = [user(LONG)];
    expect(marksOf(sent({ model: 'openai/gpt-5', messages }, openRouter()))).toEqual([]);
    expect(marksOf(sent({ model, messages }, [{}]))).toEqual([]);
  });
});

test('a name that stands for a Claude model is sent as the model it stands for', () => {
  const resolveModel = (): ReturnType<typeof routeToClaude> => ({ ...routeToClaude(MODEL), rewritten: true });
  const body = sent({ model: 'fast', messages: [user(LONG)], stream: true }, claude({ resolveModel }));
  expect(JSON.parse(body)).toMatchObject({ model: MODEL, stream: true });
  expect(body).not.toContain('stream_options');
});
