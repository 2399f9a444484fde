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
const warned = (body: string, model = 'gpt-4o'): readonly string[] =>
  converted(body, model).warnings.map((warning) => warning.slice(0, warning.indexOf(':')));

describe('images and documents', () => {
  const partOf = (block: string): string => {
    const written = messagesOf([user(block, text('x'))]);
    return written.slice('[{"role":"user","content":['.length, -',{"type":"text","text":"x"}]}]'.length);
  };
  const source = (type: string, members: string): string => `{"type":"${type}","source":{${members}}}`;

  test('base64 becomes a data URL, the data as it is spelled', () => {
    expect(
      partOf(source('image', String.raw`"type":"base64","media_type":"image/webp","data":"a\/+="`)),
    ).toBe(String.raw`{"type":"image_url","image_url":{"url":"data:image/webp;base64,a\/+="}}`);
  });

  test('an address stays one', () => {
    expect(partOf(source('image', '"type":"url","url":"https://a.example/x"'))).toBe(
      '{"type":"image_url","image_url":{"url":"https://a.example/x"}}',
    );
  });

  test('a PDF is a file; its title is the name', () => {
    const pdf = '"type":"base64","media_type":"application/pdf","data":"JVBE"';
    expect(partOf(`{"type":"document","source":{${pdf}},"title":"a.pdf"}`)).toBe(
      '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}}',
    );
    expect(partOf(source('document', pdf))).toContain('"filename":"document.pdf"');
  });

  test('a text document is sent as text, with warnings', () => {
    const block =
      '{"type":"document","title":"t","context":"c","citations":{"enabled":true},"source":{"type":"text","media_type":"text/plain","data":"d"}}';
    expect(partOf(block)).toBe(text('d'));
    expect(warned(withMessages(user(block)))).toEqual([
      'messages[].content[].citations',
      'messages[].content[].context',
      'messages[].content[].title',
      'messages[].content[].source',
    ]);
    const plain = '{"type":"text","text":"x","citations":[]}';
    expect(warned(withMessages(user(plain, plain)))).toEqual([]);
  });

  test('what else a source says is named', () => {
    const image = source('image', '"type":"url","url":"https://a.example/x","ttl":5,"data":null');
    expect(warned(withMessages(user(image)))).toEqual(['messages[].content[].source.ttl']);
  });

  test.each([
    [source('image', '"type":"file","file_id":"f"'), 'unsupported_value', 'source.type'],
    [
      source('image', '"type":"base64","media_type":"image/tiff","data":"x"'),
      'unsupported_value',
      'source.media_type',
    ],
    [source('image', '"type":"base64","media_type":"image/png"'), 'missing_field', 'source.data'],
    [source('image', '"type":"url","url":7'), 'invalid_type', 'source.url'],
    ['{"type":"image"}', 'missing_field', 'source'],
    [source('document', '"type":"url","url":"https://a.example"'), 'unsupported_value', 'source.type'],
    [source('document', '"type":"file","file_id":"f"'), 'unsupported_value', 'source.type'],
    [source('document', '"type":"content","content":[]'), 'unsupported_value', 'source.type'],
    ['{"type":"search_result"}', 'unsupported_value', 'type'],
    ['{"type":"container_upload","file_id":"f"}', 'unsupported_value', 'type'],
    ['{"text":"x"}', 'missing_field', 'type'],
    ['{"type":"text"}', 'missing_field', 'text'],
    ['{"type":"text","text":7}', 'invalid_type', 'text'],
  ])('%s is refused', (block, code, rest) => {
    const fault = refusal(withMessages(user(block, text('x'))));
    expect([fault.code as string, fault.param]).toEqual([code, `messages.0.content.0.${rest}`]);
    expect(fault.spec.status).toBe(400);
  });
});

describe('cache marks', () => {
  const marked = user(text('a', MARK), text('b'));

  test('are dropped without a word where there is no place for them', () => {
    const body = withFields(
      `"cache_control":{"type":"ephemeral"},"system":[${text('s', MARK)}],"tools":[{"name":"f","input_schema":{"type":"object","cache_control":{"type":"ephemeral"}}${MARK}}]`,
    );
    const { text: written, warnings, lost } = converted(body);
    expect(written).not.toContain('cache_control');
    expect([warnings, lost]).toEqual([[], '']);
  });

  test('are breakpoints for OpenAI from GPT-5.6 on, three at most; strings are parts there, marked or not', () => {
    const BREAKPOINT = ',"prompt_cache_breakpoint":{"mode":"explicit"}';
    const openai = { openaiFields: true };
    expect(messagesOf([marked], 'gpt-5.6-sol', openai)).toBe(
      `[{"role":"user","content":[${text('a', BREAKPOINT)},${text('b')}]}]`,
    );
    for (const message of [USER, user(text('x'))])
      expect(messagesOf([message], 'gpt-6-luna', openai)).toBe(`[{"role":"user","content":[${text('x')}]}]`);
    const many = user(...Array.from({ length: 4 }, () => text('a', MARK)));
    expect(messagesOf([many], 'gpt-5.6-sol', openai).split('prompt_cache_breakpoint')).toHaveLength(4);
    expect(messagesOf([marked], 'gpt-5.5', openai)).not.toContain('breakpoint');
  });

  test('are no breakpoints at other hosts of the same models', () => {
    expect(messagesOf([marked, user(text('x'))], 'openai/gpt-5.6-sol')).toBe(
      `[{"role":"user","content":[${text('a')},${text('b')}]},${USER}]`,
    );
  });

  test('are kept for a provider that takes them, on messages of all kinds and on tools', () => {
    const context = { cacheMarks: true };
    const name = 'anthropic/claude-opus-5';
    expect(messagesOf([marked, assistant(text('t', MARK)), USER], name, context)).toBe(
      `[${marked},${assistant(text('t', MARK))},${user(text('x'))}]`,
    );
    const results = [assistant(use('a')), user(result('a', `,"content":"r"${MARK}`))];
    expect(messagesOf(results, name, context)).toEndWith(
      `{"role":"tool","tool_call_id":"a","content":[${text('r', MARK)}]}]`,
    );
    const { text: written } = converted(
      withFields(
        `"tools":[{"name":"f","input_schema":{"type":"object"}${MARK}}],"cache_control":{"type":"ephemeral"}`,
      ),
      name,
      context,
    );
    expect(written).toContain(`"parameters":{"type":"object","properties":{}}}${MARK}}]`);
    expect(written).toEndWith(`${MARK}}`);
  });
});
