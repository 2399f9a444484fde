import { describe, expect, test } from 'bun:test';
import {
  call,
  calls,
  converted,
  messagesOf,
  OLDER,
  refusal,
  result,
  USER,
  withMessages,
} from './testing/request.ts';

/** The block that a part of the user's becomes. */
const blockOf = (part: string, context: { readonly cacheTtl?: '5m' | '1h' } = {}): string => {
  const before = '"messages":[{"role":"user","content":[';
  const written = messagesOf([`{"role":"user","content":[${part}]}`], OLDER, context);
  expect(written).toStartWith(before);
  return written.slice(before.length, -3);
};
const partRefusal = (part: string): readonly [string, string | undefined] => {
  const fault = refusal(withMessages(`{"role":"user","content":[${part}]}`));
  return [fault.code, fault.param];
};
const image = (url: string, more = ''): string => `{"type":"image_url","image_url":{"url":${url}${more}}}`;

describe('images', () => {
  test.each(['jpeg', 'png', 'gif', 'webp'])(
    'a data URL of image/%s: only the prefix is split off',
    (type) => {
      expect(blockOf(image(`"data:image/${type};base64,iVBOR/+="`))).toBe(
        `{"type":"image","source":{"type":"base64","media_type":"image/${type}","data":"iVBOR/+="}}`,
      );
    },
  );

  test('spelled with escapes, in the data or before it', () => {
    expect(blockOf(image(String.raw`"data:image/png;base64,iVBOR\/+="`))).toBe(
      String.raw`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBOR\/+="}}`,
    );
    expect(blockOf(image(String.raw`"data:image\/png;base64,iVBOR\/+="`))).toBe(
      '{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBOR/+="}}',
    );
  });

  test('letters of either case, parameters, and the usual name for JPEG', () => {
    expect(blockOf(image('"DATA:image/JPG;charset=x;BASE64,QQ=="'))).toBe(
      '{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"QQ=="}}',
    );
  });

  test('an address is fetched by the vendor', () => {
    for (const url of [
      '"https://a.example/x.png?a=1"',
      '"http://a.example/x.png"',
      String.raw`"https:\/\/a.example"`,
    ])
      expect(blockOf(image(url))).toBe(`{"type":"image","source":{"type":"url","url":${url}}}`);
  });

  test('the address alone, as some vendors have it', () => {
    expect(blockOf('{"type":"image_url","image_url":"https://a.example"}')).toBe(
      '{"type":"image","source":{"type":"url","url":"https://a.example"}}',
    );
    expect(partRefusal('{"type":"image_url","image_url":7}')).toEqual([
      'invalid_type',
      'messages[0].content[0].image_url',
    ]);
    expect(partRefusal('{"type":"image_url","image_url":{}}')).toEqual([
      'missing_field',
      'messages[0].content[0].image_url.url',
    ]);
  });

  test('detail is warned of, unless it is the default', () => {
    const message = (detail: string): string =>
      withMessages(`{"role":"user","content":[${image('"https://a.example"', `,"detail":"${detail}"`)}]}`);
    expect(converted(message('auto')).warnings).toEqual([]);
    const { warnings, lost } = converted(message('high'));
    expect(warnings).toEqual([
      'messages[].content[].image_url.detail: Anthropic has no levels of detail; it was left out.',
    ]);
    expect(lost).toBe('messages[].content[].image_url.detail="high"\n');
  });

  test.each([
    ['"data:image/svg+xml;base64,QQ=="', 'unsupported_value'],
    ['"data:image/png,QQ"', 'unsupported_value'],
    ['"data:;base64,QQ=="', 'unsupported_value'],
    ['"ftp://a.example"', 'invalid_value'],
    ['"QQ=="', 'invalid_value'],
    ['""', 'invalid_value'],
    ['7', 'invalid_type'],
  ])('%s is refused', (url, code) => {
    expect(partRefusal(image(url))).toEqual([code, 'messages[0].content[0].image_url.url']);
  });
});

describe('files', () => {
  const file = (members: string): string => `{"type":"file","file":{${members}}}`;

  test('a PDF is a document; its name is the title', () => {
    expect(blockOf(file('"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"'))).toBe(
      '{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"},"title":"a.pdf"}',
    );
    expect(blockOf(file('"file_data":"data:application/pdf;base64,JVBE"'))).toBe(
      '{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}}',
    );
  });

  test.each([
    ['"file_id":"file-1"', 'unsupported_value', '.file_id'],
    ['"file_data":"data:text/csv;base64,JVBE"', 'unsupported_value', '.file_data'],
    ['"file_data":"JVBE"', 'invalid_value', '.file_data'],
    ['"filename":"a.pdf"', 'missing_field', '.file_data'],
  ])('%s is refused', (members, code, rest) => {
    expect(partRefusal(file(members))).toEqual([code, `messages[0].content[0].file${rest}`]);
  });
});

describe('parts that Claude does not take', () => {
  test.each(['input_audio', 'video_url', 'thinking', 'custom'])('%s', (type) => {
    expect(partRefusal(`{"type":"${type}"}`)).toEqual(['unsupported_value', 'messages[0].content[0].type']);
  });
});

describe('cache marks', () => {
  const MARK = '"cache_control":{"type":"ephemeral","ttl":"1h"}';

  test('on parts are kept', () => {
    expect(blockOf(`{"type":"text","text":"x",${MARK}}`)).toBe(`{"type":"text","text":"x",${MARK}}`);
    expect(blockOf(`{"type":"image_url",${MARK},"image_url":{"url":"https://a.example"}}`)).toEndWith(
      `,${MARK}}`,
    );
  });

  test('OpenAI’s breakpoints become marks, of the lifetime that is configured', () => {
    const part = '{"type":"text","text":"x","prompt_cache_breakpoint":{"mode":"explicit","ttl":"30m"}}';
    expect(blockOf(part)).toBe('{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}');
    expect(blockOf(part, { cacheTtl: '1h' })).toBe(
      '{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}',
    );
    expect(converted(withMessages(`{"role":"user","content":[${part}]}`)).warnings).toEqual([]);
  });

  test('on a message stand on its last block, unless that has one', () => {
    expect(messagesOf([`{"role":"user","content":"x",${MARK}}`])).toBe(
      `"messages":[{"role":"user","content":[{"type":"text","text":"x",${MARK}}]}]`,
    );
    const part = '{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}';
    expect(messagesOf([`{"role":"user","content":[${part}],${MARK}}`])).toBe(
      `"messages":[{"role":"user","content":[${part}]}]`,
    );
    expect(
      messagesOf([`{"role":"assistant","content":"t",${MARK},"tool_calls":[${call('a')}]}`, result('a')]),
    ).toStartWith(
      `"messages":[{"role":"assistant","content":[{"type":"text","text":"t"},{"type":"tool_use","id":"a","name":"f","input":{},${MARK}}]}`,
    );
    expect(messagesOf([`{"role":"system","content":"s",${MARK}}`, USER])).toStartWith(
      `"system":[{"type":"text","text":"s",${MARK}}]`,
    );
  });

  test('within a tool result stand on the result', () => {
    for (const message of [
      `{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"r",${MARK}}]}`,
      `{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"r"}],${MARK}}`,
    ]) {
      expect(messagesOf([calls('a'), message])).toEndWith(
        `{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"r"}],${MARK}}]}]`,
      );
    }
  });
});

describe('of more marks than the vendor takes, the oldest breakpoints go', () => {
  const BREAKPOINT = '"prompt_cache_breakpoint":{"mode":"explicit"}';
  const OWN = '"cache_control":{"type":"ephemeral","ttl":"1h"}';
  const part = (text: string, mark = BREAKPOINT): string => `{"type":"text","text":"${text}",${mark}}`;
  const user = (...parts: readonly string[]): string => `{"role":"user","content":[${parts.join(',')}]}`;
  /** Texts of the blocks that carry a mark, and `tool` for each tool that does. */
  const markedOf = (messages: readonly string[], more = ''): string[] => {
    const { text, warnings } = converted(`${withMessages(...messages).slice(0, -1)}${more}}`);
    expect(warnings).toEqual([]);
    const found = text.matchAll(
      /"(?:text|content)":"(\w+)","cache_control"|"input_schema":\{[^}]*\}\},"cache_control"/g,
    );
    return [...found].map((match) => match[1] ?? 'tool');
  };
  const tool = `,"tools":[{"type":"function","function":{"name":"f"},${OWN}}]`;

  test('six breakpoints: the latest four stay', () => {
    expect(markedOf([user(...['a', 'b', 'c', 'd', 'e', 'f'].map((text) => part(text)))])).toEqual([
      'c',
      'd',
      'e',
      'f',
    ]);
  });

  test('over system, results and turns; what is left is to the byte what it was without them', () => {
    const told = (mark: (text: string) => string): string[] => [
      `{"role":"system","content":[${mark('s')}]}`,
      user(mark('a'), part('b', '"cache_control":null')),
      calls('x'),
      result('x', `[${mark('r')}]`),
      user(mark('c'), mark('d')),
    ];
    const plain = (text: string): string => part(text, '"cache_control":null');
    const older = (text: string): string => ('sa'.includes(text) ? plain(text) : part(text));
    expect(messagesOf([...told((text) => part(text)), user(part('e'))])).toBe(
      messagesOf([...told(older), user(part('e'))]),
    );
  });

  test('marks of the client’s own stay, on tools, messages and the request itself', () => {
    const messages = [user(part('a'), part('b', OWN), part('c'), part('d'), part('e'))];
    expect(markedOf(messages)).toEqual(['b', 'c', 'd', 'e']);
    expect(markedOf(messages, tool)).toEqual(['b', 'd', 'e', 'tool']);
    expect(markedOf(messages, `${tool},${OWN}`)).toEqual(['b', 'e', 'tool']);
  });

  test('four of its own leave no breakpoint; five are the client’s to mend', () => {
    const own = ['a', 'b', 'c', 'd', 'e'].map((text) => part(text, OWN));
    expect(markedOf([user(part('x'), ...own.slice(1), part('y'))])).toEqual(['b', 'c', 'd', 'e']);
    expect(markedOf([user(part('x'), ...own)])).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});

describe('thinking', () => {
  const signed = (text: string, more = ''): string =>
    `{"type":"thinking","thinking":"${text}","signature":"sig-${text}"${more}}`;
  const redacted = '{"type":"redacted_thinking","data":"opaque"}';
  const said = (blocks: string, more = '"content":"t"'): string =>
    `{"role":"assistant",${more},"thinking_blocks":[${blocks}]}`;
  const contentOf = (message: string, ...after: readonly string[]): string => {
    const written = messagesOf([message, ...after, USER]);
    return written.slice(
      '"messages":[{"role":"assistant","content":['.length,
      written.indexOf(']},{"role":"user"'),
    );
  };

  test('blocks come first in the turn, as they were told', () => {
    expect(contentOf(said(`${signed('a')},${redacted}`))).toBe(
      `${signed('a')},${redacted},{"type":"text","text":"t"}`,
    );
  });

  test('a text that the vendor withheld is empty, and signed', () => {
    expect(contentOf(said('{"type":"thinking","thinking":"","signature":"s"}'))).toStartWith(
      '{"type":"thinking","thinking":"","signature":"s"},',
    );
  });

  test('a block that says its place comes to stand there', () => {
    const message = said(
      `${signed('a')},${signed('b', ',"index":2')}`,
      `"content":null,"tool_calls":[${call('x')},${call('y')}]`,
    );
    const use = (id: string): string => `{"type":"tool_use","id":"${id}","name":"f","input":{}}`;
    expect(contentOf(message, result('x'), result('y'))).toBe(
      [signed('a'), use('x'), signed('b'), use('y')].join(','),
    );
    expect(contentOf(said(signed('a', ',"index":9')))).toBe(`{"type":"text","text":"t"},${signed('a')}`);
  });

  test('without a signature it is left out with a warning: none is made up', () => {
    for (const block of [
      '{"type":"thinking","thinking":"a"}',
      '{"type":"thinking","thinking":"a","signature":""}',
      '{"type":"thinking","thinking":"a","signature":null}',
      '{"type":"redacted_thinking"}',
    ]) {
      const { text, warnings, lost } = converted(withMessages(said(block), USER));
      expect(text).toContain('"content":[{"type":"text","text":"t"}]');
      expect(warnings).toEqual(['messages[].thinking_blocks: a block without a signature was left out.']);
      expect(lost).toBe(`messages[].thinking_blocks=${block}\n`);
    }
  });

  test('members of a block that are not known are warned of', () => {
    const { text, warnings, lost } = converted(withMessages(said(signed('a', ',"mood":"good"')), USER));
    expect(text).toContain(`"content":[${signed('a')},{"type":"text","text":"t"}]`);
    expect(warnings).toEqual([
      'messages[].thinking_blocks[].mood: the vendor has no such field; it was left out.',
    ]);
    expect(lost).toBe('messages[].thinking_blocks[].mood="good"\n');
  });

  test('reasoning_content alone is left out with a warning; beside its blocks it says nothing new', () => {
    const alone = converted(
      withMessages('{"role":"assistant","content":"t","reasoning_content":"why"}', USER),
    );
    expect(alone.text).not.toContain('why');
    expect(alone.warnings).toHaveLength(1);
    expect(alone.lost).toBe('messages[].reasoning_content="why"\n');
    const both = converted(withMessages(said(signed('a'), '"content":"t","reasoning_content":"a"'), USER));
    expect(both.warnings).toEqual([]);
  });

  test.each([
    ['7', 'invalid_type', '[0]'],
    ['{}', 'missing_field', '[0].type'],
    ['{"type":"text"}', 'invalid_value', '[0].type'],
    ['{"type":"thinking","signature":"s"}', 'missing_field', '[0].thinking'],
    ['{"type":"thinking","thinking":"a","signature":7}', 'invalid_type', '[0].signature'],
    ['{"type":"thinking","thinking":"a","signature":"s","index":-1}', 'invalid_value', '[0].index'],
  ])('%s is refused', (block, code, rest) => {
    const fault = refusal(withMessages(said(block), USER));
    expect([fault.code as string, fault.param]).toEqual([code, `messages[0].thinking_blocks${rest}`]);
  });
});
