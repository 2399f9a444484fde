import { dialectOf } from '../dialects/registry.ts';
import type { Prepared } from '../pipeline/pipeline.ts';
import type { Provider } from '../providers/types.ts';

/**
 * Request heads for vendors, built once per (provider, account); a call appends its content length.
 *
 * The account follows the conversation's hash: caches belong to accounts, so one conversation stays with one of them.
 */
export class RequestHeads {
  readonly #heads = new Map<string, readonly string[]>();

  constructor(providers: readonly Provider[]) {
    for (const provider of providers) {
      const { host, port, tls } = provider.origin;
      const name = host.includes(':') ? `[${host}]` : host;
      const authority = port === (tls ? 443 : 80) ? name : `${name}:${port}`;
      const common =
        `POST ${provider.basePath}${dialectOf(provider.profile.dialect).path} HTTP/1.1\r\nHost: ${authority}\r\n` +
        'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nAccept-Encoding: identity\r\nUser-Agent: tokenrouter\r\n';
      const keys = provider.accounts.map(
        (account) => `${common}Authorization: Bearer ${account.apiKey}\r\nContent-Length: `,
      );
      this.#heads.set(provider.id, keys.length > 0 ? keys : [`${common}Content-Length: `]);
    }
  }

  /** Request line and fields of a call, blank line included. */
  chat(prepared: Prepared, bodyBytes: number): string {
    const heads = this.#heads.get(prepared.route.provider.id) ?? [];
    const index = heads.length === 1 ? 0 : prepared.affinityHash % heads.length;
    return `${heads[index] ?? ''}${bodyBytes}\r\n\r\n`;
  }
}
