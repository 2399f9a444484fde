/** A provider is data: where it is, how it authenticates, what it can do. Its folder holds these facts and nothing else. */
export interface ProviderProfile {
  /** Name in configuration, metrics and `provider/model`. */
  readonly id: string;
  readonly dialect: 'openai-chat';
  readonly defaultBaseUrl: string;
  /** Models that reach this provider by their bare name. */
  readonly modelPatterns: readonly RegExp[];
  /** Whether a stream may be asked for a usage record (`stream_options.include_usage`). */
  readonly streamUsage: boolean;
  /** `official-host`: only when the base URL is the vendor's own host; other servers answer 400 to unknown fields. */
  readonly promptCacheKey: 'always' | 'official-host' | 'never';
}

/** One credential of a provider. Caches belong to accounts, so the choice is made after dedup. */
export interface Account {
  readonly name: string;
  readonly apiKey: string;
}

/** A configured provider: profile, address and accounts, resolved once at start. */
export interface Provider {
  readonly id: string;
  readonly profile: ProviderProfile;
  readonly origin: Origin;
  /** Path prefix before `/chat/completions`, e.g. `/v1`. Never ends in a slash. */
  readonly basePath: string;
  readonly accounts: readonly Account[];
  /** `prompt_cache_key` is understood here. */
  readonly promptCacheKey: boolean;
}

/** Where to connect. `key` is unique per (tls, host, port) and names the pool. */
export interface Origin {
  readonly key: string;
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
}

/** What a client's `model` means here. */
export interface ModelRoute {
  readonly provider: Provider;
  /** Name sent to the vendor. */
  readonly upstreamModel: string;
  /** True when the name was an alias or carried a `provider/` prefix: byte-exact mode must refuse it. */
  readonly rewritten: boolean;
}
