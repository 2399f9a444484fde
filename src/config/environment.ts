import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { parseDurationMs, parseSizeBytes } from './units.ts';

/** White space around a value is nobody's intention: files of variables keep what an editor left at a line's end. */
const trimmed = (value: unknown): unknown => (typeof value === 'string' ? value.trim() : value);

/** An unset variable and an empty one mean the same: compose files pass `${X:-}`. */
const optional = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (trimmed(value) === '' ? undefined : trimmed(value)), schema.optional());

const withDefault = <T extends z.ZodType>(schema: T, fallback: z.input<T>) =>
  z.preprocess((value) => (value === undefined || trimmed(value) === '' ? fallback : trimmed(value)), schema);

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

/** One of some words, in any case. */
const word = <const T extends readonly [string, ...string[]]>(words: T, error: string) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.toLowerCase() : value),
    z.enum(words, { error }),
  );

const boolean = word(['true', 'false', '1', '0'], 'must be true or false').transform(
  (v) => v === 'true' || v === '1',
);

const duration = z.string().transform((text, context) => {
  const value = parseDurationMs(text);
  if (value !== null) return value;
  context.addIssue({ code: 'custom', message: 'must be a duration such as 90s, 2m or 1h' });
  return z.NEVER;
});

/** How long something may take; 0: as long as it likes. */
const limit = duration.transform((ms) => (ms === 0 ? Number.POSITIVE_INFINITY : ms));

const size = z.string().transform((text, context) => {
  const value = parseSizeBytes(text);
  if (value !== null && value > 0) return value;
  context.addIssue({ code: 'custom', message: 'must be a size such as 32MiB' });
  return z.NEVER;
});

const httpUrl = z
  .string()
  .refine(
    (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
    'must be an http or https URL',
  );

/** A vendor's key ends up in a header: no control characters, no spaces. */
export const HEADER_TEXT = /^[\x21-\x7e]+$/;

/** A pool of vendor keys, comma-separated. */
const keyPool = z.string().transform((text, context) => {
  const keys = text
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
  if (keys.some((key) => !HEADER_TEXT.test(key))) {
    context.addIssue({ code: 'custom', message: 'must hold printable characters without spaces' });
  }
  return keys;
});

/** Origins as browsers send them (RFC 6454 §6.2), comma-separated; `*` for all, `null` for pages without one. */
const origins = z.string().transform((text, context) => {
  const all = text
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
  for (const origin of all) {
    const sound =
      origin === '*' || origin === 'null' || (URL.canParse(origin) && new URL(origin).origin === origin);
    if (!sound)
      context.addIssue({ code: 'custom', message: `${origin} is no origin such as https://app.example` });
  }
  return all;
});

const concurrency = integer(1, 1_000_000);

/** Every variable the gateway reads, with its default. Names are a contract (see .env.example). */
export const environmentSchema = z.object({
  PORT: withDefault(integer(0, 65_535), '8080'),
  HOST: withDefault(z.string(), '0.0.0.0'),
  DATABASE_URL: optional(
    z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgres:// URL, or unset for SQLite'),
  ),
  REDIS_URL: optional(z.string().regex(/^rediss?:\/\//, 'must be a redis:// URL, or unset for memory')),
  DATA_DIR: withDefault(z.string(), './data'),
  ADMIN_TOKEN: optional(z.string().min(16, 'must have at least 16 characters')),
  DEEPSEEK_API_KEY: optional(keyPool),
  OPENAI_API_KEY: optional(keyPool),
  ANTHROPIC_API_KEY: optional(keyPool),
  DEEPSEEK_BASE_URL: optional(httpUrl),
  OPENAI_BASE_URL: optional(httpUrl),
  ANTHROPIC_BASE_URL: optional(httpUrl),
  TOKENROUTER_FALLBACK_BASE_URL: optional(httpUrl),
  TOKENROUTER_CONFIG: optional(z.string()),
  WORKERS: withDefault(
    integer(1, 64),
    String(process.platform === 'linux' ? Math.min(64, availableParallelism()) : 1),
  ),
  CACHE_INJECT_ENABLED: withDefault(boolean, 'true'),
  CACHE_TTL: withDefault(word(['5m', '1h'], 'must be 5m or 1h'), '5m'),
  DEDUP_ENABLED: withDefault(boolean, 'true'),
  DEDUP_TTL: withDefault(duration, '2m'),
  DEDUP_SCOPE: withDefault(word(['key', 'global'], 'must be key or global'), 'key'),
  TOOL_SORT_ENABLED: withDefault(boolean, 'true'),
  MAX_BODY_BYTES: withDefault(size, '32MiB'),
  BODY_TIMEOUT: withDefault(duration, '60s'),
  BODIES_MAX_BYTES: withDefault(size, '1GiB'),
  CORS_ORIGINS: withDefault(origins, '*'),
  SHUTDOWN_TIMEOUT: withDefault(duration, '30s'),
  LOG_LEVEL: withDefault(
    word(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'must be one of trace, debug, info, warn, error, fatal, silent',
    ),
    'info',
  ),
  RATE_LIMIT_ENABLED: withDefault(boolean, 'true'),
  RATE_LIMIT_RPM: optional(concurrency),
  RATE_LIMIT_TPM: optional(integer(1, 1e12)),
  GLOBAL_CONCURRENT_LIMIT: withDefault(concurrency, '10000'),
  STREAM_CONCURRENT_LIMIT: optional(concurrency),
  NON_STREAM_CONCURRENT_LIMIT: optional(concurrency),
  PROVIDER_CONCURRENT_LIMIT: optional(concurrency),
  UPSTREAM_CONNECT_TIMEOUT: withDefault(limit, '10s'),
  UPSTREAM_FIRST_BYTE_TIMEOUT: withDefault(limit, '5m'),
  UPSTREAM_IDLE_TIMEOUT: withDefault(limit, '5m'),
  UPSTREAM_TOTAL_TIMEOUT: withDefault(limit, '15m'),
  AUTH_CACHE_TTL: withDefault(duration, '5m'),
  PROXY_MAX_IDLE_CONNS: withDefault(integer(0, 1_000_000), '4096'),
  PROXY_MAX_IDLE_CONNS_PER_HOST: withDefault(integer(0, 1_000_000), '1024'),
  PROXY_MAX_CONNS_PER_HOST: withDefault(integer(0, 1_000_000), '0'),
  PROXY_IDLE_CONN_TIMEOUT: withDefault(limit, '90s'),
  HTTP_PROXY: optional(httpUrl),
  HTTPS_PROXY: optional(httpUrl),
  NO_PROXY: optional(z.string()),
});

/**
 * Variables that will have an effect once what they steer is built. Set, they are warned of: better said than found out. The only
 * value of TOOL_ORDER so far is what is done anyway; another one is a fault ({@link loadConfig}).
 */
export const NOT_IN_USE = [
  'DB_MAX_OPEN_CONNS',
  'DB_MAX_IDLE_CONNS',
  'DB_CONN_MAX_LIFETIME',
  'LEDGER_SYNC',
  'LEDGER_SYNC_INTERVAL',
  'TOOL_ORDER',
] as const;

export type Environment = z.output<typeof environmentSchema>;

/** What `tokenrouter keys` reads of its own environment: where the gateway is, and the token. */
export const commandSchema = environmentSchema
  .pick({ PORT: true, HOST: true, ADMIN_TOKEN: true, DATA_DIR: true })
  .extend({ TOKENROUTER_URL: optional(httpUrl) });
