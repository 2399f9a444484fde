import type { Server } from 'bun';
import { GatewayError } from '../errors/gateway-error.ts';
import type { AdminCall } from '../primary/messages.ts';
import type { Scrape, Scraped } from '../telemetry/thread.ts';
import { readBody, readFailure } from './body.ts';
import { requestIdOf } from './request-id.ts';
import { pathOf } from './request-path.ts';

const REPLY_TIMEOUT_MS = 10_000;
const MAX_ADMIN_BODY_BYTES = 1024 * 1024;
const MAX_WAITING = 1_000;

const LOOPBACK_ADDRESS = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1)(:\d+)?$/;

export interface ControlPlaneOptions {
  readonly send: (call: AdminCall) => void;
  readonly metrics: MessagePort;
  readonly ready: () => { readonly ready: boolean; readonly reason: string };
}

interface Waiting {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: GatewayError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * What a proxy thread cannot answer itself: admin calls go to the primary, scrapes to the metrics thread.
 * Both ways carry an id, have a deadline and a bound; a late reply finds nobody and is dropped.
 */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #waiting = new Map<number, Waiting>();
  #metrics: MessagePort;
  #nextId = 1;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.#metrics = this.#listen(options.metrics);
  }

  /** A new metrics thread: what was asked of the old one runs into its deadline. */
  reconnectMetrics(port: MessagePort): void {
    this.#metrics.close();
    this.#metrics = this.#listen(port);
  }

  readiness(): Response {
    const { ready, reason } = this.#options.ready();
    return Response.json(ready ? { status: 'ready' } : { status: 'not_ready', reason }, {
      status: ready ? 200 : 503,
    });
  }

  /** Prometheus text. */
  scrape(): Promise<Response> {
    return this.#ask((id) => this.#metrics.postMessage({ id } satisfies Scrape));
  }

  /** Hands an admin call to the primary, with what only this thread can see of it. */
  async admin(request: Request, server: Server<undefined>): Promise<Response> {
    const path = pathOf(request);
    const body = await readBody(request, MAX_ADMIN_BODY_BYTES).catch((cause: unknown) => {
      throw readFailure(cause);
    });
    const { headers } = request;
    const local =
      LOOPBACK_ADDRESS.test(server.requestIP(request)?.address ?? '') &&
      LOOPBACK_HOST.test(headers.get('host') ?? '') &&
      headers.get('origin') === null;
    const response = await this.#ask((id) =>
      this.#options.send({
        type: 'admin',
        id,
        method: request.method === 'HEAD' ? 'GET' : request.method,
        path,
        authorization: headers.get('authorization'),
        local,
        body,
      }),
    );
    response.headers.set('x-request-id', requestIdOf(headers));
    if (response.status === 401) response.headers.set('www-authenticate', 'Bearer');
    return response;
  }

  adminReply(id: number, status: number, body: string): void {
    this.#settle(id, new Response(body, { status, headers: { 'content-type': 'application/json' } }));
  }

  close(): void {
    this.#metrics.close();
  }

  #listen(port: MessagePort): MessagePort {
    port.onmessage = ({ data: { id, text } }: MessageEvent<Scraped>) =>
      this.#settle(
        id,
        new Response(text, { headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } }),
      );
    return port;
  }

  #ask(send: (id: number) => void): Promise<Response> {
    if (this.#waiting.size >= MAX_WAITING) {
      throw new GatewayError('too_many_requests_in_flight', 'Too many control calls wait.', {
        retryAfterS: 1,
      });
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new GatewayError('storage_unavailable', 'The control thread did not answer in time.'));
      }, REPLY_TIMEOUT_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      send(id);
    });
  }

  #settle(id: number, response: Response): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(response);
  }
}
