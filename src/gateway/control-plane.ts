import { mayAdminister, type AdminAccess } from '../admin/access.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { AdminCall, ToProxy } from '../threads/messages.ts';
import type { Scrape, Scraped } from '../telemetry/thread.ts';
import type { Incoming } from '../server/incoming.ts';
import { fieldLine } from '../http1/fields.ts';
import { PortCalls } from '../std/port-calls.ts';
import { JSON_TYPE, jsonAnswer, type WholeAnswer } from '../call/answers.ts';
import { wholeBody } from './body.ts';
import { isLocal } from './local-trust.ts';
import { requestIdOf } from './request-id.ts';

const REPLY_TIMEOUT_MS = 10_000;
const MAX_ADMIN_BODY_BYTES = 1024 * 1024;
const MAX_WAITING = 1_000;

const PROMETHEUS_TYPE = fieldLine('content-type', 'text/plain; version=0.0.4; charset=utf-8');

const NO_TOKEN =
  'Admin calls need "Authorization: Bearer <admin token>" (ADMIN_TOKEN, or DATA_DIR/admin-token).';
const NOT_LOCAL =
  ' `make dev` trusts calls made on this machine: to localhost or 127.0.0.1, kept alive over HTTP/1.1, by no page and through no proxy.';

export interface ControlPlaneOptions {
  readonly send: (call: AdminCall) => void;
  readonly metrics: MessagePort;
  readonly access: AdminAccess;
  /** Unlike those of the thread's predecessors: an answer for one of them must find nobody. */
  readonly firstId: number;
  readonly ready: () => { readonly ready: boolean; readonly reason: string };
}

type AdminReply = Pick<Extract<ToProxy, { readonly type: 'admin-reply' }>, 'id' | 'status' | 'body'>;

const BOUNDS = {
  maxWaiting: MAX_WAITING,
  deadlineMs: REPLY_TIMEOUT_MS,
  crowded: () =>
    new GatewayError('too_many_requests_in_flight', 'Too many control calls wait.', { retryAfterS: 1 }),
  overdue: () => new GatewayError('storage_unavailable', 'The control thread did not answer in time.'),
};

/**
 * What a proxy thread cannot answer itself: admin calls go to the primary, scrapes to the metrics thread.
 * Both ways carry an id, have a deadline and a bound; a late reply finds nobody and is dropped.
 */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #admin: PortCalls<AdminCall, AdminReply>;
  readonly #metrics: PortCalls<Scrape, Scraped>;
  #scrape: Promise<WholeAnswer> | null = null;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { firstId } = options;
    this.#admin = new PortCalls<AdminCall, AdminReply>(options.send, { ...BOUNDS, firstId });
    this.#metrics = new PortCalls<Scrape, Scraped>(options.metrics, { ...BOUNDS, firstId });
  }

  /** A new metrics thread: it is asked what the old one has not answered. */
  reconnectMetrics(port: MessagePort): void {
    this.#metrics.reconnect(port, 'again');
  }

  readiness(): WholeAnswer {
    const { ready, reason } = this.#options.ready();
    return ready ? jsonAnswer({ status: 'ready' }) : jsonAnswer({ status: 'not_ready', reason }, 503);
  }

  /** Prometheus text. Whoever asks while it is being made gets the same. */
  scrape(): Promise<WholeAnswer> {
    this.#scrape ??= this.#metrics
      .ask((id) => ({ id }))
      .then(({ text }): WholeAnswer => ({ status: 200, fields: PROMETHEUS_TYPE, body: text }))
      .finally(() => {
        this.#scrape = null;
      });
    return this.#scrape;
  }

  /** Hands an admin call that is allowed to the primary. */
  async admin(request: Incoming): Promise<WholeAnswer> {
    const { fields, method, path } = request;
    const { access } = this.#options;
    // Before anything of the body is kept.
    if (!mayAdminister(access, fields.get('authorization'), access.trustLocal && isLocal(request)))
      throw new GatewayError('admin_token_invalid', NO_TOKEN + (access.trustLocal ? NOT_LOCAL : ''));
    const body = await wholeBody(request, MAX_ADMIN_BODY_BYTES);
    const reply = await this.#admin.ask((id) => ({
      type: 'admin',
      id,
      method: method === 'HEAD' ? 'GET' : method,
      path,
      body,
    }));
    return {
      status: reply.status,
      fields: JSON_TYPE + fieldLine('x-request-id', requestIdOf(fields)),
      body: reply.body,
    };
  }

  adminReply(reply: AdminReply): void {
    this.#admin.settle(reply);
  }

  close(): void {
    const stopping = (): GatewayError => new GatewayError('shutting_down', 'The gateway is stopping.');
    this.#metrics.close(stopping);
    this.#admin.close(stopping);
  }
}
