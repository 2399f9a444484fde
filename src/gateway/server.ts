import type { ProviderRegistry } from '../providers/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { HostError } from '../http1/request-head.ts';
import type { ProtocolError } from '../http1/protocol-error.ts';
import type { Incoming } from '../server/incoming.ts';
import { HttpListener } from '../server/listener.ts';
import { fieldLine } from '../http1/fields.ts';
import { answerWith, asGatewayError, errorAnswer, jsonAnswer, type WholeAnswer } from '../call/answers.ts';
import { authenticate } from '../keys/authenticate.ts';
import { handleChat, type ChatDeps } from './chat.ts';
import { Cors } from './cors.ts';
import { countTokens } from './count-tokens.ts';
import type { ControlPlane } from './control-plane.ts';
import { anthropicModel, anthropicModels, listModels } from './models.ts';
import { requestIdOf } from './request-id.ts';

/** How long a client may be silent while it sends its request, takes its answer, or between two requests. */
const CLIENT_IDLE_MS = 120_000;
const MAX_HEAD_BYTES = 32 * 1024;

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** How long a request's body may take, in ms, besides a second for every 64 KiB of it. */
  readonly bodyMs: number;
  /** Origins of pages that may read answers; `*`: all. */
  readonly corsOrigins: readonly string[];
  /** What requests need on their way, by what their clients speak; who speaks nothing in particular is answered by the first. */
  readonly clients: readonly ChatDeps[];
  readonly registry: ProviderRegistry;
  readonly control: ControlPlane;
  /** True when clients should come back on a new connection: this thread carries far more than its share, or stops. */
  readonly shedding: () => boolean;
}

/** Answers in one piece; a handler of chats answers by itself. */
type Handler = (request: Incoming) => WholeAnswer | Promise<WholeAnswer>;

interface Route {
  /** Whose errors are in which shape. */
  readonly client: ChatDeps;
  readonly methods: Readonly<Record<string, Handler>> | null;
  readonly chat: boolean;
}

/** A path segment's text; one that is no valid percent-encoding stands for itself, and will not be found. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Routes by whole path, and by what a path begins with. */
class Router {
  readonly #exact = new Map<string, Route>();
  readonly #below: (readonly [prefix: string, route: Route])[] = [];

  readonly #client: ChatDeps;

  /** @param client whose errors the plain routes have. */
  constructor(client: ChatDeps) {
    this.#client = client;
  }

  chat(path: string, client: ChatDeps): void {
    this.#exact.set(path, { client, methods: null, chat: true });
  }

  /** A path that ends in `*` stands for everything that begins so; the first that fits counts. */
  add(path: string, methods: Readonly<Record<string, Handler>>, client = this.#client): void {
    const route = { client, methods, chat: false };
    if (path.endsWith('*')) this.#below.push([path.slice(0, -1), route]);
    else this.#exact.set(path, route);
  }

  find(path: string): Route | undefined {
    return this.#exact.get(path) ?? this.#below.find(([prefix]) => path.startsWith(prefix))?.[1];
  }
}

function routesOf(chat: ChatDeps, { clients, control, registry }: ServerOptions): Router {
  const known = async (request: Incoming): Promise<ReturnType<typeof listModels>> => {
    await authenticate(request.fields, chat.keys, chat.wallClockMs());
    return listModels(registry, chat.prices);
  };
  const json = (request: Incoming, body: object): WholeAnswer =>
    jsonAnswer(body, 200, fieldLine('x-request-id', requestIdOf(request.fields)));
  /** Anthropic's clients name the version of their API in every request. */
  const isAnthropic = (request: Incoming): boolean => request.fields.get('anthropic-version') !== null;
  const models: Handler = async (request) => {
    const list = await known(request);
    return json(request, isAnthropic(request) ? anthropicModels(list.data) : list);
  };
  const model: Handler = async (request) => {
    const id = decoded(request.path.replace(/^(\/v1)?\/models\//, ''));
    const found = (await known(request)).data.find((one) => one.id === id);
    if (found !== undefined) return json(request, isAnthropic(request) ? anthropicModel(found) : found);
    throw new GatewayError('model_not_found', `The model '${id}' is not listed here.`, { param: 'model' });
  };
  const admin: Handler = (request) => control.admin(request);

  const router = new Router(chat);
  for (const client of clients) {
    const { call, countTokens: counted } = client.dialect.clientPaths;
    for (const path of call) router.chat(path, client);
    for (const path of counted) router.add(path, { POST: (request) => countTokens(request, client) }, client);
  }
  router.add('/v1/models', { GET: models });
  router.add('/v1/models/*', { GET: model });
  router.add('/models', { GET: models });
  router.add('/models/*', { GET: model });
  // Claude Code opens its connection with a HEAD of it; an error there would be counted as one.
  router.add('/', { GET: () => jsonAnswer({ name: 'tokenrouter' }) });
  router.add('/health/live', { GET: () => jsonAnswer({ status: 'live' }) });
  router.add('/health/ready', { GET: () => control.readiness() });
  router.add('/metrics', { GET: () => control.scrape() });
  router.add('/admin/api-keys', { GET: admin, POST: admin });
  router.add('/admin/api-keys/*', { GET: admin, PATCH: admin, DELETE: admin });
  router.add('/admin/*', { GET: admin, POST: admin, PUT: admin, PATCH: admin, DELETE: admin });
  return router;
}

/** The HTTP face of one proxy thread. All threads listen on one port; the kernel spreads the connections. */
export function serve(options: ServerOptions): HttpListener {
  const { clients, shedding } = options;
  const chat = clients[0]!;
  const router = routesOf(chat, options);
  const cors = new Cors(options.corsOrigins);

  const refuse = (request: Incoming, client: ChatDeps, thrown: unknown, fields = ''): void => {
    const error = asGatewayError(thrown);
    const requestId = requestIdOf(request.fields);
    if (error.code === 'internal_error') chat.onDefect(error, requestId);
    chat.recorder.refused(error);
    answerWith(request, errorAnswer(client.dialect, error, requestId, fields));
  };
  /** Every other method on a known path is a 405 that names what is allowed. */
  const refuseMethod = (request: Incoming, client: ChatDeps, allowed: string): void =>
    refuse(
      request,
      client,
      new GatewayError('method_not_allowed', `${request.method} is not allowed here; allowed: ${allowed}.`),
      fieldLine('allow', allowed),
    );
  const answerWhole = async (request: Incoming, client: ChatDeps, handler: Handler): Promise<void> => {
    try {
      answerWith(request, await handler(request));
    } catch (thrown) {
      refuse(request, client, thrown);
    }
  };

  return new HttpListener({
    host: options.host,
    port: options.port,
    idleMs: CLIENT_IDLE_MS,
    bodyMs: options.bodyMs,
    maxHeadBytes: MAX_HEAD_BYTES,
    now: chat.now,
    wallClockMs: chat.wallClockMs,
    shedding,
    onRequest(request) {
      if (cors.admit(request)) return;
      const route = router.find(request.path);
      if (route === undefined) {
        refuse(
          request,
          clients.find(({ dialect }) => dialect.clientPaths.own.test(request.path)) ?? chat,
          new GatewayError('not_found', `There is nothing at ${request.method} ${request.path}.`),
        );
      } else if (route.chat) {
        if (request.method === 'POST') handleChat(request, route.client);
        else refuseMethod(request, route.client, 'POST');
      } else {
        // HEAD goes where GET does; the server leaves out the body.
        const method = request.method === 'HEAD' ? 'GET' : request.method;
        const methods = route.methods ?? {};
        // A method is any token: `constructor` is one.
        const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
        if (handler === undefined) refuseMethod(request, route.client, Object.keys(methods).join(', '));
        else void answerWhole(request, route.client, handler);
      }
    },
    refusal(fault) {
      const error = httpFault(fault);
      chat.recorder.refused(error);
      return errorAnswer(chat.dialect, error, requestIdOf(null));
    },
    onDefect(thrown) {
      chat.onDefect(asGatewayError(thrown), 'none');
    },
  });
}

/** A request that could not be read as HTTP, in terms of the gateway. */
function httpFault(fault: ProtocolError | 'head_too_large'): GatewayError {
  if (fault === 'head_too_large')
    return new GatewayError(
      'headers_too_large',
      `The request's headers are larger than ${MAX_HEAD_BYTES} bytes.`,
    );
  if (fault instanceof HostError) return new GatewayError('invalid_value', fault.message, { param: 'host' });
  return new GatewayError('malformed_http', `The request is not sound HTTP/1.1: ${fault.message}.`);
}
