import { GatewayError } from '../errors/gateway-error.ts';
import { routeOf } from '../pipeline/inbound-adapter.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { Prepared } from '../pipeline/prepared.ts';
import type { HeaderFields } from '../http1/fields.ts';
import type { ModelRoute } from '../providers/types.ts';
import type { Incoming } from '../server/incoming.ts';
import type { Admission, Permit } from '../limits/admission.ts';
import { answerWith, asGatewayError, errorAnswer } from '../call/answers.ts';
import { authenticate, authenticateAgain, checkModel, checkPassthrough } from '../keys/authenticate.ts';
import { checkQuota } from '../limits/quota.ts';
import { readBody, readFailure } from './body.ts';
import type { CallDeps } from '../call/call-deps.ts';
import { Exchange } from '../call/exchange.ts';
import { hopsOf, identityOf } from '../call/hops.ts';
import type { KnownKey } from '../keys/key-cache.ts';
import { LARGE_BODY_BYTES, type LargeBodies } from './large-bodies.ts';
import { requestIdOf } from './request-id.ts';
import type { UnfinishedBodies } from '../limits/unfinished-bodies.ts';

/** What a chat request needs on its way, wired once per thread. */
export interface ChatDeps extends CallDeps {
  readonly admission: Admission;
  readonly bodies: UnfinishedBodies;
  readonly largeBodies: LargeBodies;
  readonly pipeline: Pipeline;
  /** As the pipeline resolves. */
  readonly resolveModel: (model: string) => ModelRoute | null;
  readonly dedupScope: 'key' | 'global';
  readonly maxBodyBytes: number;
}

/**
 * `POST /v1/chat/completions` and `/v1/messages`: the way of a request up to dedup.
 *
 * accept → authenticate → body → admit → pipeline; what follows is an {@link Exchange}.
 */
export function handleChat(request: Incoming, deps: ChatDeps): void {
  new Arrival(request, deps).begin();
}

/**
 * A request until its {@link Exchange} takes over.
 *
 * Where key and body are at hand, as they nearly always are, all of it is one synchronous run: a promise more or less is
 * measurable here.
 */
class Arrival {
  readonly #request: Incoming;
  readonly #deps: ChatDeps;
  readonly #startedAtMs: number;
  readonly #requestId: string;
  #permit: Permit | null = null;
  /** Of the cache, when the key was looked up. */
  #generation = 0;
  #hops = 0;

  constructor(request: Incoming, deps: ChatDeps) {
    this.#request = request;
    this.#deps = deps;
    this.#startedAtMs = deps.now();
    this.#requestId = requestIdOf(request.fields);
  }

  begin(): void {
    try {
      const { keys, wallClockMs } = this.#deps;
      this.#hops = hopsOf(this.#request.fields);
      const found = authenticate(this.#request.fields, keys, wallClockMs());
      if (!(found instanceof Promise)) this.#readBody(found);
      else
        found.then(
          (key) => this.#readBody(key),
          (thrown: unknown) => this.#refuse(thrown),
        );
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  #readBody(key: KnownKey): void {
    try {
      const { admission, bodies, keys, maxBodyBytes, quota } = this.#deps;
      this.#generation = keys.generation;
      admission.checkOpen();
      checkQuota(key, quota);
      const reading = readBody(this.#request, maxBodyBytes);
      if (!(reading instanceof Promise)) this.#admit(key, reading);
      else {
        this.#request.meterBody(bodies.open(this.#request, key.slot));
        reading.then(
          (body) => this.#resume(key, body),
          (thrown: unknown) => this.#refuse(thrown),
        );
      }
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  /** A body that was waited for has come: the key may have been changed or revoked meanwhile. */
  #resume(key: KnownKey, body: Uint8Array): void {
    const { keys, quota, wallClockMs } = this.#deps;
    const goOn = (renewed: KnownKey): void => {
      this.#generation = keys.generation;
      if (this.#request.over)
        throw new GatewayError(
          'client_closed_request',
          'The client left before its key was looked up again.',
        );
      checkQuota(renewed, quota);
      this.#admit(renewed, body);
    };
    try {
      const again = authenticateAgain(key, this.#generation, keys, wallClockMs());
      if (again instanceof Promise) again.then(goOn).catch((thrown: unknown) => this.#refuse(thrown));
      else goOn(again);
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  /** The whole body is here: only from now on does the request take a place. */
  #admit(key: KnownKey, body: Uint8Array): void {
    try {
      const { admission, dialect, dedupScope, largeBodies, now, pipeline, rates } = this.#deps;
      const { resolveModel, wallClockMs } = this.#deps;
      const request = this.#request;
      const bodyAtMs = now();
      const permit = admission.enter();
      this.#permit = permit;
      rates?.admit(key, wallClockMs());
      const forwardedHeaders = dialect.headers.forwardedOf(request.fields);
      const input = {
        body,
        dialect: dialect.id,
        scope: dedupScope === 'global' ? 'global' : key.id,
        routePath: dialect.clientPaths.call[0],
        headers: identityOf(forwardedHeaders, this.#hops),
        passthrough: wantsPassthrough(request.fields, key),
      };
      if (body.byteLength < LARGE_BODY_BYTES) {
        this.#exchange(key, permit, pipeline.prepare(input), forwardedHeaders, bodyAtMs);
        return;
      }
      largeBodies
        .prepare(request, key.slot, input)
        .then((fields) => {
          const prepared = new Prepared(routeOf(resolveModel, fields.model), fields);
          this.#exchange(key, permit, prepared, forwardedHeaders, bodyAtMs);
        })
        .catch((thrown: unknown) => this.#refuse(thrown));
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  #exchange(
    key: KnownKey,
    permit: Permit,
    prepared: Prepared,
    forwardedHeaders: string,
    bodyAtMs: number,
  ): void {
    checkModel(key, prepared.model);
    permit.countAs(prepared.stream);
    const exchange = new Exchange({
      request: this.#request,
      requestId: this.#requestId,
      key,
      generation: this.#generation,
      prepared,
      forwardedHeaders,
      hops: this.#hops,
      permit,
      deps: this.#deps,
      startedAtMs: this.#startedAtMs,
      bodyAtMs,
    });
    exchange.run();
  }

  #refuse(thrown: unknown): void {
    const { dialect, maxBodyBytes, onDefect, recorder } = this.#deps;
    this.#permit?.leave();
    this.#permit = null;
    const error = asGatewayError(readFailure(thrown, maxBodyBytes));
    recorder.refused(error);
    if (error.code === 'internal_error') onDefect(error, this.#requestId);
    answerWith(this.#request, errorAnswer(dialect, error, this.#requestId));
  }
}

function wantsPassthrough(fields: HeaderFields, key: KnownKey): boolean {
  if (fields.get('x-tokenrouter-passthrough') !== 'on') return false;
  checkPassthrough(key);
  return true;
}
