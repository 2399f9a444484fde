import { holdNanoUsd } from '../billing/quota.ts';
import { tokensOf } from '../billing/usage.ts';
import type { AnswerHead, AnswerMeta } from '../dedup/answer.ts';
import { DedupTable, MAX_ATTEMPTS, type Lead } from '../dedup/dedup-table.ts';
import { answerConversion } from '../dialects/answer-conversions.ts';
import { dialectOf } from '../dialects/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Prepared } from '../pipeline/prepared.ts';
import { chooseTarget, type Target } from '../routing/target.ts';
import type { DedupRole } from '../shared/labels.ts';
import type { ClientWatch, Incoming } from '../server/incoming.ts';
import { fieldLine } from '../server/reply-head.ts';
import type { Place } from './admission.ts';
import { answerWith, asGatewayError, errorAnswer } from './answers.ts';
import { authenticateAgain, checkModel, checkPassthrough, checkQuota } from './authenticate.ts';
import type { ChatDeps } from './chat.ts';
import { AnswerClient, type ClientEvents } from './clients.ts';
import type { KnownKey } from './key-cache.ts';
import { VendorCall, type VendorCallOwner, type VendorOutcome } from './vendor-call.ts';

const UNPRICED = 'no price is known for this model: its cost is not counted';
/** Longest warning that goes into a header; some proxies refuse larger heads. */
const MAX_WARNING_CHARACTERS = 1_024;
const NO_WARNINGS: readonly string[] = [];

/**
 * One request from dedup to its last byte: leads or follows a call, and is its client in either case.
 *
 * Driven by the answer's events; every way out goes through {@link #close}, once.
 */
export class Exchange implements ClientEvents, ClientWatch, VendorCallOwner {
  readonly #request: Incoming;
  readonly requestId: string;
  #key: KnownKey;
  /** Of the cache, when the key was looked up. */
  #generation: number;
  readonly #prepared: Prepared;
  /** Field lines of the client's that a vendor of its dialect gets. */
  readonly #meaning: string;
  /** Gateways that the request has come through. */
  readonly #hops: number;
  readonly #place: Place;
  readonly #deps: ChatDeps;
  readonly #bodyAtMs: number;
  #shared: boolean;
  #client: AnswerClient | null = null;
  /** Where it leads: the call, where that goes, and what is held for it in nano-USD. */
  #lead: Lead | null = null;
  #target: Target | null = null;
  #heldNanoUsd = 0;
  #role: DedupRole = 'off';
  #counted = false;
  #attempt = 0;
  /** When the wait for the vendor (or for the leader) began and ended; -1: not yet. */
  #waitFromMs = -1;
  #waitToMs = -1;
  #firstBytesAtMs = -1;
  #status = 200;
  #closed = false;
  #warnings = NO_WARNINGS;
  readonly #startedAtMs: number;

  constructor(
    request: Incoming,
    requestId: string,
    key: KnownKey,
    generation: number,
    prepared: Prepared,
    meaning: string,
    hops: number,
    place: Place,
    deps: ChatDeps,
    startedAtMs: number,
    bodyAtMs: number,
  ) {
    this.#request = request;
    this.requestId = requestId;
    this.#key = key;
    this.#generation = generation;
    this.#prepared = prepared;
    this.#meaning = meaning;
    this.#hops = hops;
    this.#place = place;
    this.#deps = deps;
    this.#startedAtMs = startedAtMs;
    this.#bodyAtMs = bodyAtMs;
    this.#warnings = prepared.warnings;
    this.#shared =
      deps.dedup !== null &&
      prepared.shareable &&
      key.dedup &&
      request.fields.get('x-tokenrouter-dedup') !== 'off';
  }

  /** Sets it going; the answer comes when it comes. */
  run(): void {
    this.#deps.quota.touch(this.#key.slot, this.#deps.wallClockMs());
    this.#request.watch = this;
    this.#request.forgetHead();
    this.#lookUp();
  }

  lookUpAgain(last: boolean): void {
    if (last) this.#attempt = MAX_ATTEMPTS;
    this.#lookUp();
  }

  fields(head: AnswerHead, meta: AnswerMeta | null): string {
    this.#status = head.status;
    let fields = `x-request-id: ${this.requestId}\r\nx-tokenrouter-provider: ${this.#prepared.route.provider.id}\r\nx-tokenrouter-dedup: ${this.#role}\r\nx-tokenrouter-prefix-hash: ${this.#prepared.prefixHash}\r\n`;
    if (this.#warnings.length > 0) fields += warningLine(this.#warnings);
    if (this.#deps.dialect.id === 'anthropic-messages') fields += `request-id: ${this.requestId}\r\n`;
    if (meta !== null && meta.cacheReadTokens !== null)
      fields += `x-tokenrouter-cached-tokens: ${meta.cacheReadTokens}\r\n`;
    if (meta !== null && meta.costNanoUsd !== null) {
      const costUsd = this.#role === 'follower' ? 0 : meta.costNanoUsd / 1e9;
      fields += `x-tokenrouter-cost-usd: ${costUsd.toFixed(9)}\r\n`;
    }
    return fields;
  }

  firstBytes(): void {
    this.#firstBytesAtMs = this.#deps.now();
  }

  finished(meta: AnswerMeta | null, error: GatewayError | null, begun: boolean): void {
    if (this.#waitToMs < 0) this.#waitToMs = this.#deps.now();
    if (error !== null) {
      this.#end(error, begun);
      return;
    }
    if (this.#role === 'follower' && meta !== null && meta.costNanoUsd !== null) {
      this.#deps.recorder.dedupSavings(meta.costNanoUsd);
    }
    this.#close(this.#status);
  }

  /** Looks the call up, and before that the key again: it may have been revoked while this request waited. */
  #lookUp(): void {
    try {
      const { keys, wallClockMs } = this.#deps;
      const key = authenticateAgain(this.#key, this.#generation, keys, wallClockMs());
      if (!(key instanceof Promise)) this.#acquire(key);
      else
        key
          .then((renewed) => {
            if (!this.#closed) this.#acquire(renewed);
          })
          .catch((thrown: unknown) => this.#failed(thrown));
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  #failed(thrown: unknown): void {
    const error = asGatewayError(thrown);
    // A defect is told even where nobody waits for the answer any more.
    if (error.code === 'internal_error') this.#deps.onDefect(error, this.requestId);
    if (!this.#closed) this.#end(error, false);
  }

  #acquire(key: KnownKey): void {
    const { dedup, budget, keys } = this.#deps;
    this.#generation = keys.generation;
    if (key !== this.#key) this.#changed(key);
    if (!this.#shared || dedup === null) {
      this.#call(DedupTable.unshared(budget), 'off');
      return;
    }
    const found = dedup.acquire(this.#prepared.fullHash, this.#attempt++);
    if (found.role === 'leader') {
      this.#call(found, 'leader');
      return;
    }
    this.#count('follower');
    this.#waitFromMs = this.#deps.now();
    this.#attach(found.answer);
  }

  /** The key is another one than the request came with: what was checked by the old record is checked by this one. */
  #changed(key: KnownKey): void {
    const { model, passthrough } = this.#prepared;
    this.#key = key;
    checkQuota(key, this.#deps.quota);
    if (passthrough) checkPassthrough(key);
    checkModel(key, model);
    if (!key.dedup) this.#shared = false;
  }

  #attach(answer: Lead['answer']): void {
    this.#client ??= new AnswerClient(this.#request, this, this.#deps.dialect);
    this.#client.follow(answer);
  }

  /** The one that calls the vendor: money first, then the call. */
  #call(lead: Lead, role: 'leader' | 'off'): void {
    const { calls, dialect, prices, providerLimit, transports, heads, now, wallClockMs } = this.#deps;
    const prepared = this.#prepared;
    const { provider, upstreamModel } = prepared.route;
    const price = prices.find(provider.id, upstreamModel);
    if (price === null && !this.#warnings.includes(UNPRICED)) this.#warnings = [...this.#warnings, UNPRICED];
    const held =
      price === null ? 0 : holdNanoUsd(price, prepared.inputSize, prepared.maxOutputTokens, prepared.n);
    try {
      providerLimit?.enter(provider.id);
      this.#hold(held);
    } catch (thrown) {
      // Its own limit: a follower may still have money, so it looks the call up again and leads.
      lead.gone();
      throw thrown;
    }
    this.#lead = lead;
    this.#heldNanoUsd = held;
    const target = chooseTarget(provider, prepared.affinityHash);
    this.#target = target;
    this.#count(role);
    const call = new VendorCall({
      keyId: this.#key.id,
      calls,
      answer: lead.answer,
      dialect: dialectOf(provider.profile.dialect),
      clientDialect: dialect,
      conversion: answerConversion(dialect.id, provider.profile.dialect),
      context: prepared.converted
        ? {
            model: prepared.model,
            usageRequested: prepared.usageRequested,
            nowS: Math.floor(wallClockMs() / 1_000),
          }
        : null,
      origin: target.origin,
      price,
      inputSize: prepared.inputSize,
      stripUsage: prepared.usageAdded,
      wallClockMs,
      owner: this,
    });
    this.#attach(lead.answer);
    this.#waitFromMs = now();
    call.start(
      transports.of(target.origin),
      heads.chat(target, prepared, this.#meaning, this.#hops),
      prepared.takeParts(),
    );
  }

  #hold(amountNanoUsd: number): void {
    const { quota, providerLimit } = this.#deps;
    if (quota.tryHold(this.#key, amountNanoUsd)) return;
    providerLimit?.leave(this.#prepared.route.provider.id);
    throw new GatewayError(
      'insufficient_quota',
      'What is left of the quota of this API key does not cover this request beside those that run.',
    );
  }

  settle(outcome: VendorOutcome): void {
    if (this.#waitToMs < 0) this.#waitToMs = this.#deps.now();
    this.#lead?.release();
    this.#lead = null;
    const { quota, rates, providerLimit, recorder, wallClockMs } = this.#deps;
    providerLimit?.leave(this.#prepared.route.provider.id);
    quota.settle(this.#key.slot, this.#heldNanoUsd, outcome.costNanoUsd ?? 0);
    if (outcome.usage !== null) rates?.used(this.#key, tokensOf(outcome.usage), wallClockMs());
    if (this.#target !== null) recorder.vendor(this.#target, this.#prepared.route.upstreamModel, outcome);
  }

  recalled(body: readonly Uint8Array[]): void {
    this.#prepared.putBack(body);
    // What it waited for was no answer.
    this.#waitToMs = -1;
  }

  #count(role: DedupRole): void {
    const before = this.#role;
    this.#role = role;
    // A request that looks up again is still one request.
    if (this.#counted && (role === 'follower' || role === before)) return;
    this.#counted = true;
    this.#deps.recorder.dedupRole(role);
  }

  clientLeft(): void {
    if (this.#closed) return;
    this.#client?.leave();
    this.#close(499);
  }

  #end(error: GatewayError, begun: boolean): void {
    this.#deps.recorder.rejected(error);
    this.#close(begun ? this.#status : error.spec.status);
    if (begun) return;
    const answer = errorAnswer(
      this.#deps.dialect,
      error,
      this.requestId,
      fieldLine('x-tokenrouter-provider', this.#prepared.route.provider.id) +
        fieldLine('x-tokenrouter-dedup', this.#role),
    );
    answerWith(this.#request, answer);
  }

  /** Every way out leads here, once: the place is given back and the request counted. */
  #close(status: number): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#place.leave();
    const endedAtMs = this.#deps.now();
    const waitedMs =
      this.#waitFromMs < 0 ? 0 : (this.#waitToMs < 0 ? endedAtMs : this.#waitToMs) - this.#waitFromMs;
    this.#deps.recorder.request(
      this.#prepared,
      status,
      endedAtMs - this.#startedAtMs,
      Math.max(0, endedAtMs - this.#bodyAtMs - waitedMs),
      this.#firstBytesAtMs < 0 ? -1 : this.#firstBytesAtMs - this.#startedAtMs,
    );
  }
}

function warningLine(warnings: readonly string[]): string {
  const text = warnings.join('; ');
  const cut = text.length > MAX_WARNING_CHARACTERS ? `${text.slice(0, MAX_WARNING_CHARACTERS)}...` : text;
  return fieldLine('x-tokenrouter-warning', cut);
}
