import { dialectOf } from '../dialects/registry.ts';
import type { Prepared } from '../pipeline/prepared.ts';
import type { Account, Provider } from '../providers/types.ts';
import type { Target } from '../routing/target.ts';
import { hopLine } from './hops.ts';

interface ProviderHeads {
  readonly chat: readonly string[];
  readonly countTokens: readonly string[];
  /** Line of a request that comes from no gateway; '' where none is told. */
  readonly hop: string;
  /** Field lines of a call that was converted, or whose client has said nothing. */
  readonly defaults: string;
}

function headsOf(provider: Provider): ProviderHeads {
  const { accounts, basePath, profile } = provider;
  const { host, port, tls } = provider.origin;
  const name = host.includes(':') ? `[${host}]` : host;
  const authority = port === (tls ? 443 : 80) ? name : `${name}:${port}`;
  const credentials = ({ apiKey }: Account): string =>
    profile.keyHeader === undefined
      ? `Authorization: Bearer ${apiKey}\r\n`
      : `${profile.keyHeader}: ${apiKey}\r\n`;
  const heads = (path: string): readonly string[] => {
    const common =
      `POST ${basePath}${path} HTTP/1.1\r\nHost: ${authority}\r\n` +
      'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nAccept-Encoding: identity\r\nUser-Agent: tokenrouter\r\n';
    const lines = accounts.length === 0 ? [''] : accounts.map(credentials);
    return lines.map((line) => `${common}${line}Content-Length: `);
  };
  const { countTokensPath, headers, path } = dialectOf(profile.dialect);
  return {
    chat: heads(path),
    countTokens: countTokensPath === null ? [] : heads(countTokensPath),
    // A vendor of its own needs to know of no gateway.
    hop: provider.official ? '' : hopLine(0),
    defaults: headers.defaults,
  };
}

const nextHop = (first: string, hops: number): string => (first === '' || hops === 0 ? first : hopLine(hops));

/**
 * Request heads for vendors, built once per (provider, account); a call appends its content length and what its client says
 * in headers.
 */
export class RequestHeads {
  readonly #heads = new Map<string, ProviderHeads>();
  #counted = 0;

  constructor(providers: readonly Provider[]) {
    for (const provider of providers) this.#heads.set(provider.id, headsOf(provider));
  }

  /**
   * Request line and fields of a call, blank line included. `forwardedHeaders`: field lines of a client of the vendor's dialect;
   * `hops`: gateways that the request has come through.
   */
  chat(target: Target, prepared: Prepared, forwardedHeaders: string, hops: number): string {
    const { chat, defaults, hop } = this.#of(target.provider);
    const { bodyBytes, converted } = prepared;
    return `${chat[target.account]!}${bodyBytes}\r\n${converted ? defaults : forwardedHeaders}${nextHop(hop, hops)}\r\n`;
  }

  /** As {@link chat}, for a question about tokens. No cache is touched, so accounts take turns. */
  countTokens(provider: Provider, bodyBytes: number, forwardedHeaders: string, hops: number): string {
    const { countTokens, hop } = this.#of(provider);
    this.#counted = (this.#counted + 1) % countTokens.length;
    return `${countTokens[this.#counted]!}${bodyBytes}\r\n${forwardedHeaders}${nextHop(hop, hops)}\r\n`;
  }

  #of(provider: Provider): ProviderHeads {
    const heads = this.#heads.get(provider.id);
    if (heads === undefined) throw new Error(`no request head for ${provider.id}`);
    return heads;
  }
}
