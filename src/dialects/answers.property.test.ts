import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, jsonValue, spell } from '../std/json/testing/arbitrary.ts';
import {
  CONTEXT,
  converted,
  dataOf,
  feed,
  heardOfChatStream,
  heardOfCompletion,
  heardOfMessagesStream,
  parsed,
  type Heard,
} from './testing/answers.ts';
import { chatOverMessagesAnswers } from './chat-over-messages/answers.ts';
import type { AnswerConversion } from './conversion.ts';
import { messagesOverChatAnswers } from './messages-over-chat/answers.ts';

/** A part of an answer. Arguments are the text of an object, spelled in any way. */
type Part =
  | { readonly kind: 'thinking' | 'text'; readonly text: string }
  | { readonly kind: 'call'; readonly id: string; readonly name: string; readonly arguments: string };

const words = jsonText.filter((text) => text !== '').map((text): string => text);
const argumentsText = fc
  .tuple(fc.array(fc.tuple(fc.string({ maxLength: 3 }), jsonValue), { maxLength: 3 }), fc.nat())
  .map(([entries, seed]) => {
    const unique = entries.filter(([key], index) => entries.findIndex(([one]) => one === key) === index);
    return spell({ kind: 'object', entries: unique }, choices(seed));
  });
const call = fc.record({
  kind: fc.constant('call' as const),
  id: fc.uuid(),
  name: fc.stringMatching(/^[a-z]{1,8}$/),
  arguments: argumentsText,
});
const said = fc.record({ kind: fc.constantFrom('thinking' as const, 'text' as const), text: words });
const parts: fc.Arbitrary<Part[]> = fc.array(fc.oneof(said, call), { maxLength: 6 });

const textsOf = (answer: readonly Part[], kind: 'thinking' | 'text'): string =>
  answer.map((part) => (part.kind === kind ? part.text : '')).join('');
const callsOf = (answer: readonly Part[]): Extract<Part, { kind: 'call' }>[] =>
  answer.filter((part) => part.kind === 'call');

/** What a client should hear, whichever way the answer came. */
const heardOf = (answer: readonly Part[]): Pick<Heard, 'thinking' | 'text' | 'calls'> => ({
  thinking: textsOf(answer, 'thinking'),
  text: textsOf(answer, 'text'),
  calls: callsOf(answer).map(({ id, name, arguments: text }) => ({ id, name, arguments: text })),
});

const body = (conversion: AnswerConversion, answer: string): string =>
  Buffer.from(conversion.body(Buffer.from(answer), CONTEXT)).toString();

const messageOf = (answer: readonly Part[]): string => {
  const content = answer.map((part) => {
    if (part.kind === 'call')
      return `{"type":"tool_use","id":"${part.id}","name":"${part.name}","input":${part.arguments}}`;
    return part.kind === 'text'
      ? JSON.stringify({ type: 'text', text: part.text })
      : JSON.stringify({ type: 'thinking', thinking: part.text, signature: 'sig' });
  });
  return `{"id":"msg_1","model":"m","content":[${content.join(',')}],"stop_reason":"end_turn","usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":3}}`;
};

const completionOf = (answer: readonly Part[]): string =>
  JSON.stringify({
    id: 'chatcmpl-1',
    model: 'm',
    choices: [
      {
        index: 0,
        message: {
          reasoning_content: textsOf(answer, 'thinking'),
          content: textsOf(answer, 'text'),
          tool_calls: callsOf(answer).map(({ id, name, arguments: text }) => ({
            id,
            type: 'function',
            function: { name, arguments: text },
          })),
        },
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 12, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 7 } },
  });

/** Cuts a text anywhere, surrogate pairs too; empty pieces among them. */
function pieces(text: string, pick: (below: number) => number): string[] {
  const out: string[] = [];
  for (let at = 0; at < text.length;) {
    const size = pick(5);
    out.push(text.slice(at, at + size));
    at += size;
  }
  return out;
}

function messagesStreamOf(answer: readonly Part[], seed: number): string[] {
  const pick = choices(seed);
  const out = [
    '{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1}}}',
  ];
  for (const [index, part] of answer.entries()) {
    const [start, member, type] =
      part.kind === 'call'
        ? [{ type: 'tool_use', id: part.id, name: part.name, input: {} }, 'partial_json', 'input_json_delta']
        : part.kind === 'text'
          ? [{ type: 'text', text: '' }, 'text', 'text_delta']
          : [{ type: 'thinking', thinking: '', signature: '' }, 'thinking', 'thinking_delta'];
    out.push(JSON.stringify({ type: 'content_block_start', index, content_block: start }));
    for (const piece of pieces(part.kind === 'call' ? part.arguments : part.text, pick)) {
      out.push(JSON.stringify({ type: 'content_block_delta', index, delta: { type, [member]: piece } }));
      if (pick(8) === 0) out.push('{"type":"ping"}');
    }
    out.push(JSON.stringify({ type: 'content_block_stop', index }));
  }
  out.push(
    '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}',
    '{"type":"message_stop"}',
  );
  return out;
}

/** A stream whose calls come in any order between each other, each in its own; texts as they stand. */
function chatStreamOf(answer: readonly Part[], seed: number, interleaved: boolean): string[] {
  const pick = choices(seed);
  const rows: object[][] = [];
  let calls = 0;
  for (const part of answer) {
    if (part.kind !== 'call') {
      const member = part.kind === 'text' ? 'content' : 'reasoning_content';
      rows.push(pieces(part.text, pick).map((piece) => ({ [member]: piece })));
      continue;
    }
    const index = calls++;
    rows.push([
      { tool_calls: [{ index, id: part.id, function: { name: part.name, arguments: '' } }] },
      ...pieces(part.arguments, pick).map((piece) => ({
        tool_calls: [{ index, function: { arguments: piece } }],
      })),
    ]);
  }
  const isText = (row: readonly object[] | undefined): boolean =>
    row?.[0] !== undefined && !('tool_calls' in row[0]);
  const deltas: object[] = [];
  while (rows.some((row) => row.length > 0)) {
    const waiting = rows.filter((row) => row.length > 0);
    // A text may not overtake another, nor the calls each other's beginning: nothing could tell.
    const open = waiting.findIndex((row) => isText(row) || 'id' in callIn(row[0]!));
    const from = interleaved ? waiting.slice(0, open < 0 ? waiting.length : open + 1) : waiting.slice(0, 1);
    deltas.push(from[pick(from.length)]!.shift()!);
  }
  return [
    ...deltas.map((delta) =>
      JSON.stringify({ id: 'chatcmpl-1', model: 'm', choices: [{ index: 0, delta }] }),
    ),
    '{"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    '{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":7}}}',
    '[DONE]',
  ];
}

const callIn = (delta: object): object => ((delta as { tool_calls?: object[] }).tool_calls ?? [{}])[0] ?? {};

const CHAT_USAGE = {
  prompt_tokens: 12,
  completion_tokens: 3,
  total_tokens: 15,
  prompt_tokens_details: { cached_tokens: 7, cache_write_tokens: 0 },
};
const MESSAGES_USAGE = { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 3 };
const ends = (answer: readonly Part[], withCalls: string, alone: string): string =>
  callsOf(answer).length > 0 ? withCalls : alone;

describe('answers lose nothing', () => {
  test('a whole Message as a Chat Completion', () => {
    fc.assert(
      fc.property(parts, (answer) => {
        const completion = JSON.parse(body(chatOverMessagesAnswers, messageOf(answer))) as Record<
          string,
          unknown
        >;
        expect(heardOfCompletion(completion)).toEqual({
          ...heardOf(answer),
          end: ends(answer, 'tool_calls', 'stop'),
          usage: CHAT_USAGE,
        });
      }),
      { numRuns: 300 },
    );
  });

  test('a Messages stream as a Chat Completions stream', () => {
    fc.assert(
      fc.property(parts, fc.nat(), (answer, seed) => {
        const out = converted(chatOverMessagesAnswers.stream(CONTEXT), messagesStreamOf(answer, seed));
        expect(heardOfChatStream(dataOf(out))).toEqual({
          ...heardOf(answer),
          end: ends(answer, 'tool_calls', 'stop'),
          usage: CHAT_USAGE,
        });
      }),
      { numRuns: 300 },
    );
  });

  test('a Chat Completions stream as a Messages stream, calls interleaved or not', () => {
    fc.assert(
      fc.property(parts, fc.nat(), fc.boolean(), (answer, seed, interleaved) => {
        const data = chatStreamOf(answer, seed, interleaved);
        const out = converted(messagesOverChatAnswers.stream(CONTEXT), data);
        const heard = heardOfMessagesStream(dataOf(out));
        expect(heard).toMatchObject({
          ...heardOf(answer),
          end: ends(answer, 'tool_use', 'end_turn'),
          usage: MESSAGES_USAGE,
        });
        expect(heard.calls).toEqual(heardOf(answer).calls);
        expectSequential(out);
      }),
      { numRuns: 300 },
    );
  });

  test('there and back: a Chat Completion as a Message and as a Chat Completion again', () => {
    fc.assert(
      fc.property(parts, (answer) => {
        const message = body(messagesOverChatAnswers, completionOf(answer));
        for (const one of callsOf(answer)) expect(message).toContain(`"input":${one.arguments}`);
        const back = JSON.parse(body(chatOverMessagesAnswers, message)) as Record<string, unknown>;
        const given = heardOfCompletion(JSON.parse(completionOf(answer)) as Record<string, unknown>);
        expect(heardOfCompletion(back)).toEqual({
          ...given,
          end: ends(answer, 'tool_calls', 'stop'),
          usage: CHAT_USAGE,
        });
      }),
      { numRuns: 300 },
    );
  });

  test('there and back, streamed', () => {
    fc.assert(
      fc.property(parts, fc.nat(), (answer, seed) => {
        const chat = converted(chatOverMessagesAnswers.stream(CONTEXT), messagesStreamOf(answer, seed));
        const back = converted(messagesOverChatAnswers.stream(CONTEXT), dataOf(chat));
        expect(heardOfMessagesStream(dataOf(back))).toMatchObject(heardOf(answer));
      }),
      { numRuns: 100 },
    );
  });
});

describe('streams of any kind', () => {
  const conversions = [
    ['Messages', chatOverMessagesAnswers, messagesStreamOf],
    [
      'Chat Completions',
      messagesOverChatAnswers,
      (answer: Part[], seed: number) => chatStreamOf(answer, seed, true),
    ],
  ] as const;

  test.each(conversions)(
    '%s: cut, doubled, reordered, damaged: told or failed, never thrown',
    (_, conversion, write) => {
      const damage = fc.array(
        fc.tuple(fc.constantFrom('drop', 'double', 'swap', 'cut', 'byte', 'noise'), fc.nat(), fc.nat()),
        { maxLength: 6 },
      );
      fc.assert(
        fc.property(parts, fc.nat(), damage, fc.string(), (answer, seed, steps, noise) => {
          const data = write(answer, seed);
          for (const [kind, where, how] of steps) spoil(data, kind, where, how, noise);
          const stream = conversion.stream(CONTEXT);
          let out = feed(stream, data);
          const failed = stream.failed;
          const rest = stream.end();
          if (failed) expect(rest).toBe('');
          out += rest;
          // Whatever was told is records, each on its own lines, and ends as such.
          expect(out === '' || out.endsWith('\n\n')).toBe(true);
          const events = parsed(dataOf(out));
          const errors = events.filter((event) => 'error' in event);
          expect(errors.length).toBe(stream.failed ? 1 : 0);
          if (stream.failed) expect('error' in events.at(-1)!).toBe(true);
          expect(stream.end()).toBe('');
          if (conversion === messagesOverChatAnswers && !stream.failed) expectSequential(out);
        }),
        { numRuns: 500 },
      );
    },
  );
});

function spoil(data: string[], kind: string, where: number, how: number, noise: string): void {
  if (data.length === 0) return;
  const at = where % data.length;
  const one = data[at]!;
  const inner = one.length === 0 ? 0 : how % one.length;
  if (kind === 'drop') data.splice(at, 1);
  else if (kind === 'double') data.splice(at, 0, one);
  else if (kind === 'swap') [data[at], data[how % data.length]] = [data[how % data.length]!, one];
  else if (kind === 'cut') data[at] = one.slice(0, inner);
  else if (kind === 'byte') data[at] = one.slice(0, inner) + noise.slice(0, 1) + one.slice(inner + 1);
  else data.splice(at, 0, noise);
}

/** Strictly one block after the other, indices from 0. */
function expectSequential(out: string): void {
  let open = -1;
  let next = 0;
  for (const event of parsed(dataOf(out))) {
    if (event['type'] === 'content_block_start') {
      expect([open, event['index']]).toEqual([-1, next]);
      open = next++;
    } else if (event['type'] === 'content_block_delta') expect(event['index']).toBe(open);
    else if (event['type'] === 'content_block_stop') {
      expect(event['index']).toBe(open);
      open = -1;
    }
  }
  expect(open).toBe(-1);
}
