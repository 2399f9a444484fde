import { mayAdminister, type AdminAccess } from '../admin/access.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { AdminCall } from '../primary/messages.ts';
import type { Scrape, Scraped } from '../telemetry/thread.ts';
import type { Incoming } from '../server/incoming.ts';
import { fieldLine } from '../http1/fields.ts';
import { JSON_TYPE, jsonAnswer, type WholeAnswer } from './answers.ts';
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

interface Waiting {
  readonly resolve: (answer: WholeAnswer) => void;
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
  #scrape: Promise<WholeAnswer> | null = null;
  /** Number of the question that {@link #scrape} waits for. */
  #scrapeId = 0;
  #nextId: number;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.#nextId = options.firstId;
    this.#metrics = this.#listen(options.metrics);
  }

  /** A new metrics thread: it is asked what the old one has not answered. */
  reconnectMetrics(port: MessagePort): void {
    this.#metrics.close();
    this.#metrics = this.#listen(port);
    if (this.#scrape !== null) port.postMessage({ id: this.#scrapeId } satisfies Scrape);
  }

  readiness(): WholeAnswer {
    const { ready, reason } = this.#options.ready();
    return ready ? jsonAnswer({ status: 'ready' }) : jsonAnswer({ status: 'not_ready', reason }, 503);
  }

  /** Prometheus text. Whoever asks while it is being made gets the same. */
  scrape(): Promise<WholeAnswer> {
    this.#scrape ??= this.#ask((id) => {
      this.#scrapeId = id;
      this.#metrics.postMessage({ id } satisfies Scrape);
    }).finally(() => {
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
    const answer = await this.#ask((id) =>
      this.#options.send({
        type: 'admin',
        id,
        method: method === 'HEAD' ? 'GET' : method,
        path,
        body,
      }),
    );
    return { ...answer, fields: answer.fields + fieldLine('x-request-id', requestIdOf(fields)) };
  }

  adminReply(id: number, status: number, body: string): void {
    this.#settle(id, { status, fields: JSON_TYPE, body });
  }

  close(): void {
    this.#metrics.close();
  }

  #listen(port: MessagePort): MessagePort {
    port.onmessage = ({ data: { id, text } }: MessageEvent<Scraped>) =>
      this.#settle(id, { status: 200, fields: PROMETHEUS_TYPE, body: text });
    return port;
  }

  #ask(send: (id: number) => void): Promise<WholeAnswer> {
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

  #settle(id: number, answer: WholeAnswer): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(answer);
  }
}
