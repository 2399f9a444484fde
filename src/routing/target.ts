import type { Origin, Provider } from '../providers/types.ts';

/** Where one try at a call goes. */
export interface Target {
  readonly provider: Provider;
  /** Which of the provider's accounts; 0 where it has none. */
  readonly account: number;
  readonly origin: Origin;
}

/**
 * The account follows the conversation's hash: caches belong to accounts, so one conversation stays with one of them.
 *
 * @param affinityHash 32 bits, unsigned
 */
export function chooseTarget(provider: Provider, affinityHash: number): Target {
  const { accounts, origin } = provider;
  return { provider, account: accounts.length < 2 ? 0 : affinityHash % accounts.length, origin };
}
