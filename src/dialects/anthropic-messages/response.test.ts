import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { blankVerdict, type EventVerdict } from '../types.ts';
import { failureOfBody, MessagesStreamReader, usageOfBody } from './response.ts';

const START = {
  type: 'message_start',
  message: { id: 'msg_1', usage: { input_tokens: 20, cache_read_input_tokens: 400, output_tokens: 1 } },
};

function reading(): (event: unknown) => EventVerdict {
  const reader = new MessagesStreamReader();
  return (event) => {
    const text = typeof event === 'string' ? event : JSON.stringify(event);
    // Other bytes around the range must not matter.
    const before = 'data: {"type":"message_stop"}';
    const bytes = Buffer.from(`${before}${text}\n\ndata: {"type":"error"}`);
    const verdict = blankVerdict();
    verdict.done = verdict.failed = verdict.finished = verdict.drop = true;
    reader.nextChunk();
    reader.judge(bytes, before.length, before.length + Buffer.byteLength(text), verdict);
    return verdict;
  };
}

const judge = (event: unknown): EventVerdict => reading()(event);

describe('MessagesStreamReader', () => {
  test('message_stop is the last event, message_delta with a reason finishes', () => {
    expect(judge({ type: 'message_stop' })).toMatchObject({ done: true, finished: false, failed: false });
    expect(judge({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: {} })).toMatchObject({
      done: false,
      finished: true,
    });
    expect(judge({ type: 'message_delta', delta: { stop_reason: null } }).finished).toBe(false);
    expect(judge('{ "type" : "message_stop"      }').done).toBe(true);
  });

  test('an error is a failure, with or without the type', () => {
    const error = { type: 'overloaded_error', message: 'Overloaded' };
    expect(judge({ type: 'error', error })).toMatchObject({ failed: true, done: false });
    expect(judge({ error })).toMatchObject({ failed: true });
  });

  test('content, ping and what is not known mean nothing and pass', () => {
    for (const event of [
      { type: 'ping' },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      {
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'text_delta', text: '{"type":"message_stop"}' },
      },
      { index: 0, delta: { type: 'text_delta', text: '"type":"error"' }, type: 'content_block_delta' },
      { type: 'content_block_stop', index: 0 },
      { type: 'from_the_future', error: {} },
      '{"type":',
      'null',
      '[]',
      '"message_stop"',
      '7',
      '',
      '[DONE]',
    ])
      expect(judge(event)).toEqual(blankVerdict());
  });

  test('usage is told when the message ends, merged; what the start says is not repeated', () => {
    const next = reading();
    expect(next(START).usage).toBeNull();
    expect(
      next({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9 } }).usage,
    ).toMatchObject({ uncachedInput: 20, cacheRead: 400, output: 9, estimated: false });
    expect(next({ type: 'message_stop' }).usage).toMatchObject({ cacheRead: 400, output: 9 });
  });

  test('a message without usage has none', () => {
    const next = reading();
    next({ type: 'message_start', message: {} });
    next({ type: 'message_start' });
    expect(next({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }).usage).toBeNull();
    expect(next({ type: 'message_stop' }).usage).toBeNull();
  });

  test('a stream that is cut off has used the input it was told, and the output that came', () => {
    const reader = new MessagesStreamReader();
    const verdict = blankVerdict();
    const feed = (event: object): void => {
      const bytes = Buffer.from(JSON.stringify(event));
      reader.judge(bytes, 0, bytes.length, verdict);
    };
    expect(reader.usageSoFar()).toBeNull();
    feed(START);
    expect(reader.usageSoFar()).toMatchObject({
      uncachedInput: 20,
      cacheRead: 400,
      output: 1,
      estimated: true,
    });
    for (let count = 0; count < 10; count++)
      feed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x'.repeat(40) } });
    expect(reader.usageSoFar()).toMatchObject({ cacheRead: 400, output: 100, estimated: true });
  });

  test('bytes of any kind are judged without a throw', () => {
    const verdict = blankVerdict();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(20), (noise, at) => {
        const bytes = Buffer.from(JSON.stringify(START));
        bytes.set(noise.subarray(0, bytes.length - at), at);
        new MessagesStreamReader().judge(bytes, 0, bytes.length, verdict);
        new MessagesStreamReader().judge(Buffer.from(noise), 0, noise.length, verdict);
      }),
    );
  });
});

describe('failureOfBody', () => {
  test('an error in place of content', () => {
    const of = (text: string): unknown => failureOfBody(Buffer.from(text));
    const error = { type: 'overloaded_error', message: 'Overloaded' };
    expect(of(JSON.stringify({ type: 'error', error }))).toMatchObject({ status: 529, form: 'typed' });
    expect(of(JSON.stringify({ error: { ...error, type: 'x' } }))).toMatchObject({
      status: 502,
      form: 'plain',
    });
    expect(of('{"detail":"Not Found"}')).toMatchObject({ form: 'bare' });
    const input = { error: 'none' };
    expect(of(JSON.stringify({ type: 'message', content: [{ type: 'tool_use', input }] }))).toBeNull();
    expect(of('{"type":"message","content":[],"error":null}')).toBeNull();
    expect(of('{}')).toBeNull();
  });
});

describe('usageOfBody', () => {
  test('of a whole answer', () => {
    expect(usageOfBody(Buffer.from(' {"usage":{"input_tokens":4,"output_tokens":2}} '))).toMatchObject({
      uncachedInput: 4,
      output: 2,
    });
  });

  test('none, null, broken', () => {
    for (const text of ['{}', '{"usage":null}', '{"usage":', 'null', '"usage"'])
      expect(usageOfBody(Buffer.from(text))).toBeNull();
  });
});
