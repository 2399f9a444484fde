import { Barrier } from './barrier.ts';
import { Biller } from './bill.ts';
import { ChatCall, type ChatServices, hasKey, NO_CREDENTIALS, sendError } from './chat.ts';
import { controlHandler, refuse, type SimulatorPeers } from './control.ts';
import { Counters } from './counters.ts';
import { Delays } from './delays.ts';
import type { Dialect } from './dialects/types.ts';
import { FastChat } from './fast.ts';
import { type HttpHandler, listen } from './http/server.ts';
import { MODEL_IDS } from './prices.ts';
import { seededRandom } from './random.ts';
import type { SimulatorStats } from './stats.ts';
import { CHAT_ROUTES, chatDialect, type DeepseekCacheRules, NO_CACHES, VendorCaches } from './vendors.ts';

export interface SimulatorOptions {
  /** 0: any free port. */
  readonly port: number;
  readonly host?: string;
  /** Keep the exact bytes of request bodies, the newest 10,000. */
  readonly record?: boolean;
  /** For load tests: no cache model, small answers of a fixed shape. */
  readonly fast?: boolean;
  /** Share the port with other simulators. */
  readonly reusePort?: boolean;
  /** Wall clock in ms, for caches and prices. */
  readonly now?: () => number;
  /** 0…1, for what a vendor does at its best effort. */
  readonly random?: () => number;
  /** Differences from the default rules of DeepSeek's cache. */
  readonly deepseekCache?: Partial<DeepseekCacheRules>;
  /** Several simulators that answer as one: what `/_sim/…` says and does is for all of them. */
  readonly peers?: SimulatorPeers;
}

export interface Simulator {
  readonly url: string;
  readonly port: number;
  stats(): SimulatorStats;
  /** Exact request bodies, oldest first; empty unless recording. */
  bodies(): readonly Uint8Array[];
  /** Forgets counts, bill, caches and bodies. */
  reset(): void;
  /** Moves the clock of caches and prices forward. */
  advance(byMs: number): void;
  stop(): Promise<void>;
}

const MAX_BODIES = 10_000;
const JSON_TYPE = 'content-type: application/json\r\n';

const models = (): string =>
  JSON.stringify({
    object: 'list',
    data: MODEL_IDS.map((id) => ({
      id,
      object: 'model',
      created: 1_700_000_000,
      owned_by: id.startsWith('deepseek-') ? 'deepseek' : 'openai',
    })),
  });

/** A vendor of language models on a port of its own: OpenAI and DeepSeek, told apart by the model's name. */
export function startSimulator(options: SimulatorOptions): Simulator {
  const wallClock = options.now ?? Date.now;
  let advancedMs = 0;
  const bodies: Uint8Array[] = [];
  const services: ChatServices = {
    caches:
      options.fast === true
        ? NO_CACHES
        : new VendorCaches(options.deepseekCache ?? {}, options.random ?? seededRandom(1)),
    biller: new Biller(),
    counters: new Counters(),
    delays: new Delays(() => performance.now()),
    barrier: new Barrier(),
    now: () => wallClock() + advancedMs,
  };
  const stats = (): SimulatorStats => ({ ...services.counters.counts(), bill: services.biller.bill() });
  const reset = (): void => {
    services.counters.reset();
    services.biller.clear();
    services.caches.clear();
    bodies.length = 0;
  };
  const advance = (byMs: number): void => {
    advancedMs += byMs;
  };
  const peers: SimulatorPeers = options.peers ?? {
    stats: () => Promise.resolve([stats()]),
    reset: () => Promise.resolve(reset()),
    advance: (byMs) => Promise.resolve(advance(byMs)),
  };

  const chats = new Map(
    [...CHAT_ROUTES].map(([path, route]) => [path, chatHandler(services, route, options)]),
  );
  const record = (body: Buffer): void => {
    bodies.push(new Uint8Array(body));
    if (bodies.length > MAX_BODIES) bodies.shift();
  };
  const control = controlHandler(peers);
  const handler: HttpHandler = (request, reply) => {
    const { method, path } = request.head;
    const chat = chats.get(path);
    if (chat !== undefined && method === 'POST') {
      if (options.record === true) record(request.body);
      chat(request, reply);
    } else if (chat !== undefined) {
      refuse(reply, 405, `Not allowed to ${method} on ${path}.`);
    } else if (path.startsWith('/_sim/')) {
      control(request, reply);
    } else if (method === 'GET' && (path === '/v1/models' || path === '/models')) {
      if (hasKey(request.head.headers.get('authorization') ?? '')) reply.send(200, JSON_TYPE, models());
      else sendError(reply, chatDialect(''), NO_CREDENTIALS, '');
    } else {
      refuse(reply, 404, `Invalid URL (${method} ${path})`);
    }
  };
  const hostname = options.host ?? '127.0.0.1';
  const server = listen({ hostname, port: options.port, reusePort: options.reusePort ?? false, handler });
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${server.port}`,
    port: server.port,
    stats,
    bodies: () => bodies,
    reset,
    advance,
    stop: () => {
      server.stop();
      services.delays.stop();
      services.barrier.stop();
      return Promise.resolve();
    },
  };
}

function chatHandler(
  services: ChatServices,
  route: (model: string) => Dialect,
  options: SimulatorOptions,
): HttpHandler {
  if (options.fast === true) {
    const fast = new FastChat(services, route);
    return (request, reply) => fast.handle(request, reply);
  }
  return (request, reply) => new ChatCall(services, route, request, reply).start();
}
