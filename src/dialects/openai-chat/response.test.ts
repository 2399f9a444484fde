import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { blankVerdict, type EventVerdict } from '../types.ts';
import { ChatStreamReader, failureOfBody, usageMember, usageOfBody } from './response.ts';

const usage = {
  prompt_tokens: 100,
  completion_tokens: 5,
  total_tokens: 105,
  prompt_tokens_details: { cached_tokens: 64, cache_write_tokens: 10 },
  completion_tokens_details: { reasoning_tokens: 2 },
};

function judge(text: string, strip = true): EventVerdict & { readonly relayed: string | null } {
  const verdict: EventVerdict = blankVerdict();
  // Other bytes around the range must not matter.
  const bytes = Buffer.from(`data: {"usage":1}${text}\n\ndata: {"usage":{"prompt_tokens":9}}`);
  const start = 'data: {"usage":1}'.length;
  const end = start + Buffer.byteLength(text);
  const reader = new ChatStreamReader(strip);
  reader.nextChunk();
  reader.judge(bytes, start, end, verdict);
  const relayed = verdict.drop
    ? null
    : bytes.subarray(start, verdict.cutStart === verdict.cutEnd ? end : verdict.cutStart).toString() +
      (verdict.cutStart === verdict.cutEnd ? '' : bytes.subarray(verdict.cutEnd, end).toString());
  return { ...verdict, relayed };
}

describe('ChatStreamReader', () => {
  test('[DONE] ends the stream', () => {
    expect(judge('[DONE]')).toMatchObject({ done: true, drop: false, usage: null });
  });

  test('a finish reason finishes it, null does not', () => {
    expect(judge('{"choices":[{"delta":{},"finish_reason":"stop"}]}').finished).toBe(true);
    expect(judge('{"choices":[{"delta":{},"finish_reason":null}]}').finished).toBe(false);
  });

  test('a reason without a word, or that is called null, finishes nothing', () => {
    for (const none of ['""', '"null"', 'null']) {
      expect(judge(`{"choices":[{"delta":{"content":"x"},"finish_reason":${none}}]}`).finished).toBe(false);
      const both = `{"choices":[{"index":0,"finish_reason":${none}},{"index":1,"finish_reason":"stop"}]}`;
      expect(judge(both).finished).toBe(true);
    }
    const reader = new ChatStreamReader(false);
    const finished = ['""', '""', '"stop"'].map((reason) => {
      const record = Buffer.from(`{"choices":[{"delta":{},"finish_reason":${reason}}]}`);
      const verdict = blankVerdict();
      reader.nextChunk();
      reader.judge(record, 0, record.length, verdict);
      return verdict.finished;
    });
    expect(finished).toEqual([false, false, true]);
  });

  test('of several choices the last one to end finishes it', () => {
    const reader = new ChatStreamReader(false, 2);
    const finished = [
      '{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}',
      '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
      '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
      '{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}',
      '{"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}',
    ].map((text) => {
      const record = Buffer.from(text);
      const verdict = blankVerdict();
      reader.nextChunk();
      reader.judge(record, 0, record.length, verdict);
      return verdict.finished;
    });
    expect(finished).toEqual([false, false, false, false, true]);
  });

  test('usage beside no choice is not told to who did not ask for it', () => {
    for (const choices of ['', '"choices":null,', '"choices":[],']) {
      const record = `{"id":"x",${choices}"usage":${JSON.stringify(usage)}}`;
      expect(judge(record)).toMatchObject({ drop: true, usage: { output: 5 } });
      expect(judge(record, false).relayed).toBe(record);
    }
  });

  test('of a key that is there twice the last one counts', () => {
    const twice = `"delta":{"reasoning_content":"a","reasoning_content":"b"}`;
    const record = `{"choices":[{"index":0,${twice},"finish_reason":null}],"usage":${JSON.stringify(usage)}}`;
    expect(judge(record)).toMatchObject({
      usage: { output: 5 },
      relayed: `{"choices":[{"index":0,${twice},"finish_reason":null}]}`,
    });
  });

  test('a finish reason is seen however the server sets its blanks, in one chunk or in several', () => {
    for (const blank of ['', ' ', '  ', '\n\t']) {
      const record = (reason: string, content = 'x'): string =>
        `{"choices": [{"delta": {"content":${blank}"${content}"},"finish_reason":${blank}${reason}}]}`;
      const texts = [record('null', 'finish_reason'), record('null'), record('"stop"'), record('null')];
      const bytes = Buffer.from(texts.join('\n'));
      for (const together of [true, false]) {
        const reader = new ChatStreamReader(true);
        reader.nextChunk();
        let at = 0;
        const finished = texts.map((text) => {
          const verdict = blankVerdict();
          const end = at + Buffer.byteLength(text);
          if (!together) reader.nextChunk();
          reader.judge(bytes, at, end, verdict);
          at = end + 1;
          return verdict.finished;
        });
        expect(finished).toEqual([false, false, true, false]);
      }
      expect(judge(record('"stop"')).finished).toBe(true);
    }
    expect(judge('{"choices":[{"finish_reason":null},{"finish_reason":"stop"}]}').finished).toBe(true);
  });

  test('an error record is a failure and passes', () => {
    const text = '{"error":{"message":"overloaded","type":"server_error"}}';
    expect(judge(text)).toMatchObject({ failed: true, relayed: text });
    expect(judge('{"choices":[{"delta":{"content":"{\\"error\\""}}]}').failed).toBe(false);
  });

  test('an error is seen wherever it stands, and in the shapes of other servers', () => {
    for (const text of [
      '{"id":"x","choices":[],"error":{"message":"m","code":502}}',
      '{ "choices" : [] , "error" : "m" }',
      '{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"message":"m"}}',
      '{"object":"error","message":"m","code":404}',
      '{"message":"m","code":500}',
      '{"detail":"Not Found"}',
      '{"error":{}}',
    ])
      expect([text, judge(text)]).toMatchObject([text, { failed: true, done: false, relayed: text }]);
    const billed = `{"error":{"message":"m"},"choices":[],"usage":${JSON.stringify(usage)}}`;
    expect(judge(billed)).toMatchObject({ failed: true, usage: { output: 5 }, drop: false });
    for (const text of [
      '{"error":null,"choices":[{"delta":{"content":"x"}}]}',
      '{"choices":[{"delta":{"content":"x"}}],"error" : null}',
      '{"choices":[{"delta":{"content":"x"}}],"error":{}}',
      '{"choices":[{"delta":{"tool_calls":[{"error":{"message":"m"}}]}}]}',
      '{"choices":[],"error":false}',
      '{"choices":[],"detail":"x"}',
      '{"type":"ping"}',
      '{"error":',
    ])
      expect([text, judge(text).failed]).toEqual([text, false]);
  });

  test('of a stream that was cut off, usage is what was told, and by what came where that is more', () => {
    const reader = new ChatStreamReader(true);
    const feed = (text: string): void => {
      const bytes = Buffer.from(text);
      reader.nextChunk();
      reader.judge(bytes, 0, bytes.length, blankVerdict());
    };
    feed(`{"choices":[{"delta":{"content":"${'x'.repeat(400)}"}}]}`);
    expect(reader.usageSoFar()).toBeNull();
    expect(reader.outputTokens).toBe(100);
    feed(`{"choices":[{"delta":{"content":"y"}}],"usage":${JSON.stringify(usage)}}`);
    expect(reader.usageSoFar()).toMatchObject({ uncachedInput: 26, output: 101, estimated: true });
  });

  test('the usage record that was not asked for is read and dropped; asked for, it passes', () => {
    const text = JSON.stringify({ id: 'x', choices: [], usage });
    const expected = {
      uncachedInput: 26,
      cacheRead: 64,
      cacheWrite30m: 10,
      output: 5,
      reasoning: 2,
      cacheKnown: true,
    };
    const stripped = judge(text);
    expect(stripped.usage).toMatchObject(expected);
    expect(stripped.relayed).toBeNull();
    const kept = judge(text, false);
    expect(kept.usage).toMatchObject(expected);
    expect(kept.relayed).toBe(text);
  });

  test('reasoning that is counted beside the completion (xAI) is output', () => {
    const reasoned = (total: number): object => ({
      prompt_tokens: 12,
      completion_tokens: 1,
      total_tokens: total,
      completion_tokens_details: { reasoning_tokens: 330 },
    });
    const read = (total: number): object | null =>
      usageOfBody(Buffer.from(JSON.stringify({ usage: reasoned(total) })));
    expect(read(343)).toMatchObject({ uncachedInput: 12, output: 331, reasoning: 330 });
    expect(read(13)).toMatchObject({ uncachedInput: 12, output: 1, reasoning: 330 });
  });

  test('`usage: null` is cut to the byte wherever it stands', () => {
    for (const [text, relayed] of [
      ['{"choices":[{"delta":{}}],"usage":null}', '{"choices":[{"delta":{}}]}'],
      [
        '{"choices":[{"delta":{}}],"usage":null,"obfuscation":"ab"}',
        '{"choices":[{"delta":{}}],"obfuscation":"ab"}',
      ],
      ['{"choices": [{"delta": {}}], "usage": null}', '{"choices": [{"delta": {}}]}'],
      ['{"usage":null,"choices":[{"delta":{}}]}', '{"choices":[{"delta":{}}]}'],
      ['{"usage":null}', '{}'],
    ] as const) {
      expect(judge(text).relayed).toBe(relayed);
      expect(judge(text, false).relayed).toBe(text);
    }
  });

  test('usage on the finish record (DeepSeek) is read and cut; the rest keeps its bytes', () => {
    const text = `{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop","n":1.0}],"usage":${JSON.stringify(usage)},"10":1,"2":-0.0}`;
    const verdict = judge(text);
    expect(verdict.usage).toMatchObject({ cacheRead: 64 });
    expect(verdict.relayed).toBe(
      '{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop","n":1.0}],"10":1,"2":-0.0}',
    );
  });

  test('what a model writes about usage is content', () => {
    const text = JSON.stringify({
      choices: [{ delta: { content: '],"usage":null,"usage":{"prompt_tokens":1}' } }],
    });
    expect(judge(text)).toMatchObject({ usage: null, relayed: text });
    const nested = '{"choices":[{"delta":{"tool_calls":[{"usage":{"prompt_tokens":3}}]}}]}';
    expect(judge(nested)).toMatchObject({ usage: null, relayed: nested });
  });

  test('broken records pass as they are', () => {
    for (const text of ['{"usage":', 'usage', '{"choices":[],"usage":{}} x', '']) {
      expect(judge(text)).toMatchObject({ usage: null, relayed: text });
    }
  });

  test('events of one chunk are judged alike, alone or together', () => {
    const events = fc.array(
      fc.constantFrom(
        '{"choices":[{"delta":{"content":"a"}}],"usage":null}',
        '{"choices":[{"delta":{"content":"a"}}]}',
        `{"choices":[],"usage":${JSON.stringify(usage)}}`,
        '{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}',
        '[DONE]',
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(events, fc.boolean(), (texts, strip) => {
        const reader = new ChatStreamReader(strip);
        const bytes = Buffer.from(texts.map((text) => `data: ${text}\n\n`).join(''));
        reader.nextChunk();
        let at = 0;
        for (const text of texts) {
          const start = at + 6;
          const end = start + Buffer.byteLength(text);
          at = end + 2;
          const verdict: EventVerdict = blankVerdict();
          reader.judge(bytes, start, end, verdict);
          const { relayed: _, ...alone } = judge(text, strip);
          const shift = start - 'data: {"usage":1}'.length;
          const cut = alone.cutStart !== alone.cutEnd;
          expect(verdict).toEqual({
            ...alone,
            cutStart: cut ? alone.cutStart + shift : 0,
            cutEnd: cut ? alone.cutEnd + shift : 0,
          });
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('usageOfBody', () => {
  test('figures of both vendors; unknown is not zero', () => {
    expect(usageOfBody(Buffer.from(JSON.stringify({ usage })))).toMatchObject({
      uncachedInput: 26,
      cacheKnown: true,
    });
    const deepseek = {
      prompt_tokens: 10,
      completion_tokens: 1,
      prompt_cache_hit_tokens: 4,
      prompt_cache_miss_tokens: 6,
    };
    expect(usageOfBody(Buffer.from(`\n\n ${JSON.stringify({ usage: deepseek })}`))).toMatchObject({
      uncachedInput: 6,
      cacheRead: 4,
      cacheKnown: true,
    });
    expect(usageOfBody(Buffer.from('{"usage":{"prompt_tokens":3,"completion_tokens":1}}'))).toMatchObject({
      uncachedInput: 3,
      cacheRead: 0,
      cacheKnown: false,
    });
  });

  test('none, null, broken', () => {
    for (const text of ['{}', '{"usage":null}', '{"usage":', 'null', '"usage"'])
      expect(usageOfBody(Buffer.from(text))).toBeNull();
  });
});

describe('failureOfBody', () => {
  const of = (text: string): unknown => failureOfBody(Buffer.from(text));

  test('an error in place of choices', () => {
    for (const text of [
      '\n\n {"error":{"message":"m","code":429}}',
      '{"choices":[],"error":{"message":"m","code":429}}',
      '{"choices":null,"error":{"message":"m","status":429}}',
      '{"object":"error","message":"m","code":429}',
      '{"message":"m","status":429}',
    ])
      expect(of(text)).toMatchObject({ status: 429, message: 'm' });
  });

  test('is none beside a choice, null, or within one', () => {
    for (const text of [
      '{"choices":[{"message":{"content":"x"}}],"error":null}',
      '{"choices":[{"message":{"content":"x"}}],"error":{"message":"m"}}',
      '{"choices":[{"message":{"tool_calls":[{"error":1}]}}]}',
      '{"error":null}',
      '{}',
      '{"choices":[]}',
      '[]',
      '{"error":',
    ])
      expect(of(text)).toBeNull();
  });
});

describe('usageMember', () => {
  test('removing it leaves JSON that decodes to the rest', () => {
    const value = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 });
    fc.assert(
      fc.property(value, fc.jsonValue(), fc.nat(5), (rest, figures, place) => {
        const entries = Object.entries(rest).filter(([key]) => key !== 'usage' && key !== '__proto__');
        entries.splice(Math.min(place, entries.length), 0, ['usage', figures]);
        const text = `{${entries.map(([key, one]) => `${JSON.stringify(key)}: ${JSON.stringify(one)}`).join(' , ')}}`;
        const bytes = Buffer.from(text);
        const member = usageMember(bytes, 0, bytes.length);
        expect(member).not.toBeNull();
        const left = bytes.subarray(0, member!.start).toString() + bytes.subarray(member!.end).toString();
        expect(JSON.parse(left)).toEqual(
          JSON.parse(JSON.stringify(Object.fromEntries(entries.filter(([key]) => key !== 'usage')))),
        );
      }),
      { numRuns: 300 },
    );
  });
});
