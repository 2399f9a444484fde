/** A wire language that a client or a vendor speaks: Chat Completions (OpenAI) or Messages (Anthropic). */
export type DialectId = 'openai-chat' | 'anthropic-messages';

/** How a vendor takes cache marks (`cache_control`, Anthropic guide "Prompt caching"). */
export interface CacheMarkRules {
  /** Models that take them here, by the name that is sent; for others a mark is an unknown field. */
  readonly models: RegExp;
  /** Tool definitions can carry one. */
  readonly onTools: boolean;
  /**
   * In the look-back from a mark a row of tool calls counts as one position, as does a row of tool results: said of
   * the vendor's own API, not of other hosts of its models.
   */
  readonly foldsToolRows: boolean;
}

/** A provider is data: where it is, how it authenticates, what it can do. Its folder holds these facts and nothing else. */
export interface ProviderProfile {
  /** Name in configuration, metrics and `provider/model`. */
  readonly id: string;
  readonly dialect: DialectId;
  readonly defaultBaseUrl: string;
  /** Models that reach this provider by their bare name. */
  readonly modelPatterns: readonly RegExp[];
  /** Whether a stream may be asked for a usage record (`stream_options.include_usage`). */
  readonly streamUsage: boolean;
  /** `official-host`: only when the base URL is the vendor's own host; other servers answer 400 to unknown fields. */
  readonly promptCacheKey: 'always' | 'official-host' | 'never';
  /**
   * Takes tools beside any effort, whichever API a model's vendor wants for that: it chooses itself. Absent: OpenAI's models
   * are taken to refuse here what they refuse in Chat Completions at OpenAI, as Azure's and proxies' do.
   */
  readonly toolsBesideEffort?: boolean | undefined;
  /** Wants `reasoning_content` of earlier turns back on assistant messages. Absent: no. */
  readonly reasoningContent?: boolean | undefined;
  /** Absent: takes no cache marks. */
  readonly cacheMarks?: CacheMarkRules | undefined;
  /** The header that carries the account's key; absent: `Authorization: Bearer`. */
  readonly keyHeader?: 'x-api-key' | undefined;
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
  /** Path prefix before the dialect's own path, e.g. `/v1`. Never ends in a slash. */
  readonly basePath: string;
  readonly accounts: readonly Account[];
  /** The address is a vendor's own: no gateway is behind it. */
  readonly official: boolean;
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
