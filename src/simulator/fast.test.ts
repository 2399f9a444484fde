import { describe, expect, test } from 'bun:test';
import {
  ask,
  askClaude,
  type Body,
  chunksOf,
  eventsOf,
  namedEventsOf,
  post,
  postMessages,
  rawPost,
  until,
  withSimulator,
} from './testing/client.ts';

/** Names and types of all fields, values left out. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shapeOf(member)]));
}

const MODELS = ['gpt-4o', 'gpt-5.6-sol', 'deepseek-chat', 'some/"quoted" model'];

describe('fast answers have the shape of full ones', () => {
  for (const model of MODELS) {
    const bodies: Body[] = [
      ask('hello', { model }),
      ask('hello [[sim:chunks=3]]', { model, stream: true, stream_options: { include_obfuscation: false } }),
      ask('hello [[sim:chunks=3]][[sim:interval=1]][[sim:delay=2]]', {
        model,
        stream: true,
        stream_options: { include_usage: true, include_obfuscation: false },
      }),
    ];
    test(model, () =>
      withSimulator({}, (full) =>
        withSimulator({ fast: true }, async (fast) => {
          for (const body of bodies) {
            const [fullResponse, fastResponse] = await Promise.all([post(full, body), post(fast, body)]);
            const [fullText, fastText] = await Promise.all([fullResponse.text(), fastResponse.text()]);
            if (body['stream'] === true) {
              expect(eventsOf(fastText).map(shapeOf)).toEqual(eventsOf(fullText).map(shapeOf));
              expect(eventsOf(fastText).at(-1)).toBe('[DONE]');
            } else {
              expect(shapeOf(JSON.parse(fastText))).toEqual(shapeOf(JSON.parse(fullText)));
              expect(JSON.parse(fastText)).toMatchObject({ model });
            }
            expect(fastResponse.headers.get('content-type')).toBe(fullResponse.headers.get('content-type'));
            expect(fastResponse.headers.get('x-sim-upstream-ms')).not.toBeNull();
          }
          expect(fast.stats()).toMatchObject({ received: bodies.length, inFlight: 0, aborted: 0 });
        }),
      ),
    );
  }
});

test('messages: fast answers have the shape of full ones, and the same rules at the door', () =>
  withSimulator({}, (full) =>
    withSimulator({ fast: true }, async (fast) => {
      for (const text of ['hello', '[[sim:chunks=3]]', '[[sim:chunks=3]][[sim:interval=1]][[sim:delay=2]]']) {
        const body = askClaude(text);
        const [fullWhole, fastWhole] = await Promise.all(
          [full, fast].map(async (one) => (await (await postMessages(one, body)).json()) as Body),
        );
        expect(shapeOf(fastWhole)).toEqual(shapeOf(fullWhole));
        const [fullEvents = [], fastEvents = []] = await Promise.all(
          [full, fast].map(async (one) =>
            namedEventsOf(await (await postMessages(one, { ...body, stream: true })).text()),
          ),
        );
        const names = ({ name, data }: (typeof fullEvents)[number]): unknown => [name, shapeOf(data)];
        const isWord = ({ name }: (typeof fullEvents)[number]): boolean => name === 'content_block_delta';
        expect(fastEvents.filter((event) => !isWord(event)).map(names)).toEqual(
          fullEvents.filter((event) => !isWord(event)).map(names),
        );
        expect(fastEvents.filter(isWord).map(names)[0]).toEqual(fullEvents.filter(isWord).map(names)[0]);
        expect(fastEvents.filter(isWord).length).toBe(text === 'hello' ? 13 : 3);
        const start = fastEvents[0]?.data['message'] as Body;
        expect(start).toMatchObject({ model: 'claude-sonnet-4-5' });
        const bytes = Buffer.byteLength(JSON.stringify({ ...body, stream: true }));
        expect((start['usage'] as Body)['input_tokens']).toBe(bytes >> 2);
      }
      const status = async (body: Body, headers: Record<string, string | null>): Promise<number> =>
        (await postMessages(fast, body, headers)).status;
      expect(await status(askClaude('hello'), { 'x-api-key': null })).toBe(401);
      expect(await status(askClaude('hello'), { 'anthropic-version': null })).toBe(400);
      expect(await status(askClaude('[[sim:status=529]]'), {})).toBe(529);
      expect(fast.stats().bill['claude-sonnet-4-5']).toMatchObject({ requests: 6, outputTokens: 96 });
    }),
  ));

test('messages: a stamp tells when each event was sent', () =>
  withSimulator({ fast: true }, async (simulator) => {
    for (const interval of ['', '[[sim:interval=2]]']) {
      const body = askClaude(`[[sim:chunks=5]]${interval}[[sim:stamp=1]]`, { stream: true });
      const text = await (await postMessages(simulator, body)).text();
      const stamps = [...text.matchAll(/"text":"@(\d{16}) /g)].map(([, digits]) => Number(digits));
      expect(stamps.length).toBe(5);
      expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
    }
  }));

test('ids and token counts are filled in', () =>
  withSimulator({ fast: true }, async (simulator) => {
    const answer = async (text: string): Promise<Record<string, unknown>> =>
      (await (await post(simulator, ask(text))).json()) as Record<string, unknown>;
    const [first, second] = await Promise.all([answer('a'), answer('b'.repeat(100))]);
    expect(first['id']).not.toBe(second['id']);
    expect(first).toEqual(await answer('a'));
    const body = JSON.stringify(ask('b'.repeat(100)));
    expect(second['usage']).toMatchObject({
      prompt_tokens: body.length >> 2,
      completion_tokens: 16,
      total_tokens: (body.length >> 2) + 16,
    });
    expect(simulator.stats().bill['gpt-4o']?.outputTokens).toBe(48);
  }));

test('reads stream and model whatever the spelling, and is not misled by texts', () =>
  withSimulator({ fast: true }, async (simulator) => {
    const isStream = async (body: string): Promise<boolean> =>
      (await (await post(simulator, body)).text()).startsWith('data: ');
    const messages = '"messages":[{"role":"user","content":"\\"stream\\":true, \\"model\\":\\"x\\""}]';
    expect(await isStream(`{"model":"m",${messages}}`)).toBe(false);
    expect(await isStream(`{${messages}, "stream" : true , "model" : "m"}`)).toBe(true);
    expect(
      await isStream(`{"tools":[{"stream":{"type":"boolean"}}],${messages},"stream":false,"model":"m"}`),
    ).toBe(false);
    expect(Object.keys(simulator.stats().bill)).toEqual(['m']);
  }));

test('other directives and bad requests go the full way', () =>
  withSimulator({ fast: true }, async (simulator) => {
    expect((await post(simulator, ask('[[sim:status=503]]'))).status).toBe(503);
    expect((await post(simulator, ask('x'), { headers: { authorization: '' } })).status).toBe(401);
    expect((await post(simulator, '{')).status).toBe(400);
    const sized = await (await post(simulator, ask('[[sim:size=5000]]'))).text();
    expect(sized.length).toBeGreaterThan(5000);
    const long = await (await post(simulator, ask('[[sim:chunks=5000]]', { stream: true }))).text();
    expect(chunksOf(long).length).toBe(5002);
  }));

test('who leaves during a delay or a stream is counted', () =>
  withSimulator({ fast: true }, async (simulator) => {
    for (const [index, text] of ['[[sim:delay=20000]]', '[[sim:chunks=9]][[sim:interval=20000]]'].entries()) {
      const socket = await rawPost(simulator, ask(text, { stream: true }));
      await until(() => simulator.stats().inFlight === 1);
      socket.destroy();
      await until(() => simulator.stats().aborted === index + 1);
    }
    expect(simulator.stats().inFlight).toBe(0);
  }));

test('hundreds of streams at once', () =>
  withSimulator({ fast: true }, async (simulator) => {
    const body = ask('[[sim:chunks=5]][[sim:interval=2]]', { stream: true });
    const texts = await Promise.all(
      Array.from({ length: 200 }, async () => (await post(simulator, body)).text()),
    );
    for (const text of texts) expect(eventsOf(text).length).toBe(8);
    expect(simulator.stats()).toMatchObject({ received: 200, inFlight: 0, aborted: 0 });
  }));
