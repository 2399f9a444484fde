import type { QuotaHolds } from '../limits/quota.ts';
import type { Lead } from '../dedup/dedup-table.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { KnownKey } from '../keys/key-cache.ts';
import type { ProviderLimit } from '../limits/limits.ts';

export interface ReservationOptions {
  /** The claim: it has been taken. */
  readonly lead: Lead;
  readonly quota: QuotaHolds;
  /** null when PROVIDER_CONCURRENT_LIMIT is unset. */
  readonly providerLimit: ProviderLimit | null;
}

/**
 * What a call has taken and others wait for: its claim, the money that is held for it, its place at a provider.
 *
 * Whatever of it has been taken is given back by {@link settle}, once, however the call ends and however far it came.
 */
export class Reservation {
  readonly #lead: Lead;
  readonly #quota: QuotaHolds;
  readonly #providerLimit: ProviderLimit | null;
  #key: KnownKey | null = null;
  #heldNanoUsd = 0;
  #provider: string | null = null;
  #over = false;

  constructor({ lead, providerLimit, quota }: ReservationOptions) {
    this.#lead = lead;
    this.#quota = quota;
    this.#providerLimit = providerLimit;
  }

  /** Holds money, or throws a 402. */
  hold(key: KnownKey, amountNanoUsd: number): void {
    this.#checkOpen();
    if (!this.#quota.tryHold(key, amountNanoUsd))
      throw new GatewayError(
        'insufficient_quota',
        'What is left of the quota of this API key does not cover this request beside those that run.',
      );
    this.#key = key;
    this.#heldNanoUsd = amountNanoUsd;
  }

  /** Takes a place at a provider, or throws a 429. */
  enter(provider: string): void {
    this.#checkOpen();
    this.#providerLimit?.enter(provider);
    this.#provider = provider;
  }

  /** The call is over and has cost so much: everything is given back. The first time only, and all of it even where one part throws. */
  settle(costNanoUsd: number): void {
    if (this.#over) return;
    this.#over = true;
    try {
      // First of all: from here on a new request makes a call of its own.
      this.#lead.release();
    } finally {
      try {
        if (this.#provider !== null) this.#providerLimit?.leave(this.#provider);
      } finally {
        if (this.#key !== null) this.#quota.settle(this.#key.slot, this.#heldNanoUsd, costNanoUsd);
      }
    }
  }

  /** What is taken after everything was given back would be kept for ever. */
  #checkOpen(): void {
    if (this.#over) throw new Error('the reservation of a call that is over takes nothing more');
  }
}
