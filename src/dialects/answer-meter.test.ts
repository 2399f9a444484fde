import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, caseLines, withCases } from '../../test/support/cases.ts';
import { tokensOfBytes } from '../billing/estimate.ts';
import type { Usage } from '../billing/usage.ts';
import { AnswerMeter } from './answer-meter.ts';
import { dataOf } from './testing/answers.ts';
import { dialectOf } from './registry.ts';
import { blankVerdict, type Dialect, type StreamReader } from './types.ts';

const chat = dialectOf('openai-chat');
const messages = dialectOf('anthropic-messages');

/** Judges records as a relay does, in one buffer; answers the reader, and the last usage that it told. */
function reading(
  dialect: Dialect,
  records: readonly string[],
): { readonly reader: StreamReader; readonly usage: Usage | null } {
  const reader = dialect.streamReader(false);
  let usage: Usage | null = null;
  const bytes = Buffer.from(records.map((record) => `data: ${record}\n\n`).join(''));
  reader.nextChunk();
  let at = 0;
  for (const record of records) {
    const start = at + 6;
    const end = start + Buffer.byteLength(record);
    const verdict = blankVerdict();
    reader.judge(bytes, start, end, verdict);
    usage = verdict.usage ?? usage;
    at = end + 2;
  }
  return { reader, usage };
}
const tokensOf = (dialect: Dialect, ...records: readonly string[]): number =>
  reading(dialect, records).reader.outputTokens;

const TEXT = 'x'.repeat(400);
const chunk = (delta: unknown, more: object = {}): string =>
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    model: 'm',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...more }],
  });

describe('a record of Chat Completions', () => {
  test('counts by its text, in whatever member and order it stands', () => {
    for (const delta of [
      { content: TEXT },
      { role: 'assistant', content: TEXT },
      { content: TEXT, role: 'assistant', tool_calls: null },
      { content: null, reasoning_content: TEXT },
      { reasoning: TEXT, content: '' },
      { refusal: TEXT },
      { function_call: { arguments: TEXT } },
      { tool_calls: [{ index: 0, id: 'call_1234567890', type: 'function', function: { arguments: TEXT } }] },
      { content: [{ type: 'text', text: TEXT }] },
      { content: [{ type: 'thinking', thinking: [{ type: 'text', text: TEXT }] }] },
      { from_the_future: { deep: [TEXT] } },
    ])
      expect([delta, tokensOf(chat, chunk(delta))]).toEqual([delta, 100]);
    expect(tokensOf(chat, chunk({ content: TEXT }).replaceAll(':', ' : ').replaceAll(',', ' ,\n'))).toBe(100);
  });

  test('is never less than a token, if it says anything, and nothing if it says nothing', () => {
    const words = Array.from({ length: 7 }, () => chunk({ content: 'a' }));
    expect(tokensOf(chat, ...words)).toBe(7);
    expect(
      tokensOf(
        chat,
        chunk({ role: 'assistant', content: '' }),
        chunk({ content: null, refusal: null }),
        chunk({}, { finish_reason: 'stop' }),
        '{"choices":[],"usage":null}',
        '{"choices":[],"prompt_filter_results":[{"content_filter_results":{"hate":{"severity":"safe"}}}]}',
        '[DONE]',
      ),
    ).toBe(0);
  });

  test('of several choices each counts, in one record or in several', () => {
    const one = (index: number): object => ({ index, delta: { content: TEXT }, finish_reason: null });
    const both = JSON.stringify({ choices: [one(0), one(1)] });
    expect(tokensOf(chat, both, both)).toBe(400);
    const records = [0, 1, 10, 0, 11].map((index) => JSON.stringify({ choices: [one(index)] }));
    expect(tokensOf(chat, ...records)).toBe(500);
    expect(tokensOf(chat, ...records, both, ...records)).toBe(1_200);
  });

  test('reasoning that is told twice counts once, and so does a key that is there twice', () => {
    const details = [{ type: 'reasoning.text', text: TEXT, format: 'f'.repeat(80), index: 0 }];
    expect(tokensOf(chat, chunk({ reasoning: TEXT, reasoning_details: details }))).toBe(100);
    expect(tokensOf(chat, chunk({ reasoning_details: details }))).toBe(100);
    expect(tokensOf(chat, chunk({ reasoning: TEXT, reasoning_content: TEXT, content: 'abcd' }))).toBe(101);
    expect(tokensOf(chat, `{"choices":[{"delta":{"content":"${TEXT}","content":"${TEXT}"}}]}`)).toBe(100);
  });

  test('probabilities, padding and ids are no text', () => {
    const logprobs = { content: [{ token: 'x', logprob: -1, bytes: [1], top_logprobs: [{ token: TEXT }] }] };
    expect(tokensOf(chat, chunk({ content: 'abcd' }, { logprobs }))).toBe(1);
    expect(tokensOf(chat, `{"choices":[{"delta":{"content":"abcd"}}],"obfuscation":"${TEXT}"}`)).toBe(1);
  });

  test('escapes count as what they stand for', () => {
    const escaped = (text: string): string =>
      text.replace(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
    for (const text of [
      'é'.repeat(200),
      '中'.repeat(200),
      '😀'.repeat(100),
      '\n'.repeat(400),
      '"'.repeat(400),
      '\u007f\u0080\u07ff\u0800'.repeat(40),
    ]) {
      const tokens = tokensOfBytes(Buffer.byteLength(text));
      expect(tokensOf(chat, chunk({ content: text }))).toBe(tokens);
      expect(tokensOf(chat, escaped(chunk({ content: text })))).toBe(tokens);
    }
  });

  test('pictures and sound count as what they are', () => {
    const images = [
      { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(2_000_000)}` } },
    ];
    expect(tokensOf(chat, chunk({ content: '', images }))).toBeWithin(1_000, 6_000);
    const audio = { id: 'audio_1', data: 'A'.repeat(64_000), transcript: 'abcd' };
    expect(tokensOf(chat, chunk({ audio }))).toBeWithin(20, 100);
  });

  test('of a server with shapes of its own counts by its text', () => {
    for (const record of [
      { choices: [{ index: 0, text: TEXT, finish_reason: null }] },
      { choices: [{ index: 0, message: { role: 'assistant', content: TEXT } }] },
      { response: TEXT },
    ])
      expect(tokensOf(chat, JSON.stringify(record))).toBe(100);
  });
});

describe('an event of Messages', () => {
  const delta = (of: object): string => JSON.stringify({ type: 'content_block_delta', index: 0, delta: of });

  test('counts by its text', () => {
    for (const of of [
      { type: 'text_delta', text: TEXT },
      { type: 'thinking_delta', thinking: TEXT },
      { type: 'input_json_delta', partial_json: TEXT },
    ]) {
      expect(tokensOf(messages, delta(of))).toBe(100);
      expect(tokensOf(messages, JSON.stringify({ delta: of, index: 0, type: 'content_block_delta' }))).toBe(
        100,
      );
    }
    expect(
      tokensOf(messages, ...Array.from({ length: 9 }, () => delta({ type: 'text_delta', text: 'a' }))),
    ).toBe(9);
  });

  test('signatures, citations and what a server’s tool found are not the model’s', () => {
    const start = (block: object): string =>
      JSON.stringify({ type: 'content_block_start', index: 0, content_block: block });
    expect(
      tokensOf(
        messages,
        '{"type":"message_start","message":{"id":"msg_1","model":"claude","content":[]}}',
        start({ type: 'text', text: '' }),
        start({ type: 'web_search_tool_result', content: [{ title: TEXT, encrypted_content: TEXT }] }),
        delta({ type: 'signature_delta', signature: TEXT }),
        delta({ type: 'citations_delta', citation: { cited_text: TEXT } }),
        '{"type":"ping"}',
      ),
    ).toBe(0);
    expect(tokensOf(messages, start({ type: 'text', text: TEXT }))).toBe(100);
    // A call costs something besides its input.
    const call = (input: object): string => start({ type: 'tool_use', id: 'toolu_1', name: 'n', input });
    expect(tokensOf(messages, call({}))).toBe(30);
    expect(tokensOf(messages, call({ a: TEXT }))).toBeWithin(130, 134);
    const whole = { id: 'msg_1', content: [{ type: 'text', text: TEXT }] };
    expect(tokensOf(messages, JSON.stringify({ type: 'message_start', message: whole }))).toBe(100);
  });
});

describe('a whole answer', () => {
  test('counts by its text', () => {
    const choice = (content: string): object => ({
      index: 0,
      message: { role: 'assistant', content },
      logprobs: { content: [{ token: TEXT }] },
      finish_reason: 'stop',
    });
    const body = {
      id: 'x'.repeat(40),
      object: 'chat.completion',
      model: 'm'.repeat(40),
      choices: [choice(TEXT)],
    };
    const out = (dialect: Dialect, value: unknown): number | null =>
      dialect.outputOfBody(Buffer.from(`\n ${JSON.stringify(value)}`));
    expect(out(chat, body)).toBe(100);
    expect(out(chat, { ...body, choices: [choice(TEXT), choice(TEXT)] })).toBe(200);
    expect(out(chat, { ...body, choices: [choice('')] })).toBe(0);
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      stop_reason: 'end_turn',
    };
    const content = [
      { type: 'thinking', thinking: TEXT, signature: TEXT },
      { type: 'text', text: TEXT },
      { type: 'tool_use', id: 't', name: 'name', input: { type: 'object', id: 'x'.repeat(376) } },
    ];
    expect(out(messages, { ...message, content })).toBeWithin(295, 306);
    expect(out(messages, { ...message, content: [] })).toBe(0);
  });

  test('cut off, counts as far as it goes; without an answer in it, it is none', () => {
    const body = Buffer.from(JSON.stringify({ choices: [{ message: { content: TEXT } }] }));
    expect(chat.outputOfBody(body.subarray(0, 230))).toBeWithin(40, 60);
    for (const text of ['{}', '{"choices":null}', '{"choices":[]}', '{"id":"x","object":"y"}'])
      expect(chat.outputOfBody(Buffer.from(text))).toBeNull();
    expect(messages.outputOfBody(Buffer.from('{"type":"message"}'))).toBeNull();
  });
});

describe('AnswerMeter', () => {
  const value = fc.oneof(
    fc.string({ maxLength: 120, unit: 'binary' }),
    fc.string({ maxLength: 5 }),
    fc.constantFrom('\\', '"', 'data:image/'),
  );
  const delta = fc.oneof(
    value.map((content) => ({ content })),
    value.map((content) => ({ role: 'assistant', content })),
    value.map((content) => ({ content, refusal: null })),
    fc.tuple(value, value).map(([content, refusal]) => ({ content, refusal })),
    fc
      .tuple(value, value)
      .map(([name, text]) => ({ tool_calls: [{ index: 0, id: 'c', function: { name, arguments: text } }] })),
  );
  const textOf = (of: object): string =>
    Object.entries(of)
      .filter(([key]) => key !== 'role' && key !== 'id')
      .map(([, one]) =>
        typeof one === 'string' ? one : typeof one === 'object' && one !== null ? textOf(one) : '',
      )
      .join('');

  test('property: records count alike, alone or behind any other', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(delta, fc.nat(2)), { maxLength: 20 }), (deltas) => {
        let bytes = 0;
        let records = 0;
        const lines = deltas.map(([one, tail]) => {
          const text = textOf(one);
          // Lone surrogates are written as escapes, and count as half of a pair: two bytes.
          const size =
            Buffer.byteLength(text) - Array.from(text).filter((char) => /^\p{Surrogate}$/u.test(char)).length;
          bytes += size;
          if (size > 0) records++;
          return chunk(one, [{}, { finish_reason: 'stop' }, { logprobs: { content: [] } }][tail]);
        });
        expect(tokensOf(chat, ...lines)).toBe(Math.max(records, tokensOfBytes(bytes)));
      }),
      { numRuns: 500 },
    );
  });

  test('property: bytes of any kind are measured within their bounds, without a throw', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '\\',
      '\\u',
      'null',
      'audio',
      'input',
      '"content":"',
      'x'.repeat(60),
      '"reasoning_details":[',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.nat(200), (pieces, cut) => {
        const bytes = Buffer.from(pieces.join(''));
        const end = Math.max(0, bytes.length - cut);
        const meter = new AnswerMeter();
        meter.beginRecord();
        meter.measure(bytes, 0, end);
        meter.endRecord(bytes, 0);
        expect(meter.tokens).toBeWithin(0, end + 2);
        expect(meter.measureAlike(bytes, 0, end)).toBeLessThanOrEqual(end + 2);
      }),
    );
  });

  test('however deep a vendor nests, the stack holds', () => {
    for (const open of ['{"audio":', '{"reasoning_details":[', '{"input":', '[']) {
      const bytes = Buffer.from(open.repeat(100_000));
      expect(() => new AnswerMeter().measure(bytes, 0, bytes.length)).not.toThrow();
    }
  });
});

// Reason of the skip: the cases lie beside the repository and are not copied into it.
withCases.describe('against what vendors counted', () => {
  const FIXTURES = 'recorded/vercel_ai_fixtures';
  const read = (path: string): string => readFileSync(join(CASES, path), 'utf8');

  /** What was shown of each stream that tells its usage, as estimated and as the vendor counted it. */
  function pairs(
    dialect: Dialect,
    path: string,
    folders: readonly string[],
  ): { estimated: number; told: number }[] {
    interface Row {
      readonly id: string;
      readonly path: string;
      readonly status: number;
    }
    const recorded = caseLines<Row>('recorded/index.jsonl')
      .filter((row) => row.path === path && row.status === 200)
      .map((row) => `recorded/${row.id}.sse`);
    const fixtures = folders.flatMap((folder) =>
      readdirSync(join(CASES, FIXTURES, folder)).map((name) => `${FIXTURES}/${folder}/${name}`),
    );
    return [...recorded, ...fixtures]
      .filter((file) => file.endsWith('.sse') && readable(file) && !file.includes('message-start'))
      .flatMap((file) => read(file).split(/(?<="message_stop"[^\n]*\n\n)/))
      .flatMap((text) => {
        const { reader, usage } = reading(dialect, dataOf(text));
        return usage === null ? [] : [{ estimated: reader.outputTokens, told: shown(usage, reader) }];
      });
  }

  /** Reasoning that was not shown cannot be seen. */
  const shown = (usage: Usage, reader: StreamReader): number =>
    reader.outputTokens < usage.output - usage.reasoning / 2 ? usage.output - usage.reasoning : usage.output;

  function readable(file: string): boolean {
    try {
      return read(file) !== '';
    } catch {
      return false;
    }
  }

  const ratios = (all: readonly { estimated: number; told: number }[]): number[] =>
    all
      // Of a few tokens the half is soon wrong.
      .filter(({ told }) => told >= 50)
      .map(({ estimated, told }) => estimated / told)
      .toSorted((a, b) => a - b);

  const median = (sorted: readonly number[]): number => sorted[sorted.length >> 1]!;

  test('Chat Completions', () => {
    const folders = ['deepseek/chat', 'openai/chat', 'openai-compatible/chat'];
    const found = ratios(pairs(chat, '/v1/chat/completions', folders));
    expect(found.length).toBeGreaterThan(3);
    expect(median(found)).toBeWithin(0.9, 1.2);
    expect([found[0]! > 0.8, found.at(-1)! < 1.6]).toEqual([true, true]);
  });

  test('Messages', () => {
    const found = ratios(pairs(messages, '/v1/messages', ['anthropic']));
    expect(found.length).toBeGreaterThan(20);
    expect(median(found)).toBeWithin(0.7, 1.1);
    // One of them tells the usage of an attempt of which nothing was shown.
    expect([found[1]! > 0.3, found.at(-1)! < 1.3]).toEqual([true, true]);
  });
});

/** A string's inside of so many bytes, with escapes wherever they fall. */
const inside = (bytes: number) =>
  fc
    .array(
      fc.constantFrom('x', 'xxxxxxxx', 'x'.repeat(40), 'x'.repeat(49), '\\"', '\\\\', '\\n', '\\u00e9'),
      { minLength: 1, maxLength: 60 },
    )
    .map((pieces) => {
      let text = '';
      for (const piece of pieces) if (text.length + piece.length <= bytes) text += piece;
      return text.padEnd(bytes, 'x');
    });

test('property: what is read a second time is measured as at the first', () => {
  const record = fc
    .tuple(
      inside(96),
      fc.constantFrom(3, 47, 48, 49, 60, 1_100).chain(inside),
      fc.constantFrom('}', ',"more":"x"}'),
    )
    .map(([before, text, end]) => `{"id":"${before}","and so on":{"content":"${text}"${end}}`);
  // The text of those that follow stands where that of the first one does, behind an id that is read only if need be.
  const first = `{"id":"${'x'.repeat(96)}","and so on":{"content":"x"}}`;
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), (records) => {
      const all = [first, ...records];
      const bytes = Buffer.from(all.join('\n'));
      const [kept, fresh] = [new AnswerMeter(), new AnswerMeter()];
      let start = 0;
      for (const one of all) {
        const end = start + one.length;
        for (const meter of [kept, fresh]) {
          // Remembers no backslash of the buffer.
          const again = (): void => {
            if (meter === fresh) meter.forget();
          };
          again();
          if (meter.measureAlike(bytes, start, end) < 0) {
            again();
            meter.beginRecord();
            meter.measure(bytes, start, end);
            meter.endRecord(bytes, start);
          }
        }
        expect([one, kept.tokens]).toEqual([one, fresh.tokens]);
        start = end + 1;
      }
    }),
    { numRuns: 2_000 },
  );
});
