import type { ProviderRegistry } from '../providers/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { HostError } from '../http1/request-head.ts';
import type { ProtocolError } from '../http1/protocol-error.ts';
import type { Incoming } from '../server/incoming.ts';
import { HttpListener } from '../server/listener.ts';
import { fieldLine } from '../server/reply-head.ts';
import { asGatewayError, errorAnswer, jsonAnswer, type WholeAnswer } from './answers.ts';
import { authenticate } from './authenticate.ts';
import { handleChat, type ChatDeps } from './chat.ts';
import type { ControlPlane } from './control-plane.ts';
import { listModels } from './models.ts';
import { requestIdOf } from './request-id.ts';

/** How long a client may be silent while it sends its request, takes its answer, or between two requests. */
const CLIENT_IDLE_MS = 120_000;
const MAX_HEAD_BYTES = 32 * 1024;

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly chat: ChatDeps;
  readonly registry: ProviderRegistry;
  readonly control: ControlPlane;
  /** True when clients should come back on a new connection: this thread carries far more than its share, or stops. */
  readonly shedding: () => boolean;
}

/** Answers in one piece; a handler of chats answers by itself. */
type Handler = (request: Incoming) => WholeAnswer | Promise<WholeAnswer>;

interface Route {
  readonly methods: Readonly<Record<string, Handler>> | null;
  readonly chat: ChatDeps | null;
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

  chat(path: string, chat: ChatDeps): void {
    this.#exact.set(path, { methods: null, chat });
  }

  /** A path that ends in `*` stands for everything that begins so; the first that fits counts. */
  add(path: string, methods: Readonly<Record<string, Handler>>): void {
    const route = { methods, chat: null };
    if (path.endsWith('*')) this.#below.push([path.slice(0, -1), route]);
    else this.#exact.set(path, route);
  }

  find(path: string): Route | undefined {
    return this.#exact.get(path) ?? this.#below.find(([prefix]) => path.startsWith(prefix))?.[1];
  }
}

function routesOf({ chat, control, registry }: ServerOptions): Router {
  const known = async (request: Incoming): Promise<ReturnType<typeof listModels>> => {
    await authenticate(request.fields, chat.keys, chat.wallClockMs());
    return listModels(registry, chat.prices);
  };
  const json = (request: Incoming, body: object): WholeAnswer =>
    jsonAnswer(body, 200, fieldLine('x-request-id', requestIdOf(request.fields)));
  const models: Handler = async (request) => json(request, await known(request));
  const model: Handler = async (request) => {
    const id = decoded(request.path.replace(/^(\/v1)?\/models\//, ''));
    const found = (await known(request)).data.find((one) => one.id === id);
    if (found !== undefined) return json(request, found);
    throw new GatewayError('model_not_found', `The model '${id}' is not listed here.`, { param: 'model' });
  };
  const admin: Handler = (request) => control.admin(request);

  const router = new Router();
  router.chat('/v1/chat/completions', chat);
  router.chat('/chat/completions', chat);
  router.add('/v1/models', { GET: models });
  router.add('/v1/models/*', { GET: model });
  router.add('/models', { GET: models });
  router.add('/models/*', { GET: model });
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
  const { chat, shedding } = options;
  const { dialect } = chat;
  const router = routesOf(options);

  const refuse = (request: Incoming, thrown: unknown, fields = ''): void => {
    const error = asGatewayError(thrown);
    const requestId = requestIdOf(request.fields);
    if (error.code === 'internal_error') chat.onDefect(error, requestId);
    chat.recorder.refused(error);
    const answer = errorAnswer(dialect, error, requestId, fields);
    request.send(answer.status, answer.fields, answer.body);
  };
  /** Every other method on a known path is a 405 that names what is allowed. */
  const refuseMethod = (request: Incoming, allowed: string): void =>
    refuse(
      request,
      new GatewayError('method_not_allowed', `${request.method} is not allowed here; allowed: ${allowed}.`),
      fieldLine('allow', allowed),
    );
  const answerWhole = async (request: Incoming, handler: Handler): Promise<void> => {
    try {
      const { status, fields, body } = await handler(request);
      request.send(status, fields, body);
    } catch (thrown) {
      refuse(request, thrown);
    }
  };

  return new HttpListener({
    host: options.host,
    port: options.port,
    idleMs: CLIENT_IDLE_MS,
    maxHeadBytes: MAX_HEAD_BYTES,
    now: chat.now,
    wallClockMs: chat.wallClockMs,
    shedding,
    onRequest(request) {
      const route = router.find(request.path);
      if (route === undefined) {
        refuse(
          request,
          new GatewayError('not_found', `There is nothing at ${request.method} ${request.path}.`),
        );
      } else if (route.chat !== null) {
        if (request.method === 'POST') void handleChat(request, route.chat);
        else refuseMethod(request, 'POST');
      } else {
        // HEAD goes where GET does; the server leaves out the body.
        const handler = route.methods?.[request.method === 'HEAD' ? 'GET' : request.method];
        if (handler === undefined) refuseMethod(request, Object.keys(route.methods ?? {}).join(', '));
        else void answerWhole(request, handler);
      }
    },
    refusal(fault) {
      const error = httpFault(fault);
      chat.recorder.refused(error);
      return errorAnswer(dialect, error, requestIdOf(null));
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
