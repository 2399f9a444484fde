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
export async function handleChat(request: Incoming, deps: ChatDeps): Promise<void> {
  const startedAtMs = deps.now();
  const requestId = requestIdOf(request.fields);
  let place: Place | null = null;
  try {
    // What is at hand is not waited for: a promise more or less is measurable here.
    const found = authenticate(request.fields, deps.keys, deps.wallClockMs());
    const key = found instanceof Promise ? await found : found;
    if (deps.quota.exhausted(key)) {
      throw new GatewayError('insufficient_quota', 'This API key has used up its quota.');
    }
    place = deps.admission.enter();
    deps.rates?.admit(key, deps.wallClockMs());
    const reading = readBody(request, deps.maxBodyBytes);
    const body = reading instanceof Promise ? await reading : reading;
    const bodyAtMs = deps.now();
    const meaning = meaningOf(request.fields, deps.dialect.id);
    const prepared = deps.pipeline.prepare({
      body,
      dialect: deps.dialect.id,
      scope: deps.dedupScope === 'global' ? 'global' : key.id,
      routePath: deps.routePath,
      headers: meaning,
      passthrough: wantsPassthrough(request.fields, key),
    });
    checkModel(key, prepared.model);
    place.settle(prepared.stream);
    new Exchange(request, requestId, key, prepared, meaning, place, deps, startedAtMs, bodyAtMs).run();
  } catch (thrown) {
    place?.leave();
    const error = asGatewayError(readFailure(thrown, deps.maxBodyBytes));
    deps.recorder.refused(error);
    if (error.code === 'internal_error') deps.onDefect(error, requestId);
    answerWith(request, errorAnswer(deps.dialect, error, requestId));
  }
}

function wantsPassthrough(fields: HeaderFields, key: KeyRecord): boolean {
  if (fields.get('x-tokenrouter-passthrough') !== 'on') return false;
  if (key.passthrough) return true;
  throw new GatewayError('passthrough_not_allowed', 'This API key may not use byte-exact mode.');
}
