import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, jsonValue, spell } from '../src/std/json/testing/arbitrary.ts';
import {
  blockDelta,
  blockStart,
  blockStop,
  callMore,
  callStart,
  CHAT_DONE,
  CHAT_END,
  CHAT_ROLE,
  CHAT_STREAM,
  chatRecord,
  chatText,
  chatUsage,
  event,
  inputDelta,
  MESSAGE_END,
  MESSAGE_START,
  MESSAGES_STREAM,
  SAID,
  textDelta,
  textStart,
  toolStart,
  within,
} from './support/sample-streams.ts';
import {
  bytesOf,
  CHAT_ON_CLAUDE,
  CHAT_ON_GPT,
  chunkOf,
  expectUnharmed,
  HEAD,
  inParallel,
  joined,
  LAST_CHUNK,
  MESSAGES_ON_CLAUDE,
  MESSAGES_ON_GPT,
  startScriptedStage,
  whole,
  WITH_USAGE,
  type Script,
  type ScriptedStage,
} from './support/scripted-stream.ts';
import { readChat, readMessages, undated, type Told } from './support/stream-reader.ts';

let stage: ScriptedStage;

beforeAll(async () => {
  stage = await startScriptedStage();
});
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
});

const WELL = { ...SAID, error: null, complete: true };

/** What an Anthropic client is told of OpenAI's records, and an OpenAI client of Anthropic's. */
const asMessages = async (records: readonly string[]): Promise<Told> =>
  readMessages((await stage.play(MESSAGES_ON_GPT, whole(records))).text);
const asChat = async (records: readonly string[]): Promise<Told> =>
  readChat((await stage.play(CHAT_ON_CLAUDE, whole(records), WITH_USAGE)).text);

describe('what is interleaved is told whole', () => {
  const THINKING = chatRecord({ reasoning_content: SAID.thinking });
  const A = ['{"ort":"Kö', 'ln \\u00e9 ', '🌧"}'] as const;
  const B = ['{"n":', '1.0,"2"', ':[]}'] as const;
  const calls = (...records: string[]): string[] => [
    CHAT_ROLE,
    THINKING,
    chatText(SAID.text),
    ...records,
    ...CHAT_END,
  ];

  test.each([
    [
      'calls of OpenAI by turns',
      calls(
        callStart(0, 'call_a1chance00', 'look'),
        callStart(1, 'call_b1chance00', 'find'),
        ...[0, 1, 2].flatMap((at) => [callMore(1, B[at]!), callMore(0, A[at]!)]),
      ),
    ],
    [
      'two calls of OpenAI in one record',
      calls(
        ...[0, 1, 2].map((at) =>
          chatRecord({
            tool_calls: [
              {
                index: 0,
                ...(at === 0 ? { id: 'call_a1chance00', type: 'function' } : {}),
                function: { ...(at === 0 ? { name: 'look' } : {}), arguments: A[at]! },
              },
              {
                index: 1,
                ...(at === 0 ? { id: 'call_b1chance00', type: 'function' } : {}),
                function: { ...(at === 0 ? { name: 'find' } : {}), arguments: B[at]! },
              },
            ],
          }),
        ),
      ),
    ],
    [
      'text and thinking of OpenAI within its calls',
      [
        CHAT_ROLE,
        callStart(0, 'call_a1chance00', 'look', A[0]),
        THINKING,
        callStart(1, 'call_b1chance00', 'find', B[0]),
        chatText(SAID.text.slice(0, 3)),
        callMore(0, A[1]),
        callMore(1, B[1] + B[2]),
        chatText(SAID.text.slice(3)),
        callMore(0, A[2]),
        ...CHAT_END,
      ],
    ],
  ])('%s', async (_, records) => {
    expect(await asMessages(records)).toMatchObject({ ...WELL, finish: 'tool_use' });
  });

  test('blocks of Anthropic by turns', async () => {
    const told = await asChat([
      MESSAGE_START,
      blockStart(0, { type: 'thinking', thinking: '', signature: '' }),
      textStart(1),
      toolStart(2, 'call_a1chance00', 'look'),
      toolStart(3, 'call_b1chance00', 'find'),
      ...[0, 1, 2].flatMap((at) => [
        inputDelta(3, B[at]!),
        textDelta(1, SAID.text.slice(3 * at, at === 2 ? undefined : 3 * at + 3)),
        inputDelta(2, A[at]!),
        event('ping'),
        blockDelta(0, {
          type: 'thinking_delta',
          thinking: SAID.thinking.slice(3 * at, at === 2 ? undefined : 3 * at + 3),
        }),
      ]),
      blockDelta(0, { type: 'signature_delta', signature: 'c2ln' }),
      ...[3, 1, 0, 2].map(blockStop),
      ...MESSAGE_END,
    ]);
    expect(told).toMatchObject({ ...WELL, signature: 'c2ln', finish: 'tool_calls' });
  });
});

const OPENAI_WAYS = [CHAT_ON_GPT, MESSAGES_ON_GPT];
const ANTHROPIC_WAYS = [MESSAGES_ON_CLAUDE, CHAT_ON_CLAUDE];

test('followers get what the leader gets of a stream that is odd or fails', async () => {
  const odd = [
    [OPENAI_WAYS, within(CHAT_STREAM, 'data: {"choices":[{"del\n\n')],
    [OPENAI_WAYS, within(CHAT_STREAM, ': x\n\n', textDelta(0, 'no'), 'data:\n\n')],
    [
      ANTHROPIC_WAYS,
      within(MESSAGES_STREAM, event('error', { error: { type: 'overloaded_error', message: 'm' } })),
    ],
    [ANTHROPIC_WAYS, within(MESSAGES_STREAM, event('ping'), CHAT_DONE)],
  ] as const;
  await inParallel(odd, async ([ways, records]) => {
    for (const way of ways) {
      const chunks = records.map((record) => chunkOf(bytesOf(record)));
      const all = await stage.share(way, { writes: [HEAD, ...chunks, LAST_CHUNK] }, 5);
      expect(all.filter(({ role }) => role === 'follower')).toHaveLength(4);
      expect(new Set(all.map(({ bytes }) => undated(bytes))).size).toBe(1);
    }
  });
});

/** A part of an answer; calls carry the text of an object, spelled in any way. */
type Part =
  | { readonly kind: 'thinking' | 'text'; readonly text: string }
  | { readonly kind: 'call'; readonly id: string; readonly name: string; readonly text: string };

const objectText = fc
  .tuple(
    fc.uniqueArray(fc.tuple(fc.string({ maxLength: 3 }), jsonValue), {
      maxLength: 3,
      selector: ([key]) => key,
    }),
    fc.nat(),
  )
  .map(([entries, seed]) => spell({ kind: 'object', entries }, choices(seed)));
const parts: fc.Arbitrary<Part[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom('thinking' as const, 'text' as const),
      text: jsonText.filter((text) => text !== ''),
    }),
    fc.record({
      kind: fc.constant('call' as const),
      id: fc.uuid(),
      name: fc.stringMatching(/^[a-z]{1,8}$/),
      text: fc.oneof(objectText, fc.constant('{}')),
    }),
  ),
  { maxLength: 6 },
);

type Pick = (below: number) => number;

/** Cuts a text anywhere, surrogate pairs too; empty pieces among them. */
function pieces(text: string, pick: Pick): string[] {
  const out: string[] = [];
  for (let at = 0; at < text.length;) {
    const size = pick(9);
    out.push(text.slice(at, at + size));
    at += size;
  }
  return out;
}

/**
 * Records of several parts by turns. A text is not overtaken by what begins behind it, nor one call's beginning by
 * another's: nothing could tell what came first.
 */
function byTurns(answer: readonly Part[], rows: readonly string[][], pick: Pick): string[] {
  const left = rows.map((records, index) => ({
    records: [...records],
    text: answer[index]!.kind !== 'call',
    begun: false,
  }));
  const out: string[] = [];
  for (;;) {
    const waiting = left.filter(({ records }) => records.length > 0);
    if (waiting.length === 0) return out;
    const stop = waiting.findIndex(({ begun, text }) => text || !begun);
    const row = waiting[pick(stop < 0 ? waiting.length : stop + 1)]!;
    row.begun = true;
    out.push(row.records.shift()!);
  }
}

function chatRecords(answer: readonly Part[], pick: Pick): string[] {
  let calls = 0;
  const rows = answer.map((part) => {
    const split = pieces(part.text, pick);
    if (part.kind === 'text') return split.map(chatText);
    if (part.kind !== 'call') return split.map((piece) => chatRecord({ reasoning_content: piece }));
    const index = calls++;
    return [callStart(index, part.id, part.name), ...split.map((piece) => callMore(index, piece))];
  });
  return [
    CHAT_ROLE,
    ...byTurns(answer, rows, pick).flatMap((record) => (pick(9) === 0 ? [': alive\n\n', record] : [record])),
    chatRecord({}, calls > 0 ? 'tool_calls' : 'stop'),
    chatUsage({ prompt_tokens: 12, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 7 } }),
    CHAT_DONE,
  ];
}

function messagesRecords(answer: readonly Part[], pick: Pick): string[] {
  const rows = answer.map((part, index) => {
    const split = pieces(part.text, pick);
    if (part.kind === 'text')
      return [textStart(index), ...split.map((piece) => textDelta(index, piece)), blockStop(index)];
    if (part.kind === 'call')
      return [
        toolStart(index, part.id, part.name),
        ...split.map((piece) => inputDelta(index, piece)),
        blockStop(index),
      ];
    return [
      blockStart(index, { type: 'thinking', thinking: '', signature: '' }),
      ...split.map((thinking) => blockDelta(index, { type: 'thinking_delta', thinking })),
      blockDelta(index, { type: 'signature_delta', signature: `s${index}.` }),
      blockStop(index),
    ];
  });
  return [
    MESSAGE_START,
    ...byTurns(answer, rows, pick).flatMap((record) => (pick(9) === 0 ? [event('ping'), record] : [record])),
    event('message_delta', {
      delta: { stop_reason: answer.some(({ kind }) => kind === 'call') ? 'tool_use' : 'end_turn' },
      usage: { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 3 },
    }),
    event('message_stop'),
  ];
}

/** In chunks and writes of any size. */
function written(records: readonly string[], pick: Pick): Script {
  const bytes = bytesOf(records.join(''));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + pick(pick(2) === 0 ? 20 : 2_000);
    chunks.push(chunkOf(bytes.subarray(at, at + size)));
    at += size;
  }
  const wire = joined(...chunks, LAST_CHUNK);
  const writes: Uint8Array[] = [HEAD];
  for (let at = 0; at < wire.length;) {
    const size = 1 + pick(pick(2) === 0 ? 50 : 3_000);
    writes.push(wire.subarray(at, at + size));
    at += size;
  }
  return { writes };
}

/** What any client should hear of it. */
function meaningOf(answer: readonly Part[]): Partial<Told> {
  const all = (kind: 'text' | 'thinking'): string =>
    answer.map((part) => (part.kind === kind ? part.text : '')).join('');
  return {
    text: all('text'),
    thinking: all('thinking'),
    calls: answer.flatMap((part) =>
      part.kind === 'call' ? [{ id: part.id, name: part.name, arguments: part.text }] : [],
    ),
    complete: true,
    error: null,
  };
}

test('any answer, in any pieces: every client hears what the vendor said', async () => {
  const cases = fc.sample(fc.tuple(parts, fc.nat()), { numRuns: 150, seed: 20_261_124 });
  await inParallel(
    cases,
    async ([answer, seed]) => {
      const pick = choices(seed);
      const chat = chatRecords(answer, pick);
      const messages = messagesRecords(answer, pick);
      const hasCalls = answer.some(({ kind }) => kind === 'call');
      const [sameChat, otherMessages, sameMessages, otherChat] = await Promise.all([
        stage.play(CHAT_ON_GPT, written(chat, pick), WITH_USAGE),
        stage.play(MESSAGES_ON_GPT, written(chat, pick)),
        stage.play(MESSAGES_ON_CLAUDE, written(messages, pick)),
        stage.play(CHAT_ON_CLAUDE, written(messages, pick), WITH_USAGE),
      ]);
      const said = `seed ${seed}, ${JSON.stringify(answer)}`;
      const got = {
        said,
        sameChat: sameChat.text === chat.join(''),
        sameMessages: sameMessages.text === messages.join(''),
        otherMessages: readMessages(otherMessages.text),
        otherChat: readChat(otherChat.text),
      };
      const meaning = meaningOf(answer);
      expect(got).toMatchObject({
        said,
        sameChat: true,
        sameMessages: true,
        otherMessages: {
          ...meaning,
          finish: hasCalls ? 'tool_use' : 'end_turn',
          usage: { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 3 },
        },
        otherChat: {
          ...meaning,
          finish: hasCalls ? 'tool_calls' : 'stop',
          signature: answer.map(({ kind }, index) => (kind === 'thinking' ? `s${index}.` : '')).join(''),
          usage: { prompt_tokens: 12, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 7 } },
        },
      });
    },
    12,
  );
});

test('and the gateway is as it was', () => expectUnharmed(stage));
