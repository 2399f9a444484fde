import type { Origin } from '../providers/types.ts';
import type { OriginStats, UpstreamTransport } from './call.ts';
import { UpstreamClient, type UpstreamOptions } from './client.ts';
import { FetchTransport } from './fetch-transport.ts';
import { ProxyRules, type ProxySettings } from './proxy-rules.ts';

export type { UpstreamCall, UpstreamHandler, UpstreamTransport } from './call.ts';

/** Gives each origin its transport, always the same one. */
export interface TransportChooser {
  of(origin: Origin): UpstreamTransport;
  stats(origin: Origin): OriginStats;
  close(): void;
}

/**
 * The socket client for all origins, but `fetch` for those that a proxy is configured for.
 *
 * Throws when a proxy's URL cannot be used.
 */
export function chooseTransports(options: UpstreamOptions & ProxySettings): TransportChooser {
  return new Transports(options, new ProxyRules(options));
}

const UNUSED = { idle: 0, active: 0, waiting: 0, opened: 0, reused: 0, retried: 0 };

class Transports implements TransportChooser {
  readonly #options: UpstreamOptions;
  readonly #rules: ProxyRules;
  readonly #direct: UpstreamClient;
  readonly #byProxy = new Map<string, FetchTransport>();
  readonly #byOrigin = new Map<string, UpstreamTransport>();

  constructor(options: UpstreamOptions, rules: ProxyRules) {
    this.#options = options;
    this.#rules = rules;
    this.#direct = new UpstreamClient(options);
  }

  of(origin: Origin): UpstreamTransport {
    if (!this.#rules.any) return this.#direct;
    const known = this.#byOrigin.get(origin.key);
    if (known !== undefined) return known;
    const proxyUrl = this.#rules.proxyOf(origin);
    const transport = proxyUrl === null ? this.#direct : this.#through(proxyUrl);
    this.#byOrigin.set(origin.key, transport);
    return transport;
  }

  stats(origin: Origin): OriginStats {
    const stats = this.of(origin)
      .stats()
      .find((one) => one.origin === origin.key);
    return stats ?? { ...UNUSED, origin: origin.key };
  }

  close(): void {
    this.#direct.close();
    for (const transport of this.#byProxy.values()) transport.close();
  }

  #through(proxyUrl: string): FetchTransport {
    let transport = this.#byProxy.get(proxyUrl);
    if (transport === undefined) {
      transport = new FetchTransport({ ...this.#options, proxyUrl });
      this.#byProxy.set(proxyUrl, transport);
    }
    return transport;
  }
}
