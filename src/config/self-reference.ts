import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { parseBaseUrl, type ProviderSettings } from '../providers/registry.ts';
import { isWildcard, plainHost } from './address.ts';

/** What a machine is called: its own name, and the addresses of its interfaces. */
export interface Machine {
  readonly name: string;
  readonly addresses: readonly string[];
}

const thisMachine = (): Machine => ({
  name: hostname(),
  addresses: Object.values(networkInterfaces())
    .flat()
    .flatMap((one) => (one === undefined ? [] : [one.address])),
});

const isLoopbackName = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost');
const isIpv6 = (host: string): boolean => host.includes(':');

/** Whether a gateway that binds `bound` is reached at `host`, both as {@link plainHost} writes them. */
function reaches(host: string, bound: string, machine: () => Machine): boolean {
  if (host === bound) return true;
  // A connection to all of a machine's addresses goes to its loopback.
  const loopback =
    isLoopbackName(host) ||
    isWildcard(host) ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'));
  if (!isWildcard(bound)) {
    if (!isLoopbackName(bound) && bound !== '127.0.0.1' && bound !== '::1') return false;
    if (isLoopbackName(bound) || isLoopbackName(host)) return loopback && !/^127\.(?!0\.0\.1$)/.test(host);
    return isWildcard(host) && isIpv6(host) === isIpv6(bound);
  }
  // Bound to IPv4 alone, what IPv6 reaches is another server.
  if (isIpv6(host) && !isIpv6(bound)) return false;
  if (loopback) return true;
  const { addresses, name } = machine();
  return host === name.toLowerCase() || addresses.some((address) => plainHost(address) === host);
}

/**
 * Providers whose base URL is the gateway itself, as far as that can be told without asking a name server. With PORT 0 the
 * port is not known yet. What is not seen here is stopped by its hops (`x-tokenrouter-hop`).
 */
export function selfReferences(
  listening: { readonly HOST: string; readonly PORT: number },
  providers: readonly ProviderSettings[],
  machine: () => Machine = thisMachine,
): ProviderSettings[] {
  const bound = plainHost(listening.HOST);
  return providers.filter(({ baseUrl }) => {
    if (baseUrl === null) return false;
    const { host, port } = parseBaseUrl(baseUrl).origin;
    return listening.PORT !== 0 && port === listening.PORT && reaches(plainHost(host), bound, machine);
  });
}
