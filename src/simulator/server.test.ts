import { describe, expect, test } from 'bun:test';
import { ask, chunksOf, drain, eventsOf, post, rawPost, until, withSimulator } from './testing/client.ts';

interface Completion {
  readonly choices: readonly {
    readonly message: { readonly content: string; readonly reasoning_content?: string };
    readonly finish_reason: string;
  }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number; readonly cache_write_tokens?: number };
    readonly prompt_cache_hit_tokens?: number;
    readonly prompt_cache_miss_tokens?: number;
  };
}

const completion = async (response: Promise<Response>): Promise<Completion> =>
  (await (await response).json()) as Completion;
const AUTHORIZED = { headers: { authorization: 'Bearer x' } };

describe('routes', () => {
  test('models, stats, reset and what does not exist', () =>
    withSimulator({}, async (simulator) => {
      const get = (path: string, init: RequestInit = {}): Promise<Response> =>
        fetch(simulator.url + path, init);
      expect((await get('/v1/models')).status).toBe(401);
      const models = (await (await get('/models', AUTHORIZED)).json()) as {
        readonly data: { readonly id: string }[];
      };
      expect(models.data.map(({ id }) => id)).toContain('deepseek-flash');
      expect((await get('/nowhere')).status).toBe(404);
      expect((await get('/v1/chat/completions')).status).toBe(405);

      await post(simulator, ask('hello'));
      const stats = await (await get('/_sim/stats')).json();
      expect(stats).toEqual(simulator.stats());
      expect(stats).toMatchObject({ received: 1, inFlight: 0, maxInFlight: 1, aborted: 0 });
      expect(simulator.stats().bill['gpt-4o']?.requests).toBe(1);
      expect((await get('/_sim/reset', { method: 'POST' })).status).toBe(200);
      expect(simulator.stats()).toEqual({ received: 0, inFlight: 0, maxInFlight: 0, aborted: 0, bill: {} });
      expect((await get('/_sim/reset')).status).toBe(404);
      expect((await get('/_sim/clock', { method: 'POST', body: '{"advanceMs":-1}' })).status).toBe(400);
    }));

  test('both paths of a chat', () =>
    withSimulator({}, async (simulator) => {
      const body = JSON.stringify(ask('hello'));
      const answers = await Promise.all(
        ['/v1/chat/completions', '/chat/completions'].map(async (path) =>
          (await fetch(simulator.url + path, { method: 'POST', body, ...AUTHORIZED })).text(),
        ),
      );
      expect(answers[0]).toBe(answers[1]);
    }));

  test('bodies are recorded to the byte', () =>
    withSimulator({ record: true }, async (simulator) => {
      const body = ` ${JSON.stringify(ask('wörld'))}\n`;
      await post(simulator, body);
      expect(simulator.bodies().map((bytes) => Buffer.from(bytes).toString())).toEqual([body]);
    }));
});

test('instructions after the last message of a chat are not the last word', () =>
  withSimulator({}, async (simulator) => {
    const call = { id: 'call_1', type: 'function', function: { name: 'find', arguments: '{}' } };
    const finish = async (...messages: object[]): Promise<string | undefined> => {
      const parameters = { type: 'object', properties: {} };
      const tools = [{ type: 'function', function: { name: 'find', parameters } }];
      const body = ask('find it', { tools });
      const all = [...(body['messages'] as object[]), ...messages, { role: 'system', content: 'be brief' }];
      const [choice] = (await completion(post(simulator, { ...body, messages: all }))).choices;
      return `${choice?.finish_reason}: ${choice?.message.content}`;
    };
    expect(await finish()).toBe('tool_calls: null');
    const result = { role: 'tool', tool_call_id: 'call_1', content: 'found' };
    expect(await finish({ role: 'assistant', content: null, tool_calls: [call] }, result)).toContain(
      'to 1 results#',
    );
  }));

describe('errors', () => {
  test('have the shape and status of the vendor', () =>
    withSimulator({}, async (simulator) => {
      const error = async (
        body: object | string,
        headers: Record<string, string> = {},
      ): Promise<unknown[]> => {
        const response = await post(simulator, body as string, { headers });
        const { error } = (await response.json()) as { readonly error: Record<string, unknown> };
        expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
        return [response.status, error['type'], error['code'], response.headers.get('retry-after')];
      };
      expect(await error(ask(''), { authorization: '' })).toEqual([
        401,
        'invalid_request_error',
        'invalid_api_key',
        null,
      ]);
      expect(await error('{')).toEqual([400, 'invalid_request_error', 'invalid_json', null]);
      expect(await error('[]')).toEqual([400, 'invalid_request_error', 'invalid_json', null]);
      expect(await error({})).toEqual([400, 'invalid_request_error', 'missing_required_parameter', null]);
      expect(await error(ask('[[sim:status=429]]'))).toEqual([429, 'requests', 'rate_limit_exceeded', '1']);
      expect(await error(ask('', {}), { 'x-sim-status': '503' })).toEqual([
        503,
        'server_error',
        'server_is_overloaded',
        '1',
      ]);
      expect(await error(ask('[[sim:status=402]]', { model: 'deepseek-flash' }))).toEqual([
        402,
        'unknown_error',
        'invalid_request_error',
        null,
      ]);
      expect(simulator.stats().bill).toEqual({});
      expect(simulator.stats().inFlight).toBe(0);
    }));
});

describe('answers', () => {
  test('the same body gets the same bytes', () =>
    withSimulator({}, async (simulator) => {
      for (const stream of [false, true]) {
        const body = ask('hello', { stream, n: 2 });
        const [first, second] = await Promise.all(
          [1, 2].map(async () => (await post(simulator, body)).text()),
        );
        expect(first).toBe(second);
        expect(await (await post(simulator, ask('other', { stream, n: 2 }))).text()).not.toBe(first);
      }
    }));

  test('a stream says what the whole answer says', () =>
    withSimulator({}, async (simulator) => {
      for (const model of ['gpt-4o', 'deepseek-flash']) {
        const body = ask('hello [[sim:chunks=7]]', { model, n: 2 });
        const whole = await completion(post(simulator, body));
        const events = await (await post(simulator, { ...body, stream: true })).text();
        expect(events.endsWith('data: [DONE]\n\n')).toBe(true);
        for (const [index, choice] of whole.choices.entries()) {
          const deltas = chunksOf(events).flatMap((chunk) =>
            chunk.choices.filter((one) => one.index === index),
          );
          const pieces = deltas
            .map(({ delta }) => delta.content)
            .filter((piece) => piece !== '' && piece !== null);
          expect(pieces.filter((piece) => piece !== undefined).length).toBe(7);
          expect(pieces.join('')).toBe(choice.message.content);
          expect(deltas.map(({ delta }) => delta.reasoning_content ?? '').join('')).toBe(
            choice.message.reasoning_content ?? '',
          );
          expect(deltas.at(-1)?.finish_reason).toBe('stop');
        }
      }
    }));

  test('OpenAI: usage on a last chunk without choices, only where asked for', () =>
    withSimulator({}, async (simulator) => {
      const stream = async (options: object): Promise<ReturnType<typeof chunksOf>> =>
        chunksOf(await (await post(simulator, ask('hello', { stream: true, ...options }))).text());
      const plain = await stream({});
      expect(plain.some((chunk) => 'usage' in chunk)).toBe(false);
      const asked = await stream({ stream_options: { include_usage: true } });
      expect(asked.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
      expect(asked.at(-1)?.choices).toEqual([]);
      const whole = await completion(post(simulator, ask('hello')));
      expect(asked.at(-1)?.usage as unknown).toEqual(whole.usage);
      expect(
        asked.every((chunk) => chunk.object === 'chat.completion.chunk' && chunk.id === asked[0]?.id),
      ).toBe(true);
    }));

  test('DeepSeek: usage on the finish chunk, or trailing where a test asks for it', () =>
    withSimulator({}, async (simulator) => {
      const stream = async (text: string, options: object): Promise<ReturnType<typeof chunksOf>> =>
        chunksOf(
          await (
            await post(simulator, ask(text, { model: 'deepseek-flash', stream: true, ...options }))
          ).text(),
        );
      const telling = { stream_options: { include_usage: true } };
      const finish = await stream('hello', telling);
      expect(finish.at(-1)?.choices[0]?.finish_reason).toBe('stop');
      expect(finish.at(-1)?.usage).toMatchObject({ prompt_cache_hit_tokens: 0 });
      expect(finish.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
      const trailing = await stream('hello [[sim:trailing=1]]', telling);
      expect(trailing.at(-1)?.choices).toEqual([]);
      expect(trailing.at(-1)?.usage).toMatchObject({ prompt_cache_hit_tokens: 0 });
      expect((await stream('hello', {})).some((chunk) => 'usage' in chunk)).toBe(false);
    }));

  test('sizes, token limits and the length of the body', () =>
    withSimulator({}, async (simulator) => {
      const sized = await completion(post(simulator, ask('[[sim:size=100000]]')));
      expect(Buffer.byteLength(sized.choices[0]?.message.content ?? '')).toBe(100_000);
      const limited = await completion(post(simulator, ask('hello', { max_completion_tokens: 3 })));
      expect(limited.choices[0]?.finish_reason).toBe('length');
      expect(limited.usage.completion_tokens).toBe(3);
    }));
});

describe('caches and bill', () => {
  const LONG = 'a long system prompt. '.repeat(400);

  test('DeepSeek reports hits and misses, and bills them', () =>
    withSimulator({ now: () => Date.UTC(2026, 10, 23, 12) }, async (simulator) => {
      const body = ask(LONG, { model: 'deepseek-flash' });
      const first = (await completion(post(simulator, body))).usage;
      expect([first.prompt_cache_hit_tokens, first.prompt_cache_miss_tokens]).toEqual([
        0,
        first.prompt_tokens,
      ]);
      simulator.advance(5000);
      const second = (await completion(post(simulator, body))).usage;
      expect(second.prompt_cache_hit_tokens! % 64).toBe(0);
      expect(second.prompt_cache_hit_tokens).toBeGreaterThan(second.prompt_tokens - 128);
      expect(second.prompt_cache_hit_tokens! + second.prompt_cache_miss_tokens!).toBe(second.prompt_tokens);
      expect(second.prompt_tokens_details.cached_tokens).toBe(second.prompt_cache_hit_tokens!);
      const line = simulator.stats().bill['deepseek-flash']!;
      expect(line.cachedTokens).toBe(second.prompt_cache_hit_tokens!);
      const usd = (line.uncachedTokens * 0.15 + line.cachedTokens * 0.003 + line.outputTokens * 0.6) / 1e6;
      expect(line.usd).toBeCloseTo(usd, 12);
    }));

  test('the clock moves by HTTP too', () =>
    withSimulator({}, async (simulator) => {
      const body = ask(LONG, { model: 'deepseek-flash' });
      await post(simulator, body);
      await fetch(`${simulator.url}/_sim/clock`, { method: 'POST', body: '{"advanceMs":5000}' });
      expect((await completion(post(simulator, body))).usage.prompt_cache_hit_tokens).toBeGreaterThan(0);
    }));

  test('accounts are apart', () =>
    withSimulator({}, async (simulator) => {
      const cached = async (account: string): Promise<number> => {
        const answer = await completion(post(simulator, ask(LONG), { headers: { authorization: account } }));
        return answer.usage.prompt_tokens_details.cached_tokens;
      };
      expect(await cached('one')).toBe(0);
      expect(await cached('two')).toBe(0);
      expect(await cached('one')).toBeGreaterThan(1024);
    }));

  test('GPT-5.6 bills what it writes', () =>
    withSimulator({}, async (simulator) => {
      const details = async (): Promise<Completion['usage']['prompt_tokens_details']> =>
        (await completion(post(simulator, ask(LONG, { model: 'gpt-5.6-sol' })))).usage.prompt_tokens_details;
      const first = await details();
      expect(first.cached_tokens).toBe(0);
      expect(first.cache_write_tokens).toBeGreaterThan(2000);
      expect(await details()).toMatchObject({
        cached_tokens: first.cache_write_tokens!,
        cache_write_tokens: 0,
      });
      expect(simulator.stats().bill['gpt-5.6-sol']?.writtenTokens).toBe(first.cache_write_tokens);
    }));
});

describe('directives', () => {
  test('a barrier opens once enough wait, and none of them finds the others in the cache', () =>
    withSimulator({}, async (simulator) => {
      const body = ask(`${'x'.repeat(10_000)} [[sim:barrier=3]]`);
      const answers = [1, 2].map(() => completion(post(simulator, body)));
      await until(() => simulator.stats().inFlight === 2);
      answers.push(completion(post(simulator, body)));
      for (const answer of await Promise.all(answers)) {
        expect(answer.usage.prompt_tokens_details.cached_tokens).toBe(0);
      }
      expect(simulator.stats().maxInFlight).toBe(3);
    }));

  test('who leaves a barrier counts no more', () =>
    withSimulator({}, async (simulator) => {
      const gone = new AbortController();
      const body = ask('[[sim:barrier=2]]');
      const first = post(simulator, body, { signal: gone.signal }).catch(() => 'gone');
      await until(() => simulator.stats().inFlight === 1);
      gone.abort();
      expect(await first).toBe('gone');
      await until(() => simulator.stats().aborted === 1);
      const others = [1, 2].map(async () => (await post(simulator, body)).status);
      expect(await Promise.all(others)).toEqual([200, 200]);
    }));

  test('hold keeps an answer back until it is released, a stream after so many chunks', () =>
    withSimulator({}, async (simulator) => {
      for (const text of ['[[sim:hold=0]]', '[[sim:hold=3]]']) {
        let answered = false;
        const whole = completion(post(simulator, ask(text))).finally(() => {
          answered = true;
        });
        await until(() => simulator.stats().inFlight === 1);
        const other = await post(simulator, ask('not held'));
        await other.text();
        expect(answered).toBe(false);
        simulator.release();
        expect((await whole).choices).toHaveLength(1);
      }
      const response = await post(simulator, ask('[[sim:hold=2]] [[sim:chunks=4]]', { stream: true }));
      const decoder = new TextDecoder();
      let read = '';
      const reader = response.body!.getReader();
      // The role's chunk and two of content.
      while (chunksOf(read).length < 3) read += decoder.decode((await reader.read()).value, { stream: true });
      expect(chunksOf(read)).toHaveLength(3);
      expect(simulator.stats().inFlight).toBe(1);
      simulator.release();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        read += decoder.decode(value, { stream: true });
      }
      expect(chunksOf(read)).toHaveLength(6);
    }));

  test('who leaves while held is counted as gone', () =>
    withSimulator({}, async (simulator) => {
      for (const stream of [false, true]) {
        const gone = new AbortController();
        const before = simulator.stats().aborted;
        const held = post(simulator, ask('[[sim:hold=1]]', { stream }), { signal: gone.signal })
          .then((response) => response.text())
          .catch(() => 'gone');
        await until(() => simulator.stats().inFlight === 1);
        gone.abort();
        expect(await held).toBe('gone');
        await until(() => simulator.stats().aborted === before + 1);
        expect(simulator.stats().inFlight).toBe(0);
      }
    }));

  test('delay holds the head back and is told by the upstream time', () =>
    withSimulator({}, async (simulator) => {
      for (const stream of [false, true]) {
        const response = await post(simulator, ask('[[sim:delay=30]]', { stream }));
        expect(Number(response.headers.get('x-sim-upstream-ms'))).toBeGreaterThanOrEqual(30);
        await response.text();
      }
    }));

  test('interval sends the chunks one by one', () =>
    withSimulator({}, async (simulator) => {
      const response = await post(simulator, ask('[[sim:chunks=4]][[sim:interval=5]]', { stream: true }));
      const reads: string[] = [];
      const decoder = new TextDecoder();
      for await (const bytes of response.body!) reads.push(decoder.decode(bytes, { stream: true }));
      expect(reads.length).toBeGreaterThanOrEqual(4);
      expect(chunksOf(reads.join('')).length).toBe(6);
    }));

  test('stamp tells when each chunk was sent', async () => {
    const text = '[[sim:chunks=5]][[sim:interval=2]][[sim:stamp=1]]';
    for (const fast of [false, true]) {
      await withSimulator({ fast }, async (simulator) => {
        const start = Date.now() * 1000 - 2000;
        const events = await (await post(simulator, ask(text, { stream: true }))).text();
        const stamps = [...events.matchAll(/"content":"@(\d{16}) /g)].map(([, digits]) => Number(digits));
        expect(stamps.length).toBe(5);
        expect(stamps[0]).toBeGreaterThan(start);
        expect(stamps).toEqual([...new Set(stamps)].sort((a, b) => a - b));
      });
    }
  });

  test('keep-alives come before the answer', () =>
    withSimulator({}, async (simulator) => {
      const text = '[[sim:keepalive=3]][[sim:delay=9]]';
      const whole = await (await post(simulator, ask(text, { model: 'deepseek-flash' }))).text();
      expect(whole.startsWith('\n\n\n{')).toBe(true);
      expect(JSON.parse(whole)).toMatchObject({ object: 'chat.completion' });
      const stream = await (
        await post(simulator, ask(text, { model: 'deepseek-flash', stream: true }))
      ).text();
      expect(stream.startsWith(': keep-alive\n\n'.repeat(3))).toBe(true);
      expect(eventsOf(stream).at(-1)).toBe('[DONE]');
    }));

  test('break ends a connection before any byte, in a body or in a stream', () =>
    withSimulator({}, async (simulator) => {
      const broken = async (text: string, stream: boolean): Promise<{ text: string; reset: boolean }> =>
        drain(await rawPost(simulator, ask(text, { stream })));
      expect(await broken('[[sim:break=0]]', false)).toEqual({ text: '', reset: false });
      expect((await broken('[[sim:reset=0]]', true)).text).toBe('');
      const half = (await broken('[[sim:break=1]]', false)).text;
      const [head = '', body = ''] = half.split('\r\n\r\n');
      expect(Number(/content-length: (\d+)/.exec(head)?.[1])).toBeGreaterThan(body.length);
      const stream = (await broken('[[sim:break=2]]', true)).text;
      expect(stream.match(/"content":"[^"]+"/g)?.length).toBe(2);
      expect(stream).not.toContain('[DONE]');
      expect(simulator.stats()).toMatchObject({ inFlight: 0, aborted: 0 });
    }));

  test('error ends a stream with an error event', () =>
    withSimulator({}, async (simulator) => {
      const text = await (await post(simulator, ask('[[sim:error=2]]', { stream: true }))).text();
      expect(text).toContain('event: error\ndata: {"error":{');
      expect(text).not.toContain('[DONE]');
    }));
});

describe('slow and leaving clients', () => {
  test('a client that does not read stops the making of events', () =>
    withSimulator({}, async (simulator) => {
      const socket = await rawPost(simulator, ask('[[sim:chunks=1000000]]', { stream: true }));
      socket.pause();
      await until(() => simulator.stats().inFlight === 1);
      for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve));
      expect(simulator.stats().inFlight).toBe(1);
      socket.destroy();
      await until(() => simulator.stats().aborted === 1);
      expect(simulator.stats().inFlight).toBe(0);
      expect(simulator.stats().bill['gpt-4o']?.outputTokens).toBeLessThan(1_000_000);
    }));

  test('a slow client gets everything in the end', () =>
    withSimulator({}, async (simulator) => {
      const response = await post(simulator, ask('[[sim:chunks=20000]]', { stream: true }));
      expect(chunksOf(await response.text()).length).toBe(20_002);
    }));

  test('who leaves during a delay or a pause is counted', () =>
    withSimulator({}, async (simulator) => {
      for (const [index, text] of [
        '[[sim:delay=20000]]',
        '[[sim:chunks=9]][[sim:interval=20000]]',
      ].entries()) {
        const socket = await rawPost(simulator, ask(text, { stream: true }));
        await until(() => simulator.stats().inFlight === 1);
        socket.destroy();
        await until(() => simulator.stats().aborted === index + 1);
        expect(simulator.stats().inFlight).toBe(0);
      }
    }));

  test('pipelined requests are answered in order', () =>
    withSimulator({}, async (simulator) => {
      const socket = await rawPost(simulator, ask('[[sim:delay=10]] first'));
      const request = (method: string, path: string, more: string): string =>
        `${method} ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
      socket.write(request('GET', '/nowhere', '') + request('GET', '/_sim/stats', 'Connection: close\r\n'));
      const { text } = await drain(socket);
      expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200']);
    }));
});
