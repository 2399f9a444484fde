import { costNanoUsd, savingsNanoUsd } from '../billing/cost.ts';
import type { Price } from '../billing/prices.ts';
import { holdNanoUsd } from '../limits/quota.ts';
import { tokensOf } from '../billing/usage.ts';
import type { AnswerHead, AnswerMeta, AnswerProducer } from '../dedup/shared-response.ts';
import type { Lead } from '../dedup/dedup-table.ts';
import { answerConversion } from '../dialects/answer-conversions.ts';
import { dialectOf } from '../dialects/registry.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { Prepared } from '../pipeline/prepared.ts';
import { chooseTarget, type Target } from '../routing/target.ts';
import { asGatewayError } from './answers.ts';
import type { CallDeps } from './call-deps.ts';
import type { KnownKey } from '../keys/key-cache.ts';
import type { VendorOutcome } from './recorder.ts';
import { Reservation } from './reservation.ts';
import type { KeyedCall } from './running-calls.ts';
import { Attempt, type AttemptFailure, type AttemptOwner } from './attempt.ts';

const UNPRICED = 'no price is known for this model: its cost is not counted';

/** The client that has begun a call, for as long as it stays. Its answer comes to it as to any other client. */
export interface Beginner {
  /** It shall know this beside the answer. */
  warn(warning: string): void;
  /** A vendor is called now; what the call has to have for that, it has. */
  vendorBegins(): void;
  /** The vendor's part is over: time that passes from here on is the gateway's own. */
  vendorEnds(): void;
  /** Its call never begins, for a reason of its own: it gets this, and nothing of the answer. */
  refused(error: GatewayError): void;
}

/** The request that a call is made for, as far as that need know it. */
export interface CallRequest {
  readonly prepared: Prepared;
  /** Field lines of the client's that a vendor of its dialect gets. */
  readonly forwardedHeaders: string;
  /** Gateways that the request has come through. */
  readonly hops: number;
  /** Of the request that began it, for defects. */
  readonly requestId: string;
  readonly deps: CallDeps;
}

export interface LeadCallOptions {
  readonly lead: Lead;
  /** Who pays. */
  readonly key: KnownKey;
  readonly request: CallRequest;
  readonly beginner: Beginner;
}

/** What is left to be told to clients: the last record of a stream, all of an answer that has a head here, or a failure. */
interface Ending {
  /** As the client that began the call sees it. */
  readonly status: number;
  readonly head: AnswerHead | null;
  readonly failure: AttemptFailure | null;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  meta: AnswerMeta | null;
}

/** What comes next. */
const STEP = { Money: 0, Target: 1, Attempt: 2, Conclude: 3, Last: 4 } as const;

const NO_BYTES = new Uint8Array(0);

/**
 * A call that is paid for: from its claim to its account.
 *
 * ```
 *   money ──► target ──► attempt ──► conclude ──► last record and end, to all clients
 *     └─────────┴──────────┴── a limit of its own, a changed key: gone, its clients look it up again
 * ```
 *
 * It fills the shared answer from its first moment and lives as long as that has clients: the one that began it may leave.
 * {@link proceed} takes a step after the other. What a step has taken lies in the {@link Reservation}, which gives it back.
 */
export class LeadCall implements AttemptOwner, AnswerProducer, KeyedCall {
  readonly #request: CallRequest;
  readonly #key: KnownKey;
  readonly #lead: Lead;
  readonly #reservation: Reservation;
  #beginner: Beginner | null;
  #step = 0;
  #price: Price | null = null;
  #target: Target | null = null;
  #attempt: Attempt | null = null;
  /** The body is here, so that the call can go out once more. */
  #keepsBody = true;
  /** Held back until the call is concluded. */
  #ending: Ending | null = null;
  #over = false;
  previous: KeyedCall | null = null;
  next: KeyedCall | null = null;

  constructor({ beginner, key, lead, request }: LeadCallOptions) {
    const { providerLimit, quota } = request.deps;
    this.#request = request;
    this.#key = key;
    this.#lead = lead;
    lead.answer.producer = this;
    this.#beginner = beginner;
    this.#reservation = new Reservation({ lead, quota, providerLimit });
  }

  get keyId(): string {
    return this.#key.id;
  }

  begin(): void {
    this.#request.deps.calls.add(this);
    this.proceed();
  }

  /** The client that began it leaves; those that follow it stay. */
  beginnerLeft(): void {
    this.#beginner = null;
  }

  /**
   * Takes the next step. A step ends with this once it has what it needs: at once where there is nothing to wait for, so that
   * nothing is allocated for the waiting; else whatever it waits for calls this or {@link refuse}, at any time.
   */
  proceed(): void {
    // What is left once it is paid for is to tell its clients.
    if (this.#over && this.#step !== STEP.Last) return;
    try {
      switch (this.#step++) {
        case STEP.Money:
          this.#holdMoney();
          break;
        case STEP.Target:
          this.#takeTarget();
          break;
        case STEP.Attempt:
          this.#try();
          break;
        case STEP.Conclude:
          this.#close();
          break;
        case STEP.Last:
          this.#sendLast();
          break;
        default:
          throw new Error('a call has no more steps than these');
      }
    } catch (thrown) {
      this.refuse(thrown);
    }
  }

  /**
   * Its own limit or a defect stops it before anything has gone out. That is told to the client that began it alone: a follower
   * may still have money, so it looks the call up again and leads.
   */
  refuse(thrown: unknown): void {
    const { deps, requestId } = this.#request;
    const error = asGatewayError(thrown);
    if (error.code === 'internal_error') deps.onDefect(error, requestId);
    if (this.#over) return;
    this.#attempt?.abort();
    try {
      this.#giveBack(0);
      this.#beginner?.refused(error);
    } finally {
      this.#lead.gone();
    }
  }

  onDemand(wanted: boolean): void {
    this.#attempt?.onDemand(wanted);
  }

  /** Nobody listens any more. */
  onAbandoned(): void {
    if (this.#over) return;
    this.#conclude(499);
    this.#attempt?.abort();
    this.#lead.answer.fail('client_closed_request', 'Every client of this call has left.');
  }

  /** A call that waits must not start any more once its key is revoked: all look it up again. What has gone out runs on. */
  keyChanged(): void {
    if (this.#over || this.#attempt?.recall() === false) return;
    this.#giveBack(0);
    this.#lead.gone();
  }

  begun(head: AnswerHead): void {
    this.#lead.answer.head(head);
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    if (this.#keepsBody) this.#letGoOfBody();
    this.#lead.answer.append(bytes, start, end);
  }

  ended(status: number, bytes: Uint8Array, start: number, end: number): void {
    this.#ending = { status, head: null, failure: null, bytes, start, end, meta: null };
    this.proceed();
  }

  endedWhole(head: AnswerHead, bytes: Uint8Array, start: number, end: number): void {
    this.#ending = { status: head.status, head, failure: null, bytes, start, end, meta: null };
    this.proceed();
  }

  failed(failure: AttemptFailure): void {
    this.#ending = { status: 502, head: null, failure, bytes: NO_BYTES, start: 0, end: 0, meta: null };
    this.proceed();
  }

  #holdMoney(): void {
    const { deps, prepared } = this.#request;
    const { provider, upstreamModel } = prepared.route;
    const price = deps.prices.find(provider.id, upstreamModel);
    this.#price = price;
    if (price === null) this.#beginner?.warn(UNPRICED);
    const { inputSize, maxOutputTokens, n } = prepared;
    this.#reservation.hold(this.#key, price === null ? 0 : holdNanoUsd(price, inputSize, maxOutputTokens, n));
    this.proceed();
  }

  #takeTarget(): void {
    const { prepared } = this.#request;
    const target = chooseTarget(prepared.route.provider, prepared.affinityHash);
    this.#reservation.enter(target.provider.id);
    this.#target = target;
    this.proceed();
  }

  #try(): void {
    const target = this.#target;
    if (target === null) throw new Error('a call without a target');
    const { deps, forwardedHeaders, hops, prepared } = this.#request;
    const { dialect: clientDialect, heads, transports, wallClockMs } = deps;
    const { profile } = target.provider;
    const transport = transports.of(target.origin);
    const head = heads.chat(target, prepared, forwardedHeaders, hops);
    const attempt = new Attempt({
      owner: this,
      target,
      dialect: dialectOf(profile.dialect),
      clientDialect,
      conversion: answerConversion(clientDialect.id, profile.dialect),
      context: prepared.converted
        ? {
            model: prepared.model,
            usageRequested: prepared.usageRequested,
            nowS: Math.floor(wallClockMs() / 1_000),
            unique: crypto.randomUUID(),
          }
        : null,
      prepared,
      wallClockMs,
    });
    this.#attempt = attempt;
    this.#beginner?.vendorBegins();
    attempt.start(transport, head, prepared.parts);
  }

  /** Nothing of the end is told before this is through. */
  #close(): void {
    const ending = this.#ending;
    if (ending === null) throw new Error('a call without an end');
    ending.meta = this.#conclude(ending.status);
    this.proceed();
  }

  /** The last record leaves, and behind it the end of each client's answer. */
  #sendLast(): void {
    const ending = this.#ending;
    if (ending === null) return;
    // A slow client may take long over the rest of it.
    this.#ending = null;
    const { answer } = this.#lead;
    const { bytes, end, failure, head, meta, start } = ending;
    if (failure !== null) answer.fail(failure.code, failure.message);
    else if (head === null) answer.last(bytes, start, end, meta);
    else answer.whole(head, bytes, start, end, meta);
  }

  /**
   * What the call has come to: everything is given back and counted before its clients hear of the end. A defect on the way must
   * keep neither what was taken nor the clients.
   */
  #conclude(status: number): AnswerMeta {
    const { deps, prepared, requestId } = this.#request;
    const outcome = this.#outcome(status);
    const { usage } = outcome;
    if (this.#keepsBody) this.#letGoOfBody();
    try {
      this.#beginner?.vendorEnds();
      this.#giveBack(outcome.costNanoUsd ?? 0);
      if (usage !== null) deps.rates?.used(this.#key, tokensOf(usage), deps.wallClockMs());
      if (this.#target !== null) deps.recorder.vendor(this.#target, prepared.route.upstreamModel, outcome);
    } catch (thrown) {
      deps.onDefect(asGatewayError(thrown), requestId);
    }
    return {
      costNanoUsd: outcome.costNanoUsd,
      cacheReadTokens: usage !== null && usage.cacheKnown ? usage.cacheRead : null,
    };
  }

  #outcome(status: number): VendorOutcome {
    const price = this.#price;
    try {
      const usage = this.#attempt?.takeUsage() ?? null;
      if (usage === null || price === null) return { status, usage, costNanoUsd: null, savingsNanoUsd: 0 };
      const atMs = this.#request.deps.wallClockMs();
      return {
        status,
        usage,
        costNanoUsd: costNanoUsd(price, usage, atMs),
        savingsNanoUsd: savingsNanoUsd(price, usage, atMs),
      };
    } catch (thrown) {
      this.#request.deps.onDefect(asGatewayError(thrown), this.#request.requestId);
      return { status, usage: null, costNanoUsd: null, savingsNanoUsd: 0 };
    }
  }

  /** Nobody can need it again: a stream may go on for minutes after a large prompt. */
  #letGoOfBody(): void {
    this.#keepsBody = false;
    this.#request.prepared.takeParts();
  }

  #giveBack(costNanoUsd: number): void {
    this.#over = true;
    this.#request.deps.calls.remove(this);
    this.#reservation.settle(costNanoUsd);
  }
}
