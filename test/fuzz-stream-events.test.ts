import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Json, Way } from './support/anthropic.ts';
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
  event,
  inputDelta,
  MESSAGE_END,
  MESSAGE_START,
  MESSAGES_STREAM,
  middleOf,
  SAID,
  spaced,
  textDelta,
  toolStart,
  within,
} from './support/sample-streams.ts';
import {
  bytesOf,
  CHAT_ON_CLAUDE,
  CHAT_ON_GPT,
  expectUnharmed,
  joined,
  MESSAGES_ON_CLAUDE,
  MESSAGES_ON_GPT,
  startScriptedStage,
  whole,
  WITH_USAGE,
  type Got,
  type ScriptedStage,
} from './support/scripted-stream.ts';
import { readStream, type Told } from './support/stream-reader.ts';

let stage: ScriptedStage;

beforeAll(async () => {
  stage = await startScriptedStage();
});
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
});

/** A vendor's dialect: the client that speaks it, and the one that does not. */
interface Vendor {
  readonly stream: readonly string[];
  readonly same: Way;
  readonly other: Way;
}
const OPENAI: Vendor = { stream: CHAT_STREAM, same: CHAT_ON_GPT, other: MESSAGES_ON_GPT };
const ANTHROPIC: Vendor = { stream: MESSAGES_STREAM, same: MESSAGES_ON_CLAUDE, other: CHAT_ON_CLAUDE };

const usageOf = (way: Way): Json => (way.path.endsWith('/messages') ? {} : WITH_USAGE);
const play = (way: Way, records: readonly string[] | Uint8Array): Promise<Got> =>
  stage.play(way, whole(records), usageOf(way));

/** A client of the vendor's own dialect gets every byte. */
async function expectSame(vendor: Vendor, sent: Uint8Array, wanted = sent): Promise<void> {
  const { status, broken, bytes } = await play(vendor.same, sent);
  expect({ status, broken }).toEqual({ status: 200, broken: false });
  if (bytes !== Buffer.from(wanted).toString('latin1'))
    expect(bytes.slice(0, 5_000)).toBe(Buffer.from(wanted).toString('latin1').slice(0, 5_000));
}

/** What a client of the other dialect is told, in a stream that is sound. */
async function toldOf(vendor: Vendor, sent: readonly string[] | Uint8Array): Promise<Told> {
  const { status, broken, text } = await play(vendor.other, sent);
  expect({ status, broken }).toEqual({ status: 200, broken: false });
  return readStream(vendor.other.path, text);
}

const WELL = { ...SAID, error: null, complete: true };
const TWO_CALLS = {
  ...WELL,
  thinking: '',
  text: '',
  calls: [
    { id: 'a1chance00', name: 'f', arguments: '{}' },
    { id: 'b1chance00', name: 'g', arguments: '{"x":1}' },
  ],
};

describe.each([
  ['OpenAI', OPENAI],
  ['Anthropic', ANTHROPIC],
] as const)('odd but harmless, of %s', (_, vendor) => {
  const { stream } = vendor;
  const long = 'é'.repeat(300_000);
  const harmless: readonly (readonly [string, readonly string[]])[] = [
    ['comments', within(stream, ': keep-alive\n\n', ':\n\n', ': a\n: b\n\n')],
    ['a comment within a record', stream.map((record) => `: why\n${record}`)],
    ['fields of no meaning', stream.map((record) => `id: 7\nretry: 100\nsurprise\n${record}`)],
    ['CRLF', [stream.join('').replaceAll('\n', '\r\n')]],
    ['CR', [stream.join('').replaceAll('\n', '\r')]],
    [
      'all three line ends',
      stream.map((record, index) => record.replaceAll('\n', ['\n', '\r\n', '\r'][index % 3]!)),
    ],
    ['no space behind the colon', stream.map((record) => record.replace('data: ', 'data:'))],
    ['empty data', within(stream, 'data:\n\n', 'data\n\n', 'data: \n\n', 'event: x\ndata:\n\n')],
    ['blank lines', ['\n\n', ...within(stream, '\n\n\n')]],
    ['data over several lines', stream.map((record) => record.replace('{"', '{\ndata: "'))],
    ['a word that is no JSON', within(stream, 'data: keep-alive\n\n')],
    ['no object', within(stream, 'data: []\n\n', 'data: 1\n\n', 'data: null\n\n', 'data: "x"\n\n')],
    ['an empty object', within(stream, 'data: {}\n\n')],
    ['an event of an unknown type', within(stream, event('surprise', { index: 1, delta: { text: 'no' } }))],
    ['a very long record that nobody knows', within(stream, event('surprise', { long }))],
    ['a name without data', within(stream, 'event: content_block_delta\n\n')],
    ['pings', within(stream, event('ping'), event('ping'))],
    ['spaces as Python writes them', stream.map(spaced)],
    [
      'a member that is not known',
      stream.map((record) => record.replace('{"', '{"error_free":{"error":1},"')),
    ],
    ['no error', stream.map((record) => record.replace(/\}\n\n$/, ',"error":null}\n\n'))],
    ['no error, at first', stream.map((record) => record.replace('data: {', 'data: {"error":null,'))],
  ];
  test.each(harmless)('%s', async (_, records) => {
    await expectSame(vendor, bytesOf(records.join('')));
    expect(await toldOf(vendor, records)).toMatchObject(WELL);
  });

  test('a byte order mark at the start is no part of the stream', async () => {
    const sent = bytesOf(`\ufeff${stream.join('')}`);
    await expectSame(vendor, sent, bytesOf(stream.join('')));
    expect(await toldOf(vendor, sent)).toMatchObject(WELL);
  });

  test('a very long record', async () => {
    const records = stream.map((record) => record.replace('Grüße', long));
    await expectSame(vendor, bytesOf(records.join('')));
    const told = await toldOf(vendor, records);
    expect(told.text === SAID.text.replace('Grüße', long)).toBe(true);
  });

  test('bytes that are no UTF-8 reach a client of the same dialect as they came', async () => {
    const sent = Buffer.from(stream.join(''));
    sent[sent.indexOf('Gr') + 2] = 0xff;
    await expectSame(vendor, sent);
    // In the other dialect it is what decoders make of them, or a failure; in any case sound.
    const told = await toldOf(vendor, sent);
    if (told.error === null) expect(told.text).toBe(SAID.text.replace('ü', '\ufffd\ufffd'));
    else expect(told).toMatchObject({ complete: false, error: { code: 'upstream_protocol' } });
  });
});

/** Records, and what a client of the other dialect is told. */
type Case = readonly [string, readonly string[], Partial<Told>];
const expectCase = async (vendor: Vendor, records: readonly string[], told: Partial<Told>): Promise<void> => {
  await expectSame(vendor, bytesOf(records.join('')));
  expect(await toldOf(vendor, records)).toMatchObject(told);
};

describe('odd, of OpenAI', () => {
  const spoiled = (...more: string[]): string[] => within(CHAT_STREAM, ...more);
  const cases: readonly Case[] = [
    ['an event of Anthropic', spoiled(textDelta(0, 'no'), event('message_stop'), MESSAGE_START), WELL],
    ['[DONE] twice, and more behind it', [...CHAT_STREAM, CHAT_DONE, chatText('no'), CHAT_DONE], WELL],
    [
      'indices of calls that jump',
      [
        CHAT_ROLE,
        callStart(7, 'a1chance00', 'f', '{}'),
        callStart(3, 'b1chance00', 'g', '{"x":1}'),
        ...CHAT_END,
      ],
      TWO_CALLS,
    ],
    [
      'deltas of wrong types',
      spoiled(
        chatRecord({ content: 1, reasoning_content: [], tool_calls: {} }),
        chatRecord({ tool_calls: [null, 1, 'x'] }),
        'data: {"choices":{}}\n\n',
        'data: {"choices":[null]}\n\n',
        'data: {"choices":[{"index":0,"delta":"no"}]}\n\n',
        'data: {"choices":[{"index":1,"delta":{"content":"no"}}]}\n\n',
        'data: {"choices":[],"usage":"no"}\n\n',
      ),
      WELL,
    ],
  ];
  test.each(cases)('%s', (_, records, told) => expectCase(OPENAI, records, told));
});

describe('odd, of Anthropic', () => {
  const spoiled = (...more: string[]): string[] => within(MESSAGES_STREAM, ...more);
  const cases: readonly Case[] = [
    ['a record of OpenAI', spoiled(chatText('no'), callMore(0, 'no')), WELL],
    ['[DONE] in the middle', spoiled(CHAT_DONE), WELL],
    [
      'more behind message_stop',
      [...MESSAGES_STREAM, event('ping'), textDelta(1, 'no'), ...MESSAGE_END, event('error', { error: {} })],
      WELL,
    ],
    ['the input of a block that is none of a tool', spoiled(inputDelta(1, 'no'), inputDelta(77, 'no')), WELL],
    ['a stop of a block that was never started', spoiled(blockStop(55)), WELL],
    [
      'text of a block that was never started',
      [MESSAGE_START, textDelta(4, 'all '), textDelta(4, 'the same'), ...MESSAGE_END],
      { ...WELL, thinking: '', text: 'all the same', calls: [] },
    ],
    [
      'indices of blocks that jump',
      [
        MESSAGE_START,
        toolStart(9, 'a1chance00', 'f'),
        inputDelta(9, '{}'),
        blockStop(9),
        toolStart(4, 'b1chance00', 'g'),
        inputDelta(4, '{"x":1}'),
        blockStop(4),
        ...MESSAGE_END,
      ],
      TWO_CALLS,
    ],
    [
      'deltas of wrong types',
      spoiled(
        blockDelta(1, { type: 'text_delta', text: 1 }),
        blockDelta(1, { type: 'surprise', text: 'no' }),
        blockDelta(1, { type: 7 }),
        event('content_block_delta', { index: 'one', delta: 'no' }),
        event('content_block_delta'),
        event('message_delta', { delta: null, usage: 'no' }),
      ),
      WELL,
    ],
    [
      'blocks of a server tool',
      spoiled(
        blockStart(30, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
        inputDelta(30, '{"q":1}'),
        blockStop(30),
        blockStart(31, { type: 'web_search_tool_result', tool_use_id: 's', content: [] }),
        blockStop(31),
      ),
      WELL,
    ],
  ];
  test.each(cases)('%s', (_, records, told) => expectCase(ANTHROPIC, records, told));
});

/** Records, what a client of the other dialect is told of the failure, and the text before it. */
type Failing = readonly [
  string,
  readonly string[],
  string,
  { readonly type: string; readonly code?: string },
];
const HALF = 'Grüße ';

async function expectFailing(
  vendor: Vendor,
  records: readonly string[],
  text: string,
  error: { readonly type: string; readonly code?: string },
): Promise<void> {
  // Its own clients see what it is; nothing is added to it.
  await expectSame(vendor, bytesOf(records.join('')));
  for (const sent of [records, records.slice(0, middleOf(records) + 1)]) {
    const told = await toldOf(vendor, sent);
    expect(told.text.replace(/[\ud83d\ufffd]$/, '')).toBe(text);
    expect(told).toMatchObject({ complete: false, finish: null, error });
  }
}

describe('a failure in the middle, of OpenAI', () => {
  const PROTOCOL = { type: 'api_error', code: 'upstream_protocol' };
  const error = (members: object): string => `data: ${JSON.stringify({ error: members })}\n\n`;
  const spoiled = (...more: string[]): string[] => within(CHAT_STREAM, ...more);
  test.each<Failing>([
    ['JSON that is cut', spoiled('data: {"choices":[{"del\n\n'), HALF, PROTOCOL],
    ['two records in one', spoiled(`data: {}{}\n\n`), HALF, PROTOCOL],
    [
      'its error',
      spoiled(error({ message: 'm', type: 'server_error', code: null })),
      HALF,
      { type: 'api_error' },
    ],
    [
      'its overload, and more behind it',
      spoiled(error({ message: 'm', type: 'server_error', code: 'server_is_overloaded' }), error({})),
      HALF,
      { type: 'overloaded_error', code: 'server_is_overloaded' },
    ],
    ['an error that is a text', spoiled('data: {"error":"no more"}\n\n'), HALF, { type: 'api_error' }],
    [
      'a reason that is none',
      spoiled(chatRecord({}, 'aborted')),
      HALF,
      { type: 'api_error', code: 'upstream_closed' },
    ],
  ])('%s', (_, records, text, told) => expectFailing(OPENAI, records, text, told));
});

describe('a failure in the middle, of Anthropic', () => {
  const PROTOCOL = { type: 'server_error', code: 'upstream_protocol' };
  const error = (type: string): string => event('error', { error: { type, message: 'm' } });
  const spoiled = (...more: string[]): string[] => within(MESSAGES_STREAM, ...more);
  test.each<Failing>([
    ['JSON that is cut', spoiled('event: x\ndata: {"type":"con\n\n'), HALF, PROTOCOL],
    ['its error', spoiled(error('api_error')), HALF, { type: 'server_error' }],
    [
      'its overload, and more behind it',
      spoiled(error('overloaded_error'), error('api_error')),
      HALF,
      { type: 'server_error', code: 'server_is_overloaded' },
    ],
    [
      'an error without a name',
      spoiled('data: {"error":{"type":"rate_limit_error","message":"m"}}\n\n'),
      HALF,
      { type: 'rate_limit_error' },
    ],
    ['a second beginning', spoiled(MESSAGE_START), HALF, PROTOCOL],
  ])('%s', (_, records, text, told) => expectFailing(ANTHROPIC, records, text, told));
});

describe('a stream that tells nothing', () => {
  const PROTOCOL = { complete: false, text: '', error: { code: 'upstream_protocol' } };
  const CLOSED = { complete: false, text: '', error: { code: 'upstream_closed' } };

  test('none', async () => {
    for (const vendor of [OPENAI, ANTHROPIC])
      for (const records of [
        [],
        ['\n\n'],
        [': hello\n\n'],
        ['data: {}\n\n'],
        ['data: {"error":null,"x":1}\n\n'],
      ]) {
        expect(await toldOf(vendor, records)).toMatchObject(CLOSED);
        const { text } = await play(vendor.same, records);
        expect(text).toContain('upstream_closed');
      }
  });

  test('its end only', async () => {
    expect(await toldOf(OPENAI, [CHAT_DONE])).toMatchObject(PROTOCOL);
    expect(await toldOf(ANTHROPIC, [event('message_stop')])).toMatchObject(PROTOCOL);
  });

  test('a record larger than the gateway holds', async () => {
    const large = Buffer.alloc(17 * 1024 * 1024, 0x61);
    for (const [vendor, way] of [
      [OPENAI, CHAT_ON_GPT],
      [ANTHROPIC, CHAT_ON_CLAUDE],
    ] as const) {
      const before = vendor.stream.slice(0, middleOf(vendor.stream)).join('');
      const { text } = await play(way, joined(bytesOf(`${before}data: {"`), large, bytesOf('"}\n\n')));
      const told = readStream(way.path, text);
      expect(told).toMatchObject({ complete: false, error: { code: 'upstream_protocol' } });
      expect(told.text).toStartWith(HALF);
      expect(text.length).toBeLessThan(10_000);
    }
  });

  // No record says `null` for what it has: a server that always writes the member has not failed.
  test('a cut is seen where every record says that there is no error', async () => {
    const records = CHAT_STREAM.slice(0, 5).map((record) =>
      record.replace('data: {', 'data: {"error":null,').replace(',"usage":null', ''),
    );
    const { text } = await play(CHAT_ON_GPT, records);
    expect(text.startsWith(records.join(''))).toBe(true);
    expect(text).toContain('upstream_closed');
  });
});

test('usage that was not asked for is left out however it is spelled', async () => {
  const sent = CHAT_STREAM.map(spaced);
  const { text } = await stage.play(CHAT_ON_GPT, whole(sent));
  expect(text).not.toContain('usage');
  expect(readStream(CHAT_ON_GPT.path, text)).toMatchObject({ ...WELL, usage: null });
  const kept = sent.filter((record) => !record.includes('prompt_tokens'));
  expect(text).toBe(kept.join('').replaceAll(', "usage": null', ''));
});

test('and the gateway is as it was', () => expectUnharmed(stage));
