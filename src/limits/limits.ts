import type { RateWindow } from './rate.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { MAX_PROVIDERS, type SharedMemory } from '../shared/memory-map.ts';
import type { KeyRecord } from '../keys/key-record.ts';

export interface DefaultRates {
  readonly rpm: number | null;
  readonly tpm: number | null;
}

/** Rate limits of keys: their own, else those of the gateway (`RATE_LIMIT_RPM`, `RATE_LIMIT_TPM`). */
export class RateLimiter {
  readonly #window: RateWindow;
  readonly #defaults: DefaultRates;

  constructor(window: RateWindow, defaults: DefaultRates) {
    this.#window = window;
    this.#defaults = defaults;
  }

  /** Counts the request, or throws a 429 that says when to come back. */
  admit(key: KeyRecord, wallClockMs: number): void {
    const limits = { rpm: key.rpm ?? this.#defaults.rpm, tpm: key.tpm ?? this.#defaults.tpm };
    const retryAfterS = this.#window.admit(key.slot, limits, wallClockMs);
    if (retryAfterS === 0) return;
    throw new GatewayError(
      'rate_limit_exceeded',
      `This API key may send ${limits.rpm ?? 'any number of'} requests and use ${limits.tpm ?? 'any number of'} tokens a minute.`,
      { retryAfterS },
    );
  }

  used(key: KeyRecord, tokens: number, wallClockMs: number): void {
    this.#window.used(key.slot, tokens, wallClockMs);
  }
}

/** Calls that run at one provider, over all threads (`PROVIDER_CONCURRENT_LIMIT`). */
export class ProviderLimit {
  readonly #words: Int32Array;
  readonly #workers: number;
  readonly #worker: number;
  readonly #limit: number;
  readonly #index: ReadonlyMap<string, number>;

  /** @param providers ids in the order of the configuration. */
  constructor(memory: SharedMemory, worker: number, limit: number, providers: readonly string[]) {
    this.#words = memory.providerCalls;
    this.#workers = memory.workers;
    this.#worker = worker;
    this.#limit = limit;
    this.#index = new Map(providers.slice(0, MAX_PROVIDERS).map((id, index) => [id, index]));
  }

  /** Takes a place or throws a 429; add to the own word, sum, take back if over. */
  enter(provider: string): void {
    const index = this.#index.get(provider);
    if (index === undefined) return;
    const own = this.#worker * MAX_PROVIDERS + index;
    Atomics.add(this.#words, own, 1);
    let sum = 0;
    for (let worker = 0; worker < this.#workers; worker++)
      sum += Atomics.load(this.#words, worker * MAX_PROVIDERS + index);
    if (sum <= this.#limit) return;
    Atomics.sub(this.#words, own, 1);
    throw new GatewayError(
      'too_many_requests_in_flight',
      `As many calls run at ${provider} as may (PROVIDER_CONCURRENT_LIMIT).`,
      { retryAfterS: 1 },
    );
  }

  leave(provider: string): void {
    const index = this.#index.get(provider);
    if (index !== undefined) Atomics.sub(this.#words, this.#worker * MAX_PROVIDERS + index, 1);
  }
}
