import { describe, expect, test } from 'bun:test';
import type { Envelope } from './envelope.ts';
import { MESSAGES, runTo } from './testing/pipeline.ts';
import type { Spans } from './spans.ts';

const run = (body: string, passthrough = false): Envelope =>
  runTo('canonicalizer', body, MESSAGES[0], { ...MESSAGES[1], passthrough });
const canonical = (body: string): string => run(body).canonical.text();
const HEAD = '"model":"m"';
const MARK = '"cache_control":{"type":"ephemeral"}';

/** What the noted spans hold, as text. */
const texts = ({ sent }: Envelope, of: Spans): string[] =>
  Array.from({ length: of.length }, (_, index) =>
    sent.bytes.toString('utf8', of.start(index), of.end(index)),
  );

describe('order of keys', () => {
  test('the body: model, tools, system, the rest alphabetically, messages last', () => {
    expect(
      canonical(
        '{"messages":[{"role":"user","content":"x"}],"top_p":1,"system":"s","max_tokens":9,"tools":[],"model":"m"}',
      ),
    ).toBe(
      `{${HEAD},"tools":[],"system":"s","max_tokens":9,"top_p":1,"messages":[{"role":"user","content":"x"}]}`,
    );
  });

  test('messages, blocks, and blocks in results: as the vendor writes them, others alphabetically', () => {
    expect(
      canonical(
        `{${HEAD},"max_tokens":9,"messages":[{"content":[{"z":1,"content":[{"text":"t","type":"text"},{"source":{"b":1,"a":2},"type":"image"}],"a":2,"tool_use_id":"1","type":"tool_result"}],"role":"user"}]}`,
      ),
    ).toBe(
      `{${HEAD},"max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"t"},{"type":"image","source":{"b":1,"a":2}}],"a":2,"z":1}]}]}`,
    );
  });

  test('nothing moves within input, input_schema, output_config, thinking or a result of another kind', () => {
    const inner =
      '{"z":1.0,"10":2,"2":3,"type":"text","content":[{"text":"t","type":"text"}],"cache_control":null}';
    const body = `{${HEAD},"tools":[{"name":"f","input_schema":${inner}}],"max_tokens":9,"output_config":{"format":{"schema":${inner}}},"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":${inner}},{"type":"web_search_tool_result","content":[${inner}]}]}]}`;
    expect(canonical(body)).toBe(body);
  });

  test('a system string stays one, and so does content', () => {
    const body = `{${HEAD},"system":"s","max_tokens":9,"messages":[{"role":"user","content":"x"}]}`;
    expect(canonical(body)).toBe(body);
  });
});

describe('spans', () => {
  const body = `{${HEAD},"max_tokens":9,"tools":[{"name":"b"},{"name":"a",${MARK}}],"system":[{"type":"text","text":"é"},{"text":"t","type":"text",${MARK}}],"messages":[{"role":"user","content":"one"},{"content":[{"type":"text","text":"a",${MARK}},{"type":"text","text":"b"}],"role":"user"},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]}]}`;

  test('blocks lie where they were written, copied or anew', () => {
    for (const spelled of [
      body,
      body.replaceAll(',', ' , '),
      body.replaceAll('"content":"one"', '"content": "\\u006fne"'),
    ])
      expect(texts(run(spelled), run(spelled).sent.blocks)).toEqual([
        '{"type":"text","text":"é"}',
        `{"type":"text","text":"t",${MARK}}`,
        '"one"',
        `{"type":"text","text":"a",${MARK}}`,
        '{"type":"text","text":"b"}',
        '{"type":"tool_use","id":"1","name":"f","input":{}}',
      ]);
  });

  test('system and tools', () => {
    const { sent } = run(body);
    expect(sent.bytes.toString('utf8', sent.systemStart, sent.systemEnd)).toBe(
      `[{"type":"text","text":"é"},{"type":"text","text":"t",${MARK}}]`,
    );
    expect(texts(run(body), run(body).sent.tools)).toEqual(['{"name":"a"}', `{"name":"b",${MARK}}`]);
  });

  test('what is cut are marks with their comma, and what makes a block of a string', () => {
    const envelope = run(body);
    expect(texts(envelope, envelope.sent.cuts)).toEqual([`,${MARK}`, `,${MARK}`, `,${MARK}`]);
    const alone = run(
      `{${HEAD},"max_tokens":9,"system":[{"type":"text","text":"s",${MARK}}],"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`,
    );
    expect(texts(alone, alone.sent.cuts)).toEqual([
      '[{"type":"text","text":',
      `,${MARK}}]`,
      '[{"type":"text","text":',
      '}]',
    ]);
    const nested = run(
      `{${HEAD},"max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"x",${MARK}}],${MARK}}]}]}`,
    );
    expect(texts(nested, nested.sent.cuts)).toEqual([`,${MARK}`, `,${MARK}`]);
  });

  test('byte-exact mode notes tools, system and messages in the client’s own bytes', () => {
    const envelope = run(
      `{ "system" : "s", "max_tokens":9, "messages":[ {"content":"é","role":"user"}], ${HEAD}}`,
      true,
    );
    const { sent } = envelope;
    expect(sent.bytes.toString('utf8', sent.systemStart, sent.systemEnd)).toBe('"s"');
    expect(texts(envelope, sent.messages)).toEqual(['{"content":"é","role":"user"}']);
    expect([sent.blocks.length, sent.cuts.length]).toEqual([0, 0]);
  });
});
