import type { AnswerHead, AnswerMeta } from '../dedup/shared-response.ts';
import { DedupTable, MAX_ATTEMPTS, type Lead } from '../dedup/dedup-table.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { Prepared } from '../pipeline/prepared.ts';
import type { DedupRole } from '../shared/labels.ts';
import type { ClientWatch, Incoming } from '../server/incoming.ts';
import { fieldLine } from '../http1/fields.ts';
import type { Permit } from '../limits/admission.ts';
import { answerWith, asGatewayError, errorAnswer } from './answers.ts';
import { authenticateAgain, checkModel, checkPassthrough } from '../keys/authenticate.ts';
import { checkQuota } from '../limits/quota.ts';
import type { CallDeps } from './call-deps.ts';
import { AnswerClient, type ClientEvents } from './clients.ts';
import type { KnownKey } from '../keys/key-cache.ts';
import { LeadCall, type Beginner, type CallRequest } from './lead-call.ts';

/** Longest warning that goes into a header; some proxies refuse larger heads. */
const MAX_WARNING_CHARACTERS = 1_024;

export interface ExchangeOptions extends CallRequest {
  readonly request: Incoming;
  /** As it was when the request was let in. */
  readonly key: KnownKey;
  /** Of the cache, when the key was looked up. */
  readonly generation: number;
  readonly permit: Permit;
  readonly startedAtMs: number;
  readonly bodyAtMs: number;
}

/**
 * One client from dedup to its last byte: its place, what it was told, its timing. It follows a call, which it may have begun
 * ({@link LeadCall}): that lives on without it.
 *
 * Driven by the answer's events; every way out goes through {@link #close}, once.
 */
export class Exchange implements ClientEvents, ClientWatch, Beginner {
  readonly #options: ExchangeOptions;
  readonly requestId: string;
  /** As it is now: it may have changed since the request came. */
  #key: KnownKey;
  #generation: number;
  #shared: boolean;
  #client: AnswerClient | null = null;
  /** The call it has begun. */
  #begun: LeadCall | null = null;
  #role: DedupRole = 'off';
  #counted = false;
  #attempt = 0;
  /** When the wait for the vendor (or for the leader) began and ended; -1: not yet. */
  #waitFromMs = -1;
  #waitToMs = -1;
  #firstBytesAtMs = -1;
  #status = 200;
  #closed = false;
  #warnings: readonly string[];

  constructor(options: ExchangeOptions) {
    const { deps, generation, key, prepared, request, requestId } = options;
    this.#options = options;
    this.requestId = requestId;
    this.#key = key;
    this.#generation = generation;
    this.#warnings = prepared.warnings;
    this.#shared =
      deps.dedup !== null &&
      prepared.shareable &&
      key.dedup &&
      request.fields.get('x-tokenrouter-dedup') !== 'off';
  }

  get #deps(): CallDeps {
    return this.#options.deps;
  }

  get #prepared(): Prepared {
    return this.#options.prepared;
  }

  /** Sets it going; the answer comes when it comes. */
  run(): void {
    this.#deps.quota.touch(this.#key.slot, this.#deps.wallClockMs());
    this.#options.request.watch = this;
    this.#options.request.forgetHead();
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
    fields += this.#deps.dialect.headers.requestIdLine(this.requestId);
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

  refused(error: GatewayError): void {
    // Not the end of the answer, which says to look the call up again, but its own.
    this.#client?.leave();
    if (!this.#closed) this.#end(error, false);
  }

  warn(warning: string): void {
    if (!this.#warnings.includes(warning)) this.#warnings = [...this.#warnings, warning];
  }

  vendorBegins(): void {
    this.#count(this.#shared && this.#deps.dedup !== null ? 'leader' : 'off');
    this.#waitFromMs = this.#deps.now();
  }

  vendorEnds(): void {
    if (this.#waitToMs < 0) this.#waitToMs = this.#deps.now();
  }

  #acquire(key: KnownKey): void {
    const { dedup, budget, keys } = this.#deps;
    this.#generation = keys.generation;
    if (key !== this.#key) this.#changed(key);
    if (!this.#shared || dedup === null) {
      this.#lead(DedupTable.unshared(budget));
      return;
    }
    const found = dedup.acquire(this.#prepared.fullHash, this.#attempt++);
    if (found.role === 'leader') {
      this.#lead(found);
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
    this.#client ??= new AnswerClient(this.#options.request, this, this.#deps.dialect);
    this.#client.follow(answer);
  }

  /** Begins the call, and is its first client. */
  #lead(lead: Lead): void {
    const call = new LeadCall({ lead, key: this.#key, request: this.#options, beginner: this });
    this.#begun = call;
    this.#attach(lead.answer);
    call.begin();
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
    answerWith(this.#options.request, answer);
  }

  /** Every way out leads here, once: the permit is given back and the request counted. */
  #close(status: number): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#begun?.beginnerLeft();
    this.#options.permit.leave();
    const endedAtMs = this.#deps.now();
    const waitedMs =
      this.#waitFromMs < 0 ? 0 : (this.#waitToMs < 0 ? endedAtMs : this.#waitToMs) - this.#waitFromMs;
    this.#deps.recorder.request(
      this.#prepared,
      status,
      endedAtMs - this.#options.startedAtMs,
      Math.max(0, endedAtMs - this.#options.bodyAtMs - waitedMs),
      this.#firstBytesAtMs < 0 ? -1 : this.#firstBytesAtMs - this.#options.startedAtMs,
    );
  }
}

function warningLine(warnings: readonly string[]): string {
  const text = warnings.join('; ');
  const cut = text.length > MAX_WARNING_CHARACTERS ? `${text.slice(0, MAX_WARNING_CHARACTERS)}...` : text;
  return fieldLine('x-tokenrouter-warning', cut);
}
