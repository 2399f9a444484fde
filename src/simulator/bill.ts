import { canonicalModel, priceOf } from './prices.ts';

/**
 * Tokens of one answered request. `cached` and `written` are parts of `prompt`, `writtenLong` (Anthropic: for an hour) is a part
 * of `written`, `reasoning` one of `output`.
 */
export interface Usage {
  readonly prompt: number;
  readonly cached: number;
  readonly written: number;
  readonly writtenLong: number;
  readonly output: number;
  readonly reasoning: number;
}

/** What one model has cost. */
interface BillLine {
  readonly requests: number;
  readonly uncachedTokens: number;
  readonly cachedTokens: number;
  readonly writtenTokens: number;
  /** A part of `writtenTokens`. */
  readonly writtenLongTokens: number;
  readonly outputTokens: number;
  /** Null: the model has no price. */
  readonly usd: number | null;
}

export type Bill = Readonly<Record<string, BillLine>>;

interface Account {
  requests: number;
  uncached: number;
  cached: number;
  written: number;
  writtenLong: number;
  output: number;
  /** 10^-12 USD: the price list's smallest step (0.001 USD a million) times one token is a whole number of them. */
  picoUsd: bigint;
  priced: boolean;
}

/** More model names than this share one line. */
const MAX_MODELS = 1000;
const OTHER = 'other';
const PICO_USD_PER_USD = 1e12;
/** USD per million tokens → 10^-12 USD per token. */
const PICO_USD_PER_TOKEN = 1e6;

/** The vendor's own account of what it sold, kept apart from anything the gateway computes. */
export class Biller {
  readonly #accounts = new Map<string, Account>();

  /** One request that was answered, wholly or in part. */
  add(model: string, usage: Usage, nowMs: number): void {
    const account = this.#account(canonicalModel(model));
    const uncached = usage.prompt - usage.cached - usage.written;
    account.requests++;
    account.uncached += uncached;
    account.cached += usage.cached;
    account.written += usage.written;
    account.writtenLong += usage.writtenLong;
    account.output += usage.output;
    const price = priceOf(model, usage.prompt, nowMs);
    if (price === null) return;
    account.priced = true;
    const written = price.written ?? price.uncached;
    const usdPerMillion =
      uncached * price.uncached +
      usage.cached * price.cached +
      (usage.written - usage.writtenLong) * written +
      usage.writtenLong * (price.writtenLong ?? written) +
      usage.output * price.output;
    account.picoUsd += BigInt(Math.round(usdPerMillion * PICO_USD_PER_TOKEN));
  }

  bill(): Bill {
    const lines: Record<string, BillLine> = {};
    for (const [model, account] of this.#accounts) {
      lines[model] = {
        requests: account.requests,
        uncachedTokens: account.uncached,
        cachedTokens: account.cached,
        writtenTokens: account.written,
        writtenLongTokens: account.writtenLong,
        outputTokens: account.output,
        usd: account.priced ? Number(account.picoUsd) / PICO_USD_PER_USD : null,
      };
    }
    return lines;
  }

  clear(): void {
    this.#accounts.clear();
  }

  #account(model: string): Account {
    const name = this.#accounts.has(model) || this.#accounts.size < MAX_MODELS ? model : OTHER;
    let account = this.#accounts.get(name);
    if (account === undefined) {
      account = {
        requests: 0,
        uncached: 0,
        cached: 0,
        written: 0,
        writtenLong: 0,
        output: 0,
        picoUsd: 0n,
        priced: false,
      };
      this.#accounts.set(name, account);
    }
    return account;
  }
}
