import { isIP } from 'node:net';
import type { Origin } from '../providers/types.ts';

/** Which origins are reached through a forward proxy. */
export interface ProxySettings {
  /** Proxy for `http:` origins, as in HTTP_PROXY: a URL, or host and port. Empty: none. */
  readonly httpProxy?: string | undefined;
  /** Proxy for `https:` origins, as in HTTPS_PROXY. Empty: none. */
  readonly httpsProxy?: string | undefined;
  /** Hosts that are reached directly, as in NO_PROXY: names (with their subdomains), `name:port`, or `*`. */
  readonly noProxy?: string | undefined;
}

/** Decides for an origin: the proxy's URL, or null for a direct connection. Loopback is always reached directly. */
export class ProxyRules {
  readonly #http: string | null;
  readonly #https: string | null;
  readonly #direct: readonly string[];

  /** Throws when a proxy is not a URL that can be used. */
  constructor(settings: ProxySettings) {
    this.#http = proxyUrl(settings.httpProxy, 'HTTP_PROXY');
    this.#https = proxyUrl(settings.httpsProxy, 'HTTPS_PROXY');
    this.#direct = (settings.noProxy ?? '')
      .toLowerCase()
      .split(/[\s,]+/)
      .filter((entry) => entry !== '');
  }

  /** Whether any origin can have a proxy. */
  get any(): boolean {
    return this.#http !== null || this.#https !== null;
  }

  proxyOf(origin: Origin): string | null {
    const proxy = origin.tls ? this.#https : this.#http;
    return proxy === null || isLoopback(origin.host) || this.#isDirect(origin) ? null : proxy;
  }

  #isDirect(origin: Origin): boolean {
    const host = origin.host.toLowerCase();
    return this.#direct.some((entry) => {
      if (entry === '*') return true;
      const { name, port } = splitEntry(entry);
      if (port !== null && port !== origin.port) return false;
      return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`));
    });
  }
}

/** `example.com`, `.example.com`, `*.example.com`, each with a port or without; addresses bare or in brackets. */
function splitEntry(entry: string): { name: string; port: number | null } {
  const [, bracketed, bare = '', port] = /^(?:\[(.*)\]|([^:]*|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
  return {
    name: (bracketed ?? bare).replace(/^\*?\./, ''),
    port: port === undefined ? null : Number(port),
  };
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '::1' ||
    // An IPv4 address in IPv6, as a URL has it.
    name.startsWith('::ffff:7f') ||
    // All of this machine's addresses: connected to, it is loopback.
    name === '0.0.0.0' ||
    name === '::' ||
    (isIP(name) === 4 && name.startsWith('127.'))
  );
}

function proxyUrl(text: string | undefined, name: string): string | null {
  if (text === undefined || text.trim() === '') return null;
  const written = text.trim();
  // The value may hold a password: it is not quoted.
  const url = URL.parse(written.includes('://') ? written : `http://${written}`);
  if (url === null || url.hostname === '') throw new Error(`${name} is not a URL`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`${name} must be an http: or https: URL`);
  return url.href;
}
