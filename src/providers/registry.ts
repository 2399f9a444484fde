import { NameMemo } from '../std/name-memo.ts';
import { anthropic } from './anthropic/profile.ts';
import { compatible } from './compatible/profile.ts';
import { deepseek } from './deepseek/profile.ts';
import { openai } from './openai/profile.ts';
import { openrouter } from './openrouter/profile.ts';
import type { Account, DialectId, ModelRoute, Origin, Provider, ProviderProfile } from './types.ts';

/** What to do when there is nobody to send requests to. */
export const NO_PROVIDER =
  'no upstream is configured: set DEEPSEEK_API_KEY, OPENAI_API_KEY or ANTHROPIC_API_KEY, or name a provider in the file of TOKENROUTER_CONFIG';

const PROFILES: readonly ProviderProfile[] = [deepseek, openai, anthropic, openrouter];

/** What configuration says of one provider; plain data, so that it crosses threads. */
export interface ProviderSettings {
  readonly id: string;
  readonly baseUrl: string | null;
  readonly accounts: readonly Account[];
  /** Extra names that reach this provider bare. */
  readonly models: readonly string[];
  readonly streamUsage: boolean | null;
  readonly promptCacheKey: boolean | null;
}

export interface RoutingSettings {
  readonly providers: readonly ProviderSettings[];
  /** Alias → model or `provider/model`. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly defaultProvider: string | null;
}

/** The shipped profile of a provider, if there is one. */
export function knownProfile(id: string): ProviderProfile | undefined {
  return PROFILES.find((profile) => profile.id === id);
}

/** Splits a base URL, written as for the vendor's SDK, into where to connect and which path to prefix. */
export function parseBaseUrl(text: string): { origin: Origin; basePath: string } {
  const url = new URL(text);
  const tls = url.protocol === 'https:';
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const origin = { key: `${tls ? 'https' : 'http'}://${url.hostname}:${port}`, tls, host, port };
  return { origin, basePath: url.pathname.replace(/\/+$/, '') };
}

const VENDOR_HOSTS = new Set(PROFILES.map((profile) => parseBaseUrl(profile.defaultBaseUrl).origin.host));

/**
 * The path of the API from that of a base URL, a trailing `/v1` neither doubled nor demanded. OpenAI's SDKs have it in
 * their base URL, and other servers another path in its place; Anthropic's add it to any.
 */
function apiPath(dialect: DialectId, path: string): string {
  return NAMES_VERSION[dialect](path) ? path : `${path}/v1`;
}

/** Whether a base path names the version of the API already, by what the SDKs of a dialect make of it. */
const NAMES_VERSION: Readonly<Record<DialectId, (path: string) => boolean>> = {
  'openai-chat': (path) => path !== '',
  'anthropic-messages': (path) => path.endsWith('/v1'),
};

function resolveProvider(settings: ProviderSettings): Provider {
  const known = knownProfile(settings.id);
  const profile = known ?? compatible(settings.id, settings.baseUrl ?? '');
  const { origin, basePath } = parseBaseUrl(settings.baseUrl ?? profile.defaultBaseUrl);
  const official = known !== undefined && origin.host === parseBaseUrl(known.defaultBaseUrl).origin.host;
  return {
    id: settings.id,
    profile: settings.streamUsage === null ? profile : { ...profile, streamUsage: settings.streamUsage },
    origin,
    basePath: apiPath(profile.dialect, basePath),
    accounts: settings.accounts,
    official: VENDOR_HOSTS.has(origin.host),
    promptCacheKey:
      settings.promptCacheKey ??
      (profile.promptCacheKey === 'always' || (profile.promptCacheKey === 'official-host' && official)),
  };
}

const CACHE_LIMIT = 4096;

/** Answers where a model goes: alias, `provider/model`, name, default provider. Answers are remembered, bounded. */
export class ProviderRegistry {
  readonly providers: readonly Provider[];
  readonly #settings: RoutingSettings;
  readonly #byId = new Map<string, Provider>();
  readonly #byModel = new Map<string, Provider>();
  readonly #named = new Set<string>();
  readonly #routes = new NameMemo<ModelRoute | null>(CACHE_LIMIT, (model) => this.#lookup(model));

  constructor(settings: RoutingSettings) {
    this.#settings = settings;
    this.providers = settings.providers.map(resolveProvider);
    for (const provider of this.providers) this.#byId.set(provider.id, provider);
    for (const one of settings.providers) {
      const provider = this.#byId.get(one.id);
      if (provider !== undefined) for (const model of one.models) this.#byModel.set(model, provider);
    }
    for (const model of this.#byModel.keys()) this.#named.add(model);
    for (const alias of this.aliases) {
      const target = this.resolve(alias);
      if (target !== null) this.#named.add(target.upstreamModel);
    }
  }

  /** Names a client may use without knowing vendor ids, for `GET /v1/models`. */
  get aliases(): readonly string[] {
    return Object.keys(this.#settings.aliases);
  }

  /** Whether configuration names this model: listed, or what an alias stands for. Bounds metric labels. */
  names(model: string): boolean {
    return this.#named.has(model);
  }

  get listedModels(): ReadonlyMap<string, Provider> {
    return this.#byModel;
  }

  resolve(model: string): ModelRoute | null {
    return this.#routes.get(model);
  }

  #lookup(model: string): ModelRoute | null {
    const target = Object.hasOwn(this.#settings.aliases, model) ? this.#settings.aliases[model] : undefined;
    const name = target ?? model;
    const slash = name.indexOf('/');
    if (slash > 0) {
      const provider = this.#byId.get(name.slice(0, slash));
      if (provider !== undefined && slash < name.length - 1) {
        return { provider, upstreamModel: name.slice(slash + 1), rewritten: true };
      }
    }
    const rewritten = target !== undefined;
    const listed = this.#byModel.get(name);
    if (listed !== undefined) return { provider: listed, upstreamModel: name, rewritten };
    for (const provider of this.providers) {
      if (provider.profile.modelPatterns.some((pattern) => pattern.test(name))) {
        return { provider, upstreamModel: name, rewritten };
      }
    }
    const fallback =
      this.#settings.defaultProvider === null ? undefined : this.#byId.get(this.#settings.defaultProvider);
    return fallback === undefined ? null : { provider: fallback, upstreamModel: name, rewritten };
  }
}
