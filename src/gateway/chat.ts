import type { QuotaLedger } from '../billing/quota.ts';
import type { PriceTable } from '../billing/prices.ts';
import type { DedupTable } from '../dedup/dedup-table.ts';
import type { ReplayBudget } from '../dedup/replay-budget.ts';
import type { Dialect } from '../dialects/types.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { HeaderFields } from '../http1/fields.ts';
import type { Incoming } from '../server/incoming.ts';
import type { KeyRecord } from '../storage/key-record.ts';
import type { TransportChooser } from '../upstream/transport.ts';
import type { Admission, Place } from './admission.ts';
import { answerWith, asGatewayError, errorAnswer } from './answers.ts';
import { authenticate, checkModel } from './authenticate.ts';
import { readBody, readFailure } from './body.ts';
import { Exchange } from './exchange.ts';
import { hopsOf, identityOf } from './hops.ts';
import type { KeyCache } from './key-cache.ts';
import type { ProviderLimit, RateLimiter } from './limits.ts';
import type { Recorder } from './recorder.ts';
import type { RequestHeads } from './request-heads.ts';
import { requestIdOf } from './request-id.ts';
import { meaningOf } from './vendor-headers.ts';

/** What a chat request needs on its way, wired once per thread. */
export interface ChatDeps {
  /** What clients of this route speak. */
  readonly dialect: Dialect;
  readonly routePath: string;
  readonly keys: KeyCache;
  readonly admission: Admission;
  readonly pipeline: Pipeline;
  /** null when DEDUP_ENABLED is off. */
  readonly dedup: DedupTable | null;
  readonly dedupScope: 'key' | 'global';
  readonly budget: ReplayBudget;
  readonly quota: QuotaLedger;
  /** null when RATE_LIMIT_ENABLED is off. */
  readonly rates: RateLimiter | null;
  /** null when PROVIDER_CONCURRENT_LIMIT is unset. */
  readonly providerLimit: ProviderLimit | null;
  readonly prices: PriceTable;
  readonly transports: TransportChooser;
  readonly heads: RequestHeads;
  readonly recorder: Recorder;
  readonly maxBodyBytes: number;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly wallClockMs: () => number;
  /** A defect of the gateway itself: the client learns nothing of it, the operator all. */
  readonly onDefect: (error: GatewayError, requestId: string) => void;
}

/**
 * `POST /v1/chat/completions` and `/v1/messages`: the way of a request up to dedup.
 *
 * accept → authenticate → admit → body → pipeline; what follows is an {@link Exchange}.
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
  #place: Place | null = null;
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
      if (!(found instanceof Promise)) this.#admit(found);
      else
        found.then(
          (key) => this.#admit(key),
          (thrown: unknown) => this.#refuse(thrown),
        );
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  #admit(key: KeyRecord): void {
    try {
      const { admission, maxBodyBytes, quota, rates, wallClockMs } = this.#deps;
      if (quota.exhausted(key)) {
        throw new GatewayError('insufficient_quota', 'This API key has used up its quota.');
      }
      this.#place = admission.enter();
      rates?.admit(key, wallClockMs());
      const reading = readBody(this.#request, maxBodyBytes);
      if (!(reading instanceof Promise)) this.#prepare(key, this.#place, reading);
      else {
        const place = this.#place;
        reading.then(
          (body) => this.#prepare(key, place, body),
          (thrown: unknown) => this.#refuse(thrown),
        );
      }
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  #prepare(key: KeyRecord, place: Place, body: Uint8Array): void {
    try {
      const deps = this.#deps;
      const request = this.#request;
      const bodyAtMs = deps.now();
      const meaning = meaningOf(request.fields, deps.dialect.id);
      const prepared = deps.pipeline.prepare({
        body,
        dialect: deps.dialect.id,
        scope: deps.dedupScope === 'global' ? 'global' : key.id,
        routePath: deps.routePath,
        headers: identityOf(meaning, this.#hops),
        passthrough: wantsPassthrough(request.fields, key),
      });
      checkModel(key, prepared.model);
      place.settle(prepared.stream);
      new Exchange(
        request,
        this.#requestId,
        key,
        prepared,
        meaning,
        this.#hops,
        place,
        deps,
        this.#startedAtMs,
        bodyAtMs,
      ).run();
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  #refuse(thrown: unknown): void {
    const { dialect, maxBodyBytes, onDefect, recorder } = this.#deps;
    this.#place?.leave();
    this.#place = null;
    const error = asGatewayError(readFailure(thrown, maxBodyBytes));
    recorder.refused(error);
    if (error.code === 'internal_error') onDefect(error, this.#requestId);
    answerWith(this.#request, errorAnswer(dialect, error, this.#requestId));
  }
}

function wantsPassthrough(fields: HeaderFields, key: KeyRecord): boolean {
  if (fields.get('x-tokenrouter-passthrough') !== 'on') return false;
  if (key.passthrough) return true;
  throw new GatewayError('passthrough_not_allowed', 'This API key may not use byte-exact mode.');
}
