import { Barrier } from './barrier.ts';
import { Biller } from './bill.ts';
import { ChatCall, type ChatServices } from './chat.ts';
import { controlHandler, refuse, type SimulatorPeers } from './control.ts';
import { countTokensHandler } from './count-tokens.ts';
import { Counters } from './counters.ts';
import { Delays } from './delays.ts';
import type { Dialect, Headers } from './dialects/types.ts';
import { FastChat } from './fast.ts';
import type { HttpRequest } from './http/request-reader.ts';
import { type HttpHandler, listen } from './http/server.ts';
import { modelsHandler } from './models.ts';
import { seededRandom } from './random.ts';
import type { SimulatorStats } from './stats.ts';
import {
  CALL_ROUTES,
  COUNT_TOKENS_PATH,
  type DeepseekCacheRules,
  NO_CACHES,
  VendorCaches,
} from './vendors.ts';

export interface SimulatorOptions {
  /** 0: any free port. */
  readonly port: number;
  readonly host?: string;
  /** Keep calls as they came, the exact bytes of their bodies among them: the newest 10,000. */
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

/** A call as it came. */
export interface RecordedRequest {
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface Simulator {
  readonly url: string;
  readonly port: number;
  stats(): SimulatorStats;
  /** Exact request bodies, oldest first; empty unless recording. */
  bodies(): readonly Uint8Array[];
  /** The same with path and headers (`anthropic-beta`, …). */
  requests(): readonly RecordedRequest[];
  /** Forgets counts, bill, caches and bodies. */
  reset(): void;
  /** Moves the clock of caches and prices forward. */
  advance(byMs: number): void;
  /** Lets the calls go on that wait by their `hold` directive. */
  release(): void;
  stop(): Promise<void>;
}

const MAX_RECORDED = 10_000;

/** Vendors of language models on one port: Anthropic by its path, OpenAI and DeepSeek told apart by the model's name. */
export function startSimulator(options: SimulatorOptions): Simulator {
  const wallClock = options.now ?? Date.now;
  let advancedMs = 0;
  const recorded: RecordedRequest[] = [];
  const services: ChatServices = {
    caches:
      options.fast === true
        ? NO_CACHES
        : new VendorCaches(options.deepseekCache ?? {}, options.random ?? seededRandom(1)),
    biller: new Biller(),
    counters: new Counters(),
    delays: new Delays(() => performance.now()),
    barrier: new Barrier(),
    holds: new Barrier(),
    now: () => wallClock() + advancedMs,
  };
  const stats = (): SimulatorStats => ({ ...services.counters.counts(), bill: services.biller.bill() });
  const reset = (): void => {
    services.counters.reset();
    services.biller.clear();
    services.caches.clear();
    recorded.length = 0;
  };
  const advance = (byMs: number): void => {
    advancedMs += byMs;
  };
  const peers: SimulatorPeers = options.peers ?? {
    stats: () => Promise.resolve([stats()]),
    reset: () => Promise.resolve(reset()),
    advance: (byMs) => Promise.resolve(advance(byMs)),
  };

  const posts = new Map(
    [...CALL_ROUTES].map(([path, route]) => [path, callHandler(services, route, options)]),
  );
  posts.set(COUNT_TOKENS_PATH, countTokensHandler());
  const record = ({ head: { path, headers }, body }: HttpRequest): void => {
    recorded.push({ path, headers, body: new Uint8Array(body) });
    if (recorded.length > MAX_RECORDED) recorded.shift();
  };
  const control = controlHandler(peers);
  const handler: HttpHandler = (request, reply) => {
    const { method, path } = request.head;
    const post = posts.get(path);
    if (post !== undefined && method === 'POST') {
      if (options.record === true) record(request);
      post(request, reply);
    } else if (post !== undefined) {
      refuse(reply, path, 405, `Not allowed to ${method} on ${path}.`);
    } else if (path.startsWith('/_sim/')) {
      control(request, reply);
    } else if (method === 'GET' && (path === '/v1/models' || path === '/models')) {
      modelsHandler(request, reply);
    } else {
      refuse(reply, path, 404, `Invalid URL (${method} ${path})`);
    }
  };
  const hostname = options.host ?? '127.0.0.1';
  const server = listen({ hostname, port: options.port, reusePort: options.reusePort ?? false, handler });
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${server.port}`,
    port: server.port,
    stats,
    bodies: () => recorded.map(({ body }) => body),
    requests: () => recorded,
    reset,
    advance,
    release: () => services.holds.open(),
    stop: () => {
      server.stop();
      services.delays.stop();
      services.barrier.stop();
      services.holds.stop();
      return Promise.resolve();
    },
  };
}

function callHandler(
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
