/**
 * An address in one spelling, as in a URL: `0` and `0.0.0.0` are one, `::0` and `[::]` too. A name in lower case. What no
 * URL can say (a zone of an IPv6 address) stays as it is.
 */
export function plainHost(host: string): string {
  const bare = host.trim().replace(/^\[(.*)\]$/, '$1');
  const url = URL.parse(`http://${bare.includes(':') ? `[${bare}]` : bare}/`);
  return url === null ? bare : url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Whether an address to bind stands for all of a machine's: nobody connects to it by that name. */
export function isWildcard(host: string): boolean {
  return ['0.0.0.0', '::', '::ffff:0:0'].includes(plainHost(host));
}

/** Where a gateway that binds `host` is reached from its own machine, as in a URL. */
export function localAuthority(host: string, port: number): string {
  const name = isWildcard(host) ? '127.0.0.1' : plainHost(host);
  return `${name.includes(':') ? `[${name}]` : name}:${port}`;
}
