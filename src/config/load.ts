import { messageOf } from '../std/thrown.ts';
import { readFileSync } from 'node:fs';
import type { ZodError } from 'zod';
import {
  knownProfile,
  ProviderRegistry,
  type ProviderSettings,
  type RoutingSettings,
} from '../providers/registry.ts';
import { environmentSchema, HEADER_TEXT, NOT_IN_USE, type Environment } from './environment.ts';
import { fileSchema, type ConfigFile } from './file.ts';
import { selfReferences } from './self-reference.ts';

/** Everything the process needs to know, validated whole and frozen; plain data, so that it crosses threads. */
export interface Config {
  readonly env: Readonly<Environment>;
  readonly routing: RoutingSettings;
  /** Names of variables that are set and have no effect yet. */
  readonly notInUse: readonly string[];
  /** Names of variables whose values stand in quotes, which belong to the value: shells take them away, files of variables mostly do not. */
  readonly quoted: readonly string[];
  /** `make dev`: loopback admin without a token, bundled simulator when there is no vendor. */
  readonly dev: boolean;
}

/** All faults of a configuration at once, one line each. */
export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n  ${faults.join('\n  ')}`,
    );
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** A line for each thing that is wrong. */
export const faultsOf = (error: ZodError, prefix: string): string[] =>
  error.issues.map((issue) => `${prefix}${issue.path.map(String).join('.')}: ${issue.message}`);

function readConfigFile(path: string, faults: string[]): ConfigFile {
  let parsed: unknown;
  try {
    parsed = Bun.YAML.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    faults.push(`TOKENROUTER_CONFIG: cannot read ${path}: ${messageOf(error)}`);
    return {};
  }
  const result = fileSchema().safeParse(parsed ?? {});
  if (result.success) return result.data;
  faults.push(...faultsOf(result.error, `${path}: `));
  return {};
}

const QUOTED = /^(?:".*"|'.*')$/s;

type Variables = Readonly<Record<string, string | undefined>>;

function fileProviders(file: ConfigFile, variables: Variables, faults: string[]): ProviderSettings[] {
  return (file.providers ?? []).map((one) => {
    if (one.base_url === undefined && knownProfile(one.id) === undefined) {
      faults.push(`providers.${one.id}.base_url: is required for a provider that is not built in`);
    }
    const accounts = (one.accounts ?? []).map((account, index) => {
      const apiKey =
        account.api_key ?? (account.api_key_env === undefined ? undefined : variables[account.api_key_env]);
      if (apiKey === undefined || apiKey === '') {
        faults.push(
          `providers.${one.id}.accounts[${index}]: ${account.api_key_env === undefined ? 'needs api_key or api_key_env' : `${account.api_key_env} is not set`}`,
        );
      } else if (!HEADER_TEXT.test(apiKey)) {
        faults.push(
          `providers.${one.id}.accounts[${index}]: ${account.api_key_env ?? 'api_key'} must hold printable characters without spaces`,
        );
      }
      return { name: account.name ?? `${one.id}-${index}`, apiKey: apiKey ?? '' };
    });
    return {
      id: one.id,
      baseUrl: one.base_url ?? null,
      accounts,
      models: one.models ?? [],
      streamUsage: one.stream_usage ?? null,
      promptCacheKey: one.prompt_cache_key ?? null,
    };
  });
}

/** Lays the environment over the file's providers: a key or URL set there wins. */
function mergeVendor(
  providers: ProviderSettings[],
  id: string,
  keys: readonly string[] | undefined,
  url: string | undefined,
) {
  const hasKeys = keys !== undefined && keys.length > 0;
  if (!hasKeys && url === undefined) return;
  const at = providers.findIndex((one) => one.id === id);
  const base: ProviderSettings = providers[at] ?? {
    id,
    baseUrl: null,
    accounts: [],
    models: [],
    streamUsage: null,
    promptCacheKey: null,
  };
  const merged: ProviderSettings = {
    ...base,
    baseUrl: url ?? base.baseUrl,
    accounts: hasKeys ? keys.map((apiKey, index) => ({ name: `${id}-${index}`, apiKey })) : base.accounts,
  };
  if (at < 0) providers.push(merged);
  else providers[at] = merged;
}

/** Where the configuration says the address of a provider. */
function baseUrlName({ id, baseUrl }: ProviderSettings, env: Environment): string {
  const names = [`${id.toUpperCase()}_BASE_URL`, 'TOKENROUTER_FALLBACK_BASE_URL'] as const;
  const values: Readonly<Record<string, unknown>> = env;
  return names.find((name) => values[name] === baseUrl) ?? `providers.${id}.base_url`;
}

/** Aliases that lead nowhere. Without any provider every one does, and that is told by the readiness check. */
function deadAliases(routing: RoutingSettings): string[] {
  if (routing.providers.length === 0) return [];
  const registry = new ProviderRegistry({
    ...routing,
    // A missing address is a fault of its own.
    providers: routing.providers.map((one) => ({ ...one, baseUrl: one.baseUrl ?? 'http://unknown' })),
  });
  return Object.entries(routing.aliases)
    .filter(([alias]) => registry.resolve(alias) === null)
    .map(([alias, target]) => `aliases.${alias}: ${target} reaches no provider`);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}

/** Reads environment and file once. Throws {@link ConfigError} with every fault. */
export function loadConfig(variables: Variables, options: { readonly dev?: boolean } = {}): Config {
  const faults: string[] = [];
  const result = environmentSchema.safeParse(variables);
  if (!result.success) faults.push(...faultsOf(result.error, ''));
  const bad = new Set(result.error?.issues.map((issue) => String(issue.path[0])));
  // Without the bad ones, so that what is wrong beside them is told in the same run.
  const env =
    result.data ??
    environmentSchema.parse(Object.fromEntries(Object.entries(variables).filter(([name]) => !bad.has(name))));
  const filePath = variables['TOKENROUTER_CONFIG'];
  const file = filePath === undefined || filePath === '' ? {} : readConfigFile(filePath, faults);
  const providers = fileProviders(file, variables, faults);
  mergeVendor(providers, 'deepseek', env.DEEPSEEK_API_KEY, env.DEEPSEEK_BASE_URL);
  mergeVendor(providers, 'openai', env.OPENAI_API_KEY, env.OPENAI_BASE_URL);
  mergeVendor(providers, 'anthropic', env.ANTHROPIC_API_KEY, env.ANTHROPIC_BASE_URL);

  let defaultProvider = file.default_provider ?? null;
  if (providers.length === 0 && env.TOKENROUTER_FALLBACK_BASE_URL !== undefined) {
    const fallback = {
      id: 'fallback',
      baseUrl: env.TOKENROUTER_FALLBACK_BASE_URL,
      // A server that wants credentials takes these, whichever they are; one that does not ignores them.
      accounts: [{ name: 'fallback-0', apiKey: 'sk-fallback' }],
      models: [],
      streamUsage: null,
      promptCacheKey: null,
    };
    providers.push(fallback);
    defaultProvider ??= fallback.id;
  }
  // A vendor whose own variables are at fault is missing for that reason alone.
  const vendorsKnown = ![...bad].some((name) => /_(API_KEY|BASE_URL)$/.test(name));
  if (defaultProvider !== null && vendorsKnown && !providers.some((one) => one.id === defaultProvider)) {
    faults.push(`default_provider: no provider is named ${defaultProvider}`);
  }
  if (!bad.has('HOST') && !bad.has('PORT')) {
    for (const one of selfReferences(env, providers))
      faults.push(
        `${baseUrlName(one, env)}: is the address of this gateway itself (HOST and PORT), so that requests would go round in circles; name the vendor's`,
      );
  }
  const routing: RoutingSettings = { providers, aliases: file.aliases ?? {}, defaultProvider };
  if (vendorsKnown) faults.push(...deadAliases(routing));
  const ids = providers.map((one) => one.id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index)))
    faults.push(`providers: ${id} is named twice`);
  if (env.BODIES_MAX_BYTES < env.MAX_BODY_BYTES)
    faults.push('BODIES_MAX_BYTES: must be at least MAX_BODY_BYTES, or a body of that size could never come');
  if (env.DATABASE_URL !== undefined) {
    faults.push('DATABASE_URL: PostgreSQL storage is not built yet; unset it to use SQLite in DATA_DIR');
  }
  if (!['', 'sorted', undefined].includes(variables['TOOL_ORDER']))
    faults.push('TOOL_ORDER: must be sorted; no other order is built yet');
  if (faults.length > 0) throw new ConfigError(faults);
  return deepFreeze({
    env,
    routing,
    notInUse: NOT_IN_USE.filter((name) => (variables[name] ?? '') !== ''),
    quoted: Object.keys(environmentSchema.shape).filter((name) => QUOTED.test(variables[name]?.trim() ?? '')),
    dev: options.dev ?? false,
  });
}
