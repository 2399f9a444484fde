import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Json, Way } from './support/anthropic.ts';
import { settledUsd } from './support/money.ts';
import { CHAT_STREAM, MESSAGES_STREAM, SAID } from './support/sample-streams.ts';
import {
  bytesOf,
  CHAT_ON_CLAUDE,
  CHAT_ON_GPT,
  chunkOf,
  expectUnharmed,
  HEAD,
  HEAD_UNTIL_CLOSE,
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
import { readStream, undated } from './support/stream-reader.ts';

/** One of the four ways that a stream can go, and the stream. */
interface Route {
  readonly name: string;
  readonly way: Way;
  readonly records: readonly string[];
  readonly more: Json;
  /** The client gets the vendor's bytes. */
  readonly same: boolean;
}

const route = (way: Way, records: readonly string[], same: boolean, more: Json = {}, name = ''): Route => ({
  name: way.name + name,
  way,
  records,
  more,
  same,
});
const ROUTES: readonly Route[] = [
  route(CHAT_ON_GPT, CHAT_STREAM, true, WITH_USAGE),
  route(CHAT_ON_GPT, CHAT_STREAM, false, {}, ', usage not asked for'),
  route(MESSAGES_ON_GPT, CHAT_STREAM, false),
  route(MESSAGES_ON_CLAUDE, MESSAGES_STREAM, true),
  route(CHAT_ON_CLAUDE, MESSAGES_STREAM, false, WITH_USAGE),
];
const EACH = ROUTES.map((route) => [route.name, route] as const);

let stage: ScriptedStage;
let requests = 0;

beforeAll(async () => {
  stage = await startScriptedStage();
});
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
});

/** What a client of the route gets; a broken transfer or another status than 200 throws. */
async function get({ way, more }: Route, script: Script): Promise<string> {
  requests++;
  const { status, broken, text } = await stage.play(way, script, more);
  if (status !== 200 || broken) throw new Error(`${status}, ${broken ? 'broken' : 'whole'}: ${text}`);
  return undated(text);
}

/** A difference in thousands of cases is told by its case. */
function mustBe(got: string, wanted: string, what: string): void {
  if (got !== wanted) expect(`${what}: ${got}`).toBe(`${what}: ${wanted}`);
}

/** Every two records a chunk of their own, so that cuts meet chunk lines too. */
function wireOf(records: readonly string[]): Buffer {
  const chunks: Uint8Array[] = [HEAD];
  for (let at = 0; at < records.length; at += 2)
    chunks.push(chunkOf(bytesOf(records.slice(at, at + 2).join(''))));
  return joined(...chunks, LAST_CHUNK);
}

describe('a stream in pieces', () => {
  test.each(EACH)('%s: whole, it says what the vendor says', async (_, route) => {
    const got = await get(route, whole(route.records));
    if (route.same) expect(got).toBe(undated(route.records.join('')));
    const told = readStream(route.way.path, got);
    expect(told).toMatchObject({ ...SAID, error: null, complete: true });
    expect(told.finish).toBe(route.way.path.endsWith('/messages') ? 'tool_use' : 'tool_calls');
    if (route.way === MESSAGES_ON_CLAUDE || route.way === MESSAGES_ON_GPT)
      expect(told.usage).toMatchObject({
        input_tokens: 56,
        cache_read_input_tokens: 64,
        output_tokens: 30,
      });
    else if (route.more === WITH_USAGE)
      expect(told.usage).toMatchObject({
        prompt_tokens: 120,
        completion_tokens: 30,
        prompt_tokens_details: { cached_tokens: 64 },
      });
    else expect(got).not.toContain('usage');
  });

  test.each(EACH)('%s: cut in two at every byte', async (_, route) => {
    const wire = wireOf(route.records);
    const wanted = await get(route, whole(route.records));
    // The same bytes with nothing to cut out of them are the easier case.
    const step = route.more === WITH_USAGE && route.same ? 5 : 1;
    const cuts: number[] = [];
    for (let at = HEAD.length; at < wire.length; at += step) cuts.push(at);
    await inParallel(cuts, async (at) => {
      const writes = [wire.subarray(0, at), wire.subarray(at)];
      mustBe(await get(route, { writes }), wanted, `cut at ${at}`);
    });
  });

  test('a head cut in two at every byte', async () => {
    const [route] = ROUTES as [Route];
    const wire = wireOf(route.records);
    const wanted = await get(route, whole(route.records));
    const cuts = Array.from({ length: HEAD.length - 1 }, (_, index) => index + 1);
    await inParallel(cuts, async (at) => {
      const writes = [wire.subarray(0, at), wire.subarray(at)];
      mustBe(await get(route, { writes, waits: false }), wanted, `cut at ${at}`);
    });
  });

  test('byte by byte, and a leader and its followers get the same', async () => {
    await inParallel(ROUTES, async (route) => {
      const wanted = await get(route, whole(route.records));
      const bytes = [...wireOf(route.records)].map((byte) => Uint8Array.of(byte));
      mustBe(await get(route, { writes: bytes, waits: false }), wanted, 'byte by byte');
    });
    for (const route of ROUTES.filter(({ more }) => more !== WITH_USAGE)) {
      const wanted = await get(route, whole(route.records));
      const wire = wireOf(route.records);
      const first = wire.subarray(0, HEAD.length + 300);
      const rest = [...wire.subarray(first.length)].map((byte) => Uint8Array.of(byte));
      const before = stage.received();
      const all = await stage.share(route.way, { writes: [first, ...rest] }, 6);
      requests += 6;
      expect(all.filter(({ role }) => role === 'leader')).toHaveLength(1);
      expect(all.filter(({ role }) => role === 'follower')).toHaveLength(5);
      for (const { text } of all) mustBe(undated(text), wanted, 'shared');
      expect(stage.received()).toBe(before + 1);
    }
  });
});

/** What is left of a stream that its vendor cut. */
interface Cut {
  readonly sent: string;
  /** Records that came whole. */
  readonly records: number;
}

/** At every record's beginning, and where lines and halves of it end; a record whose data is whole counts. */
function cutsOf(records: readonly string[]): Cut[] {
  const cuts: Cut[] = [];
  for (const [index, record] of records.entries()) {
    const before = records.slice(0, index).join('');
    const data = record.indexOf('data: ');
    const inside = new Set([
      3,
      data - 1,
      data,
      data + 3,
      data + 6,
      data + 7,
      record.length >> 1,
      record.length - 3,
    ]);
    cuts.push({ sent: before, records: index });
    for (const at of inside)
      if (at > 0 && at < record.length - 2) cuts.push({ sent: before + record.slice(0, at), records: index });
    for (const missing of [2, 1])
      cuts.push({ sent: before + record.slice(0, record.length - missing), records: index + 1 });
  }
  cuts.push({ sent: records.join(''), records: records.length });
  return cuts;
}

/** Index of the record that says why the model stopped. */
const finishOf = (records: readonly string[]): number =>
  records.findIndex((record) => /"(finish|stop)_reason":"/.test(record));

const ENDINGS: readonly (readonly [string, boolean, (sent: Buffer, all: number) => Script])[] = [
  ['the transfer ends well', true, (sent) => whole(sent)],
  ['the connection is the end', true, (sent) => ({ writes: [HEAD_UNTIL_CLOSE, sent], leaving: 'close' })],
  [
    'no last chunk',
    false,
    (sent) => ({ writes: [HEAD, sent.length === 0 ? sent : chunkOf(sent)], leaving: 'close' }),
  ],
  [
    'in the middle of a chunk',
    false,
    (sent, all) => ({
      writes: [joined(HEAD, bytesOf(`${(all + 1).toString(16)}\r\n`), sent)],
      leaving: 'close',
    }),
  ],
];

const failureOf = (way: Way): object => ({
  type: way.path.endsWith('/messages') ? 'api_error' : 'server_error',
  code: 'upstream_closed',
});

describe.each(ENDINGS)('a stream that is cut: %s', (_, sound, write) => {
  test.each(EACH)('%s', async (_, route) => {
    const full = await get(route, whole(route.records));
    const text = route.records.join('');
    const all = bytesOf(text).length;
    const finish = finishOf(route.records);
    const cuts = cutsOf(route.records).filter(({ sent }) => sound || sent.length < text.length);
    await inParallel(cuts, async (cut) => {
      const { sent } = cut;
      // Without the end of the transfer it is not known whether a line without its end is whole.
      const records = sound || sent.endsWith('\n\n') || sent === '' ? cut.records : wholeRecords(sent);
      const got = await get(route, write(bytesOf(sent), all));
      const what = `behind ${records}: ${JSON.stringify(sent.slice(-60))}`;
      const told = readStream(route.way.path, got);
      // What came whole is told, before a failure and without one.
      const said = readStream(
        route.records === CHAT_STREAM ? '/chat' : '/messages',
        route.records.slice(0, records).join(''),
      );
      mustBe(
        JSON.stringify([told.text, told.thinking, told.calls]),
        JSON.stringify([said.text, said.thinking, said.calls]),
        what,
      );
      if (sound && records > finish) {
        if (told.error !== null) expect(what).toBe('no failure');
        if (route.same) mustBe(got, undated(route.records.slice(0, records).join('')), what);
        return;
      }
      if (told.complete) expect(what).toBe('not complete');
      expect(told.error).toEqual(failureOf(route.way) as never);
      const before = got.slice(0, got.lastIndexOf(route.way.path.endsWith('/messages') ? 'event:' : 'data:'));
      if (route.same) mustBe(before, undated(route.records.slice(0, records).join('')), what);
      else if (!full.startsWith(before)) mustBe(before, full, what);
    });
  });
});

const wholeRecords = (sent: string): number => sent.split('\n\n').length - 1;

describe('a stream that is cut', () => {
  const said = (route: Route): string[] => {
    const end = finishOf(route.records);
    return route.records.slice(0, end);
  };

  // How the vendor's connection goes down does not matter once it has said that this was all: an error behind
  // `message_stop` makes Anthropic's SDK throw away an answer that is whole.
  test.each(EACH)('%s: behind its last record nothing is missing', async (_, route) => {
    const full = await get(route, whole(route.records));
    const chunk = chunkOf(bytesOf(route.records.join('')));
    for (const leaving of ['close', 'reset'] as const)
      expect(await get(route, { writes: [joined(HEAD, chunk), new Uint8Array()], leaving })).toBe(full);
  });

  test.each(EACH)('%s: by a reset', async (_, route) => {
    const records = said(route);
    const full = await get(route, whole(route.records));
    await inParallel(
      Array.from({ length: 30 }, (_, at) => at),
      async () => {
        const chunks = records.map((record) => chunkOf(bytesOf(record)));
        const got = await get(route, { writes: [HEAD, ...chunks], leaving: 'reset' });
        const told = readStream(route.way.path, got);
        expect(told).toMatchObject({ complete: false, error: failureOf(route.way) });
        // A reset may overtake what was sent before it.
        const before = got.slice(
          0,
          got.lastIndexOf(route.way.path.endsWith('/messages') ? 'event:' : 'data:'),
        );
        if (!full.startsWith(before)) mustBe(before, full, 'reset');
      },
    );
  });

  test('leader and followers are told the same', async () => {
    for (const route of ROUTES.filter(({ more }) => more !== WITH_USAGE)) {
      const chunks = said(route).map((record) => chunkOf(bytesOf(record)));
      const all = await stage.share(route.way, { writes: [HEAD, ...chunks], leaving: 'close' }, 6);
      requests += 6;
      expect(all.filter(({ role }) => role === 'follower')).toHaveLength(5);
      expect(new Set(all.map(({ text }) => undated(text))).size).toBe(1);
      expect(readStream(route.way.path, all[0]!.text)).toMatchObject({
        ...SAID,
        error: failureOf(route.way),
      });
    }
  });

  test.each(EACH)('%s: is paid for by what came, and shown as no count of tokens', async (_, route) => {
    const { gateway, keyId } = stage;
    const spent = await settledUsd(gateway, keyId);
    const tokens = await gateway.metric('tokens_total');
    await inParallel([1, 2, 3, 4, 5], async () => {
      await get(route, whole(said(route)));
    });
    expect(await settledUsd(gateway, keyId)).toBeGreaterThan(spent);
    expect(await gateway.metric('tokens_total')).toBe(tokens);
    await get(route, whole(route.records));
    expect(await gateway.metric('tokens_total')).toBe(tokens + 56 + 64 + 30);
  });
});

test('and the gateway is as it was', async () => {
  await expectUnharmed(stage);
  expect(await stage.gateway.metric('requests_total')).toBe(requests);
});
