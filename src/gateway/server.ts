import type { Server } from 'bun';
import type { ProviderRegistry } from '../providers/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { asGatewayError, errorResponse } from './answers.ts';
import { authenticate } from './authenticate.ts';
import { handleChat, type ChatDeps } from './chat.ts';
import { CLIENT_IDLE_S } from './client-deadlines.ts';
import type { ControlPlane } from './control-plane.ts';
import { listModels } from './models.ts';
import { pathOf } from './request-path.ts';
import { requestIdOf } from './request-id.ts';

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly chat: ChatDeps;
  readonly registry: ProviderRegistry;
  readonly control: ControlPlane;
  /** True when clients should come back on a new connection: this thread carries far more than its share, or stops. */
  readonly shedding: () => boolean;
}

type Handler = (request: Request, server: Server<undefined>) => Response | Promise<Response>;

/** A path segment's text; one that is no valid percent-encoding stands for itself, and will not be found. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function closing(response: Response): Response {
  response.headers.set('connection', 'close');
  return response;
}

/** The HTTP face of one proxy thread. All threads listen on one port; the kernel spreads the connections. */
export function serve(options: ServerOptions): Server<undefined> {
  const { chat, control, registry, shedding } = options;
  const { dialect } = chat;

  const refuse = (thrown: unknown, request: Request): Response => {
    const error = asGatewayError(thrown);
    const requestId = requestIdOf(request.headers);
    if (error.code === 'internal_error') chat.onDefect(error, requestId);
    chat.recorder.refused(error);
    return errorResponse(dialect, error, requestId);
  };
  /** Failures of a handler in the client's error shape. */
  const guarded =
    (handler: Handler): Handler =>
    async (request, server) => {
      try {
        return await handler(request, server);
      } catch (thrown) {
        return refuse(thrown, request);
      }
    };
  /** Every other method on a known path is a 405 that names what is allowed; HEAD goes where GET does. */
  const methods = (handlers: Readonly<Record<string, Handler>>): Handler => {
    const allowed = Object.keys(handlers).join(', ');
    return (request, server) => {
      const handler = handlers[request.method === 'HEAD' ? 'GET' : request.method];
      if (handler !== undefined) return handler(request, server);
      const response = refuse(
        new GatewayError('method_not_allowed', `${request.method} is not allowed here; allowed: ${allowed}.`),
        request,
      );
      response.headers.set('allow', allowed);
      return response;
    };
  };

  const completions: Handler = (request, server) => {
    const answer = handleChat(request, chat, server);
    return shedding() ? answer.then(closing) : answer;
  };
  const known = async (request: Request): Promise<ReturnType<typeof listModels>> => {
    await authenticate(request.headers, chat.keys, chat.wallClockMs());
    return listModels(registry, chat.prices);
  };
  const json = (request: Request, body: object): Response =>
    Response.json(body, { headers: { 'x-request-id': requestIdOf(request.headers) } });
  const models = guarded(async (request) => json(request, await known(request)));
  const model = guarded(async (request) => {
    const id = decoded(pathOf(request).replace(/^(\/v1)?\/models\//, ''));
    const found = (await known(request)).data.find((one) => one.id === id);
    if (found !== undefined) return json(request, found);
    throw new GatewayError('model_not_found', `The model '${id}' is not listed here.`, { param: 'model' });
  });
  const admin = guarded((request, server) => control.admin(request, server));

  return Bun.serve({
    hostname: options.host,
    port: options.port,
    reusePort: true,
    idleTimeout: CLIENT_IDLE_S,
    // The limit is ours (a 413 in the client's error shape); the server's own would answer with an empty body.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    routes: {
      '/v1/chat/completions': methods({ POST: completions }),
      '/chat/completions': methods({ POST: completions }),
      '/v1/models': methods({ GET: models }),
      '/v1/models/*': methods({ GET: model }),
      '/models': methods({ GET: models }),
      '/models/*': methods({ GET: model }),
      '/health/live': methods({ GET: () => Response.json({ status: 'live' }) }),
      '/health/ready': methods({ GET: () => control.readiness() }),
      '/metrics': methods({ GET: guarded(() => control.scrape()) }),
      '/admin/api-keys': methods({ GET: admin, POST: admin }),
      '/admin/api-keys/*': methods({ GET: admin, PATCH: admin, DELETE: admin }),
      '/admin/*': admin,
    },
    fetch: guarded((request) => {
      throw new GatewayError('not_found', `There is nothing at ${request.method} ${pathOf(request)}.`);
    }),
    error(thrown) {
      const error = asGatewayError(thrown);
      chat.onDefect(error, 'none');
      return errorResponse(dialect, error, 'none');
    },
  });
}
