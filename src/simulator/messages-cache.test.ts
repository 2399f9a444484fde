import { describe, expect, test } from 'bun:test';
import { askClaude, type Body, postMessages, withSimulator } from './testing/client.ts';

interface Message {
  readonly usage: {
    readonly input_tokens: number;
    readonly cache_creation_input_tokens: number;
    readonly cache_read_input_tokens: number;
    readonly cache_creation: {
      readonly ephemeral_5m_input_tokens: number;
      readonly ephemeral_1h_input_tokens: number;
    };
  };
}

const whole = async (response: Promise<Response>): Promise<Message> =>
  (await (await response).json()) as Message;

const TOOL = {
  name: 'get_weather',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

describe('cache and bill', () => {
  const LONG = 'a long system prompt. '.repeat(400);
  const MARK = { cache_control: { type: 'ephemeral' } };
  const HOUR = { cache_control: { type: 'ephemeral', ttl: '1h' } };
  const system = (mark: Body): Body[] => [{ type: 'text', text: LONG, ...mark }];
  const counts = ({ usage }: Message): number[] => [
    usage.cache_read_input_tokens,
    usage.cache_creation.ephemeral_5m_input_tokens,
    usage.cache_creation.ephemeral_1h_input_tokens,
  ];

  test('writes, then reads, and counts only what follows the last mark as input', () =>
    withSimulator({}, async (simulator) => {
      const ask = (content: string, mark: Body): Promise<Message> =>
        whole(postMessages(simulator, askClaude(content, { system: system(mark) })));
      const first = await ask('one', MARK);
      const [read, written] = counts(first);
      expect(read).toBe(0);
      expect(written).toBeGreaterThan(2000);
      expect(first.usage.cache_creation_input_tokens).toBe(written!);
      expect(first.usage.input_tokens).toBeLessThan(10);
      expect(counts(await ask('two', MARK))).toEqual([written!, 0, 0]);
      expect(counts(await ask('two', {}))).toEqual([0, 0, 0]);
      simulator.advance(5 * 60_000 + 1);
      expect(counts(await ask('two', MARK))).toEqual([0, written!, 0]);
      const { usd, ...line } = simulator.stats().bill['claude-sonnet-4-5']!;
      expect(line).toMatchObject({
        cachedTokens: written!,
        writtenTokens: 2 * written!,
        writtenLongTokens: 0,
      });
      const cost =
        line.uncachedTokens * 3 +
        line.cachedTokens * 0.3 +
        line.writtenTokens * 3.75 +
        line.outputTokens * 15;
      expect(usd).toBeCloseTo(cost / 1e6, 12);
    }));

  test('bills writes for an hour at their own price', () =>
    withSimulator({}, async (simulator) => {
      const body = askClaude('one', { system: system(HOUR), ...MARK });
      const [, short, long] = counts(await whole(postMessages(simulator, body)));
      expect(long).toBeGreaterThan(2000);
      expect(short).toBeGreaterThan(0);
      const line = simulator.stats().bill['claude-sonnet-4-5']!;
      expect(line.writtenLongTokens).toBe(long!);
      const cost = line.uncachedTokens * 3 + short! * 3.75 + long! * 6 + line.outputTokens * 15;
      expect(line.usd).toBeCloseTo(cost / 1e6, 12);
    }));

  test('parallel requests all write; after the first one has begun to answer, they read', () =>
    withSimulator({}, async (simulator) => {
      const body = askClaude('[[sim:barrier=3]]', { system: system(MARK) });
      const all = await Promise.all([1, 2, 3].map(() => whole(postMessages(simulator, body))));
      for (const answer of all) expect(answer.usage.cache_read_input_tokens).toBe(0);
      const after = await whole(postMessages(simulator, askClaude('after', { system: system(MARK) })));
      expect(after.usage.cache_read_input_tokens).toBeGreaterThan(2000);
    }));

  test('accounts are apart, the same key in either header is the same', () =>
    withSimulator({}, async (simulator) => {
      const body = askClaude('one', { system: system(MARK) });
      const read = async (headers: Record<string, string | null>): Promise<boolean> =>
        (await whole(postMessages(simulator, body, headers))).usage.cache_read_input_tokens > 0;
      expect(await read({ 'x-api-key': 'a' })).toBe(false);
      expect(await read({ 'x-api-key': 'b' })).toBe(false);
      expect(await read({ 'x-api-key': null, authorization: 'Bearer a' })).toBe(true);
    }));

  test('an error writes nothing', () =>
    withSimulator({}, async (simulator) => {
      const body = askClaude('one', { system: system(MARK) });
      await postMessages(simulator, body, { 'x-sim-status': '529' });
      expect(counts(await whole(postMessages(simulator, body)))[0]).toBe(0);
    }));
});

describe('beside the messages', () => {
  const COUNT = '/v1/messages/count_tokens';

  test('tokens are counted as they are billed, free of charge', () =>
    withSimulator({}, async (simulator) => {
      const { max_tokens: _, ...body } = askClaude('hello', { system: 's', tools: [TOOL] });
      const counted = await postMessages(simulator, body, {}, COUNT);
      expect(counted.headers.get('request-id')).toStartWith('req_');
      const { input_tokens: tokens } = (await counted.json()) as { readonly input_tokens: number };
      expect(simulator.stats()).toMatchObject({ received: 0, bill: {} });
      const message = await whole(postMessages(simulator, { ...body, max_tokens: 10 }));
      expect(message.usage.input_tokens).toBe(tokens);
    }));

  test('counting refuses what a call does, and settings of the output', () =>
    withSimulator({}, async (simulator) => {
      const { max_tokens: _, ...body } = askClaude('hello');
      const status = async (
        differences: Body,
        headers: Record<string, string | null> = {},
      ): Promise<number> =>
        (await postMessages(simulator, { ...body, ...differences }, headers, COUNT)).status;
      expect(await status({})).toBe(200);
      expect(await status({ max_tokens: 10 })).toBe(400);
      expect(await status({ messages: [] })).toBe(400);
      expect(await status({ model: 'gpt-4o' })).toBe(404);
      expect(await status({}, { 'x-api-key': null })).toBe(401);
      expect(await status({}, { 'x-sim-status': '529' })).toBe(529);
    }));

  test('models, for whom sends a version', () =>
    withSimulator({}, async (simulator) => {
      const list = async (headers: Record<string, string>): Promise<Body> =>
        (await (await fetch(`${simulator.url}/v1/models`, { headers })).json()) as Body;
      const claude = await list({ 'x-api-key': 'k', 'anthropic-version': '2023-06-01' });
      expect(claude['has_more']).toBe(false);
      expect(claude['data']).toContainEqual(
        expect.objectContaining({
          type: 'model',
          id: 'claude-opus-4-8',
          display_name: 'Claude Opus 4.8',
          max_tokens: 128_000,
        }),
      );
      const others = await list({ authorization: 'Bearer k' });
      expect(JSON.stringify(others)).not.toContain('claude');
      expect(await list({ 'anthropic-version': '2023-06-01' })).toMatchObject({ type: 'error' });
    }));
});
