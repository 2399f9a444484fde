import { describe, expect, test } from 'bun:test';
import { ReplayBudget } from '../dedup/replay-budget.ts';
import { dialectOf } from '../dialects/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { UpstreamHeaders } from '../upstream/http1/headers.ts';
import type { UpstreamHandler } from '../upstream/transport.ts';
import { Admission } from './admission.ts';
import { handleChat, type ChatDeps } from './chat.ts';
import { CLIENT_IDLE_S } from './client-deadlines.ts';
import { SlowRequests } from './slow-requests.ts';

const ANSWER = Buffer.from('{"object":"chat.completion"}');
const STREAM = Buffer.from('data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n');

/** What a request needs of a thread, as little as it goes; `log` says in which order things happened. */
function setUp(
  prepare: 'whole' | 'stream' | 'refuse',
  pace: 'slow' | 'fast' = 'fast',
): {
  readonly log: string[];
  readonly admission: Admission;
  readonly ask: () => Promise<Response>;
} {
  const log: string[] = [];
  const slow = new SlowRequests();
  const inFlight = [0, 0];
  const admission = new Admission(
    { total: 10, streamed: 10, buffered: 10 },
    {
      add: (kind, delta) => {
        inFlight[kind]! += delta;
      },
      sum: (kind) => inFlight[kind]!,
    },
  );
  const prepared = {
    model: 'm',
    stream: prepare === 'stream',
    shareable: false,
    inputBytes: 2,
    n: 1,
    route: { upstreamModel: 'm', provider: { id: 'p', profile: { dialect: 'openai-chat' } } },
    takeBody: () => new Uint8Array(2),
    takeParts: () => [new Uint8Array(2)],
    bodyBytes: 2,
  };
  const call = (_request: unknown, handler: UpstreamHandler): object => {
    queueMicrotask(() => {
      if (pace === 'slow') slow.sweep(1_000);
      const type = prepare === 'stream' ? 'text/event-stream' : 'application/json';
      const bytes = prepare === 'stream' ? STREAM : ANSWER;
      handler.onHead(200, UpstreamHeaders.of([['content-type', type]]));
      handler.onBody(bytes, 0, bytes.length);
      handler.onEnd();
    });
    return { abort: () => {}, pause: () => {}, resume: () => {} };
  };
  const ignore = (): void => {};
  const deps = {
    dialect: dialectOf('openai-chat'),
    routePath: '/v1/chat/completions',
    keys: {
      lookup: () => ({
        id: 'k',
        slot: 0,
        allowedModels: null,
        revokedAt: null,
        expiresAt: null,
        dedup: true,
      }),
    },
    admission,
    pipeline: {
      prepare: () => {
        log.push('prepared');
        if (prepare === 'refuse') throw new GatewayError('invalid_json', 'no');
        return prepared;
      },
    },
    dedup: null,
    dedupScope: 'key',
    budget: new ReplayBudget(new Float64Array(1), 0),
    quota: { exhausted: () => false, tryHold: () => true, settle: ignore, touch: ignore },
    rates: null,
    providerLimit: null,
    prices: { find: () => null },
    transports: { of: () => ({ call }) },
    heads: { chat: () => '' },
    recorder: {
      refused: ignore,
      rejected: ignore,
      request: () => log.push('recorded'),
      vendor: ignore,
      dedupRole: ignore,
    },
    slow,
    maxBodyBytes: 100,
    now: () => 0,
    wallClockMs: () => 0,
    onDefect: (error: GatewayError) => log.push(String(error.cause)),
  } as unknown as ChatDeps;
  const ask = async (): Promise<Response> => {
    const deadlines = { timeout: (_request: Request, seconds: number) => log.push(`timeout ${seconds}`) };
    const server = Bun.serve({ port: 0, fetch: (request) => handleChat(request, deps, deadlines) });
    const body = new ReadableStream({
      async pull(controller) {
        await Bun.sleep(10);
        log.push('body sent');
        controller.enqueue(Buffer.from('{}'));
        controller.close();
      },
    });
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { authorization: 'Bearer k' },
      body,
    });
    const text = await response.text();
    await server.stop(true);
    return new Response(text, response);
  };
  return { log, admission, ask };
}

describe("a client's deadline", () => {
  test('stands while it sends, rests while the vendor works, and stands again when it has been answered', async () => {
    for (const kind of ['whole', 'stream'] as const) {
      const { log, admission, ask } = setUp(kind, 'slow');
      const response = await ask();
      expect(response.status).toBe(200);
      expect((await response.text()).length).toBeGreaterThan(0);
      expect(log).toEqual(['body sent', 'prepared', 'timeout 0', `timeout ${CLIENT_IDLE_S}`, 'recorded']);
      expect(admission.inFlight).toBe(0);
    }
  });

  test('is left alone for a vendor that answers at once', async () => {
    const { log, ask } = setUp('whole');
    expect((await ask()).status).toBe(200);
    expect(log).toEqual(['body sent', 'prepared', 'recorded']);
  });

  test('is never lifted for a request that is refused', async () => {
    const { log, admission, ask } = setUp('refuse');
    expect((await ask()).status).toBe(400);
    expect(log).toEqual(['body sent', 'prepared']);
    expect(admission.inFlight).toBe(0);
  });
});
