import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { answerConversion } from '../dialects/answer-conversions.ts';
import { dialectOf } from '../dialects/registry.ts';
import type { DialectId } from '../providers/types.ts';
import { StreamRelay } from './stream-relay.ts';

const record = (text: string, tail: string): string =>
  `data: {"id":"c","choices":[{"index":0,"delta":{"content":${JSON.stringify(text)}},"finish_reason":null}]${tail}}\n\n`;
const TAILS = ['', ',"usage":null', ',"usage":null,"obfuscation":"abc"', ',"obfuscation":"x"'] as const;

/** What a client that asked for no usage gets of a record. */
const stripped = (text: string): string => text.replace(',"usage":null', '');

const event = fc.oneof(
  fc
    .tuple(fc.string({ maxLength: 300, unit: 'grapheme' }), fc.constantFrom(...TAILS))
    .map(([text, tail]) => record(text, tail)),
  fc.constantFrom(': keep-alive\n\n', 'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'),
);

test('property: however a stream is read, clients get the same bytes', () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 30 }),
      fc.array(fc.nat({ max: 6_000 }), { maxLength: 20 }),
      fc.array(fc.nat({ max: 6_000 }), { maxLength: 20 }),
      (events, reads, pieces) => {
        const whole = Buffer.from(`${events.join('')}data: [DONE]\n\n`);
        const expected = `${events
          .filter((one) => !one.includes('"choices":[]'))
          .map(stripped)
          .join('')}data: [DONE]\n\n`;
        const taken: Uint8Array[] = [];
        const chat = dialectOf('openai-chat');
        const relay = new StreamRelay({
          reader: chat.streamReader(true),
          clientDialect: chat,
          conversion: null,
          sink: { append: (bytes, start, end) => void taken.push(bytes.slice(start, end)) },
        });
        const cutsOf = (cuts: readonly number[]): number[] =>
          [...new Set([...cuts.filter((cut) => cut < whole.length), whole.length])].toSorted((a, b) => a - b);
        // A read of the socket holds several pieces of the body, as chunks do.
        let from = 0;
        for (const to of cutsOf(reads)) {
          const read = Buffer.from(whole.subarray(from, to));
          let start = from;
          for (const end of [...cutsOf(pieces).filter((cut) => cut > from && cut < to), to]) {
            relay.push(read, start - from, end - from);
            start = end;
          }
          from = to;
        }
        relay.end();
        const last = relay.lastBytes.slice(relay.lastStart, relay.lastEnd);
        // With it what came in the same read: one write for both.
        expect(Buffer.from(last).toString()).toEndWith('data: [DONE]\n\n');
        taken.push(last);
        expect(Buffer.concat(taken).toString()).toBe(expected);
        expect(relay.complete).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});

describe('a failure in a stream', () => {
  const CONTEXT = { model: 'm', usageRequested: true, nowS: 1, unique: 'u' };
  const HELLO = 'data: {"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n';

  function relayed(
    client: DialectId,
    vendor: DialectId,
    stream: string,
  ): { relay: StreamRelay; text: string } {
    let text = '';
    const relay = new StreamRelay({
      reader: dialectOf(vendor).streamReader(true),
      clientDialect: dialectOf(client),
      conversion: answerConversion(client, vendor)?.stream(CONTEXT) ?? null,
      sink: { append: (bytes, start, end) => void (text += Buffer.from(bytes).toString('utf8', start, end)) },
    });
    const bytes = Buffer.from(stream);
    relay.push(bytes, 0, bytes.length);
    relay.end();
    text += Buffer.from(relay.lastBytes).toString('utf8', relay.lastStart, relay.lastEnd);
    return { relay, text };
  }
  const chat = (stream: string): ReturnType<typeof relayed> => relayed('openai-chat', 'openai-chat', stream);

  test('passes as it came, and nothing behind it where it was all', () => {
    const error = 'data: {"error":{"message":"m","code":502}}\n\n';
    const behind = `: ping\n\n${HELLO}data: [DONE]\n\n`;
    for (const before of ['', HELLO, ': ping\n\n']) {
      const { relay, text } = chat(before + error + behind);
      expect(text).toBe(before === HELLO ? before + error + behind : before + error);
      expect([relay.complete, relay.over]).toEqual([true, true]);
    }
    const typed = 'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"m"}}\n\n';
    const { text } = relayed(
      'anthropic-messages',
      'anthropic-messages',
      `${typed}event: message_stop\ndata: {"type":"message_stop"}\n\n`,
    );
    expect(text).toBe(typed);
  });

  test('usage behind it is still read', () => {
    const { relay } = chat(
      'data: {"error":{"message":"m"}}\n\ndata: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":0}}\n\n',
    );
    expect(relay.usage).toMatchObject({ uncachedInput: 7, output: 0, estimated: false });
  });

  test('has said nothing only where no word came before it', () => {
    const error = 'data: {"error":{"message":"m"}}\n\n';
    expect(chat(error).relay.saidNothing).toBe(true);
    expect(chat(HELLO + error).relay.saidNothing).toBe(false);
    expect(chat(HELLO).relay.saidNothing).toBe(false);
  });

  test('that its clients would not know is told in their words', () => {
    const bare = 'data: {"object":"error","message":"no such model","code":404}\n\ndata: [DONE]\n\n';
    expect(chat(bare).text).toBe(
      'data: {"error":{"message":"The vendor answered with an error: no such model","type":"server_error","param":null,"code":"upstream_protocol"}}\n\n',
    );
    expect(relayed('anthropic-messages', 'openai-chat', bare).text).toStartWith(
      'event: error\ndata: {"type":"error"',
    );
    const plain = 'data: {"error":{"message":"m"}}\n\n';
    expect(relayed('anthropic-messages', 'anthropic-messages', plain).text).toStartWith('event: error\n');
    expect(relayed('openai-chat', 'anthropic-messages', plain).text).toContain('"message":"m"');
    expect(chat('data: {"detail":[{"msg":"m"}]}\n\n').text).toContain('an error that says nothing');
  });

  test('that speaks of the gateway’s own key is told without its words', () => {
    for (const [client, vendor] of [
      ['openai-chat', 'openai-chat'],
      ['openai-chat', 'anthropic-messages'],
      ['anthropic-messages', 'openai-chat'],
      ['anthropic-messages', 'anthropic-messages'],
    ] as const)
      for (const error of [
        { message: 'sk-secret', code: 401 },
        { message: 'sk-secret', code: '403' },
        { message: 'sk-secret', type: 'authentication_error' },
        { message: 'sk-secret', type: 'billing_error' },
        { message: 'sk-secret', code: 'invalid_api_key', type: 'invalid_request_error' },
      ]) {
        const { relay, text } = relayed(
          client,
          vendor,
          `data: ${JSON.stringify({ type: 'error', error })}\n\ndata: [DONE]\n\n`,
        );
        expect(text).not.toContain('secret');
        expect(text).toContain('upstream_credentials');
        expect(text.split('\n\n')).toHaveLength(2);
        expect(relay.failed).toBe(client !== vendor);
      }
  });
});
