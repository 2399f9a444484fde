import { describe, expect, test } from 'bun:test';
import {
  askClaude,
  type Body,
  drain,
  type NamedEvent,
  namedEventsOf,
  postMessages,
  rawPost,
  until,
  withSimulator,
} from './testing/client.ts';
import type { Simulator } from './server.ts';

interface Message {
  readonly id: string;
  readonly content: readonly Body[];
  readonly stop_reason: string;
  readonly stop_sequence: string | null;
  readonly usage: {
    readonly input_tokens: number;
    readonly output_tokens: number;
    readonly output_tokens_details?: { readonly thinking_tokens: number };
  };
}

const whole = async (response: Promise<Response>): Promise<Message> =>
  (await (await response).json()) as Message;
const streamed = async (simulator: Simulator, body: Body): Promise<NamedEvent[]> =>
  namedEventsOf(await (await postMessages(simulator, { ...body, stream: true })).text());

const TOOL = {
  name: 'get_weather',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const NO_ARGUMENTS = { name: 'now', input_schema: { type: 'object', properties: {} } };
const THINKING = { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 };

const deltaOf = ({ data }: NamedEvent): Body => (data['delta'] ?? {}) as Body;

/** A stream in short: names of events, and of deltas where there are some; what repeats stands once. */
const outline = (events: readonly NamedEvent[]): string[] =>
  events
    .map((event) => (event.name === 'content_block_delta' ? String(deltaOf(event)['type']) : event.name))
    .filter((name, index, all) => name !== all[index - 1]);

/** The blocks a client puts together from a stream. */
function assembled(events: readonly NamedEvent[]): Body[] {
  const blocks: Record<string, unknown>[] = [];
  let json = '';
  for (const event of events) {
    const index = Number(event.data['index']);
    const delta = deltaOf(event);
    if (event.name === 'content_block_start') {
      expect(index).toBe(blocks.length);
      blocks.push({ ...(event.data['content_block'] as Body) });
      json = '';
    } else if (event.name === 'content_block_delta') {
      const block = blocks[index]!;
      if (delta['type'] === 'input_json_delta') json += String(delta['partial_json']);
      else if (delta['type'] === 'signature_delta') block['signature'] = delta['signature'];
      else {
        const name = delta['type'] === 'text_delta' ? 'text' : 'thinking';
        block[name] = String(block[name]) + String(delta[name]);
      }
    } else if (event.name === 'content_block_stop' && blocks[index]?.['type'] === 'tool_use') {
      blocks[index]['input'] = JSON.parse(json === '' ? '{}' : json);
    }
  }
  return blocks;
}

describe('who is let in', () => {
  const failure = async (
    simulator: Simulator,
    headers: Record<string, string | null>,
  ): Promise<unknown[]> => {
    const response = await postMessages(simulator, askClaude('hello'), headers);
    if (response.status === 200) return [200];
    const { error } = (await response.json()) as { readonly error: Body };
    return [response.status, error['type'], error['message']];
  };

  test('x-api-key or Bearer, and a version', () =>
    withSimulator({}, async (simulator) => {
      expect(await failure(simulator, {})).toEqual([200]);
      const bearer = { 'x-api-key': null, authorization: 'Bearer sk-ant-test' };
      expect(await failure(simulator, bearer)).toEqual([200]);
      const none = [401, 'authentication_error', 'x-api-key header is required'];
      expect(await failure(simulator, { 'x-api-key': null })).toEqual(none);
      expect(await failure(simulator, { 'x-api-key': null, authorization: 'Bearer ' })).toEqual(none);
      expect(await failure(simulator, { 'anthropic-version': null })).toEqual([
        400,
        'invalid_request_error',
        'anthropic-version: header is required',
      ]);
      expect((await failure(simulator, { 'anthropic-version': '2030-01-01' }))[0]).toBe(400);
      expect(await failure(simulator, { 'anthropic-version': '2026-10-21' })).toEqual([200]);
    }));

  test('beta headers are kept with the request', () =>
    withSimulator({ record: true }, async (simulator) => {
      await postMessages(simulator, askClaude('hello'), { 'anthropic-beta': 'a-2026-01-01,b-2026-01-01' });
      const [request] = simulator.requests();
      expect(request?.path).toBe('/v1/messages');
      expect(request?.headers.get('anthropic-beta')).toBe('a-2026-01-01,b-2026-01-01');
      expect(simulator.bodies().length).toBe(1);
    }));
});

describe('errors', () => {
  test('have the shape of the vendor, and an id that the header repeats', () =>
    withSimulator({}, async (simulator) => {
      const kinds: Record<number, string> = {
        400: 'invalid_request_error',
        401: 'authentication_error',
        402: 'billing_error',
        403: 'permission_error',
        404: 'not_found_error',
        413: 'request_too_large',
        429: 'rate_limit_error',
        500: 'api_error',
        504: 'timeout_error',
        529: 'overloaded_error',
      };
      for (const [status, type] of Object.entries(kinds)) {
        const response = await postMessages(simulator, askClaude(`[[sim:status=${status}]]`));
        expect(response.status).toBe(Number(status));
        const id = response.headers.get('request-id')!;
        expect(id).toStartWith('req_');
        expect(await response.json()).toEqual({
          type: 'error',
          error: { type, message: `simulated failure ${status}` },
          request_id: id,
        });
        expect(response.headers.get('retry-after')).toBe(status === '429' || status === '529' ? '1' : null);
      }
      expect(simulator.stats().bill).toEqual({});
    }));

  test('of the body and of the path too', () =>
    withSimulator({}, async (simulator) => {
      const error = async (response: Promise<Response>): Promise<unknown[]> => {
        const { status, headers } = await response;
        const { error } = (await (await response).json()) as { readonly error: Body };
        expect(status === 405 || headers.get('request-id') !== null).toBe(true);
        return [status, error['type']];
      };
      expect(await error(postMessages(simulator, '{'))).toEqual([400, 'invalid_request_error']);
      expect(await error(postMessages(simulator, '[]'))).toEqual([400, 'invalid_request_error']);
      expect(await error(postMessages(simulator, askClaude('', { model: 'gpt-4o' })))).toEqual([
        404,
        'not_found_error',
      ]);
      expect(await error(fetch(`${simulator.url}/v1/messages`))).toEqual([405, 'invalid_request_error']);
      const long = askClaude('x'.repeat(900_000), { model: 'claude-haiku-4-5' });
      const response = await postMessages(simulator, long);
      expect(await response.text()).toContain('prompt is too long: 225003 tokens > 200000 maximum');
    }));

  test('a body that looks like an error is none', () =>
    withSimulator({}, async (simulator) => {
      const response = await postMessages(simulator, { status: 500, message: 'x' });
      expect(response.status).toBe(400);
    }));

  test('in the middle of a stream', () =>
    withSimulator({}, async (simulator) => {
      const events = await streamed(simulator, askClaude('[[sim:error=2]]'));
      expect(events.at(-1)).toMatchObject({
        name: 'error',
        data: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      });
      expect(outline(events)).toEqual([
        'message_start',
        'content_block_start',
        'ping',
        'text_delta',
        'error',
      ]);
    }));
});

describe('a whole answer', () => {
  test('text, limits and stop sequences', () =>
    withSimulator({}, async (simulator) => {
      const answer = (differences: Body): Promise<Message> =>
        whole(postMessages(simulator, askClaude('hello', differences)));
      const plain = await answer({});
      expect(plain).toMatchObject({
        type: 'message',
        role: 'assistant',
        stop_reason: 'end_turn',
        stop_sequence: null,
      });
      const full = String(plain.content[0]?.['text']);
      const cut = await answer({ max_tokens: 3 });
      expect([cut.stop_reason, cut.usage.output_tokens]).toEqual(['max_tokens', 3]);
      const stopped = await answer({ stop_sequences: ['nothing', 'plain'] });
      expect([stopped.stop_reason, stopped.stop_sequence]).toEqual(['stop_sequence', 'plain']);
      expect(stopped.content[0]?.['text']).toBe(full.slice(0, full.indexOf('plain')));
      expect((await answer({ stop_sequences: ['not in it'] })).stop_reason).toBe('end_turn');
      const warmed = await answer({ max_tokens: 0 });
      expect([warmed.content, warmed.stop_reason, warmed.usage.output_tokens]).toEqual([[], 'max_tokens', 0]);
      expect((await answer({ max_tokens: 0, model: 'claude-opus-5' })).content).toEqual([]);
    }));

  test('calls of tools, and an answer to their results', () =>
    withSimulator({}, async (simulator) => {
      const body = askClaude('get_weather for two [[sim:tools=2]]', { tools: [TOOL, NO_ARGUMENTS] });
      const asked = await whole(postMessages(simulator, body));
      expect(asked.stop_reason).toBe('tool_use');
      expect(asked.content).toMatchObject([
        { type: 'tool_use', name: 'get_weather', input: { city: 'city 0' } },
        { type: 'tool_use', name: 'get_weather', input: { city: 'city 1' } },
      ]);
      const ids = asked.content.map(({ id }) => String(id));
      for (const id of ids) expect(id).toMatch(/^toolu_[a-zA-Z0-9_-]+$/);
      const results = ids.map((id) => ({ type: 'tool_result', tool_use_id: id, content: `sunny ${id}` }));
      const messages = [
        ...(body['messages'] as Body[]),
        { role: 'assistant', content: asked.content },
        { role: 'user', content: results },
      ];
      const final = await whole(postMessages(simulator, { ...body, messages }));
      expect(final.stop_reason).toBe('end_turn');
      expect(String(final.content[0]?.['text'])).toContain('to 2 results#');
      const one = { ...body, tool_choice: { type: 'auto', disable_parallel_tool_use: true } };
      expect((await whole(postMessages(simulator, one))).content.length).toBe(1);
      const none = { ...body, tool_choice: { type: 'none' } };
      expect((await whole(postMessages(simulator, none))).stop_reason).toBe('end_turn');
    }));
});

describe('a stream', () => {
  const outlineOf = async (simulator: Simulator, body: Body): Promise<string[]> =>
    outline(await streamed(simulator, body));

  test('of text', () =>
    withSimulator({}, async (simulator) => {
      expect(await outlineOf(simulator, askClaude('hello'))).toEqual([
        'message_start',
        'content_block_start',
        'ping',
        'text_delta',
        'content_block_stop',
        'message_delta',
        'message_stop',
      ]);
    }));

  test('of thinking and text: the signature right before the end of the block', () =>
    withSimulator({}, async (simulator) => {
      const thinking = [
        'thinking_delta',
        'signature_delta',
        'content_block_stop',
        'content_block_start',
        'text_delta',
      ];
      expect(await outlineOf(simulator, askClaude('hello', THINKING))).toEqual([
        'message_start',
        'content_block_start',
        'ping',
        ...thinking,
        'content_block_stop',
        'message_delta',
        'message_stop',
      ]);
      const hidden = await streamed(simulator, askClaude('hello', { model: 'claude-opus-5' }));
      expect(outline(hidden)).not.toContain('thinking_delta');
      expect(assembled(hidden)[0]).toMatchObject({ type: 'thinking', thinking: '' });
    }));

  test('of calls: input in fragments, the first one empty', () =>
    withSimulator({}, async (simulator) => {
      const body = askClaude('get_weather [[sim:tools=2]][[sim:chunks=4]]', { tools: [TOOL] });
      const events = await streamed(simulator, body);
      const block = ['content_block_start', 'input_json_delta', 'content_block_stop'];
      expect(outline(events)).toEqual([
        'message_start',
        'ping',
        ...block,
        ...block,
        'message_delta',
        'message_stop',
      ]);
      const starts = events.filter(({ name }) => name === 'content_block_start');
      expect(starts.map(({ data }) => (data['content_block'] as Body)['input'])).toEqual([{}, {}]);
      const fragments = events
        .map((event) => deltaOf(event)['partial_json'])
        .filter((json) => json !== undefined);
      expect(fragments.length).toBe(10);
      expect([fragments[0], fragments[5]]).toEqual(['', '']);
      const bare = await streamed(simulator, askClaude('now', { tools: [NO_ARGUMENTS] }));
      expect(
        bare.map((event) => deltaOf(event)['partial_json']).filter((json) => json !== undefined),
      ).toEqual(['']);
      expect(bare.at(-1)?.name).toBe('message_stop');
    }));

  test('says what the whole answer says', () =>
    withSimulator({}, async (simulator) => {
      const bodies = [
        askClaude('hello'),
        askClaude('hello', THINKING),
        askClaude('hello', { model: 'claude-sonnet-5-5' }),
        askClaude('get_weather [[sim:tools=3]]', { tools: [TOOL, NO_ARGUMENTS], ...THINKING }),
        askClaude('hello', { stop_sequences: ['plain'] }),
        askClaude('hello', { max_tokens: 3 }),
      ];
      for (const body of bodies) {
        const message = await whole(postMessages(simulator, body));
        const events = await streamed(simulator, body);
        expect(assembled(events)).toEqual(message.content as Body[]);
        const { data } = events.find(({ name }) => name === 'message_delta')!;
        expect(data['delta']).toEqual({
          stop_reason: message.stop_reason,
          stop_sequence: message.stop_sequence,
          stop_details: null,
        });
        expect(message.usage).toMatchObject(data['usage'] as Body);
      }
    }));

  test('begins with the usage of the prompt, and ends with all of it', () =>
    withSimulator({}, async (simulator) => {
      const events = await streamed(simulator, askClaude('hello', THINKING));
      const { usage } = events[0]!.data['message'] as Message;
      expect(usage.input_tokens).toBeGreaterThan(0);
      expect(usage.output_tokens).toBe(1);
      const last = events.at(-2)?.data['usage'] as Message['usage'];
      expect(last.input_tokens).toBe(usage.input_tokens);
      expect(last.output_tokens).toBeGreaterThan(last.output_tokens_details!.thinking_tokens);
    }));

  test('pads its events with blanks that change nothing', () =>
    withSimulator({}, async (simulator) => {
      const text = await (await postMessages(simulator, askClaude('hello', { stream: true }))).text();
      expect(text).toMatch(/^data: \{.*[^ ] +\}$/m);
      expect(text).toContain('event: ping\ndata: {"type": "ping"}\n\n');
    }));

  test('keeps alive by pings, stamps, and ends where it is told to', () =>
    withSimulator({}, async (simulator) => {
      const alive = await streamed(simulator, askClaude('[[sim:keepalive=3]][[sim:delay=9]]'));
      expect(alive.slice(0, 4).map(({ name }) => name)).toEqual(['ping', 'ping', 'ping', 'message_start']);
      const stamped = await streamed(
        simulator,
        askClaude('[[sim:chunks=3]][[sim:interval=2]][[sim:stamp=1]]'),
      );
      const texts = stamped.map((event) => deltaOf(event)['text']).filter((text) => typeof text === 'string');
      expect(texts.length).toBe(3);
      for (const text of texts) expect(text).toMatch(/^@\d{16} /);
      const socket = await rawPost(simulator, askClaude('[[sim:break=2]]', { stream: true }), '/v1/messages');
      const { text } = await drain(socket);
      expect(text.match(/"text_delta"/g)?.length).toBe(2);
      expect(text).not.toContain('message_stop');
      await until(() => simulator.stats().inFlight === 0);
    }));
});
