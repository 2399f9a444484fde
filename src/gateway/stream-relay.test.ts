import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { dialectOf } from '../dialects/registry.ts';
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
        const relay = new StreamRelay(chat.streamReader(true), chat, null, {
          append: (bytes, start, end) => void taken.push(bytes.slice(start, end)),
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
        expect(Buffer.concat(taken).toString()).toBe(expected);
        expect(relay.complete).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});
