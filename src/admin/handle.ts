import { z } from 'zod';
import type { QuotaHolds } from '../limits/quota.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { openAiErrorBody } from '../errors/render.ts';
import { StorageTimeout } from '../storage/client.ts';
import { keyHash } from '../keys/key-hash.ts';
import type { KeyChange, KeyRecord, NewKey } from '../keys/key-record.ts';

export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}

export interface AdminAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface AdminServices {
  readonly keys: {
    createKey(key: NewKey): Promise<KeyRecord>;
    listKeys(): Promise<readonly KeyRecord[]>;
    findKeyById(id: string): Promise<KeyRecord | null>;
    updateKey(id: string, change: KeyChange, onLate: () => void): Promise<KeyRecord | null>;
  };
  readonly money: Pick<QuotaHolds, 'spent' | 'held' | 'lastUsedMs'>;
  /** Resolves when no thread goes by the old record any more. */
  readonly onKeyChanged: (id: string) => Promise<void>;
  readonly now: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
}

const NANO = 1e9;
/** Nano-USD must stay exact in a double: at most 9 million USD. */
const MAX_QUOTA_USD = 9_000_000;

// Made with the first request that needs them: they are part of a start otherwise.
const fieldsOf = () => ({
  name: z.string().min(1).max(200),
  quota_usd: z.number().min(0).max(MAX_QUOTA_USD).nullable().optional(),
  rpm: z.int().min(1).max(1e9).nullable().optional(),
  tpm: z.int().min(1).max(1e12).nullable().optional(),
  allowed_models: z.array(z.string().min(1)).max(1_000).nullable().optional(),
  expires_at: z.iso.datetime({ offset: true }).nullable().optional(),
  tags: z.record(z.string().max(64), z.string().max(256)).optional(),
  dedup: z.boolean().optional(),
  passthrough: z.boolean().optional(),
});
const createSchema = z.lazy(() => z.strictObject(fieldsOf()));
const patchSchema = z.lazy(() => z.strictObject(fieldsOf()).partial({ name: true }));

function parse<T extends z.ZodType>(schema: T, body: Uint8Array): z.output<T> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new GatewayError('invalid_json', 'The request body is not valid JSON.');
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  const [first] = result.error.issues;
  throw new GatewayError('invalid_value', faults.join('; '), { param: first?.path.join('.') });
}

const nano = (usd: number | null | undefined): number | null =>
  usd === null || usd === undefined ? null : Math.round(usd * NANO);
const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function render(key: KeyRecord, { money }: AdminServices): Record<string, unknown> {
  // A key that was not used in this process stands as it is stored.
  const used = key.slot >= 0;
  const lastUsedMs = Math.max(key.lastUsedAt ?? 0, used ? money.lastUsedMs(key.slot) : 0);
  return {
    id: key.id,
    object: 'api_key',
    name: key.name,
    key_prefix: key.keyPrefix,
    quota_usd: key.quotaNanoUsd === null ? null : key.quotaNanoUsd / NANO,
    spent_usd: (used ? money.spent(key.slot) : key.spentNanoUsd) / NANO,
    held_usd: used ? money.held(key.slot) / NANO : 0,
    rpm: key.rpm,
    tpm: key.tpm,
    allowed_models: key.allowedModels,
    expires_at: iso(key.expiresAt),
    tags: key.tags,
    dedup: key.dedup,
    passthrough: key.passthrough,
    created_at: iso(key.createdAt),
    revoked_at: iso(key.revokedAt),
    last_used_at: iso(lastUsedMs === 0 ? null : lastUsedMs),
  };
}

async function create(request: AdminRequest, services: AdminServices): Promise<AdminAnswer> {
  const wanted = parse(createSchema, request.body);
  const key = `sk-tr-${Buffer.from(services.randomBytes(24)).toString('hex')}`;
  const record = await services.keys.createKey({
    id: crypto.randomUUID(),
    hash: keyHash(key),
    name: wanted.name,
    keyPrefix: key.slice(0, 12),
    quotaNanoUsd: nano(wanted.quota_usd),
    rpm: wanted.rpm ?? null,
    tpm: wanted.tpm ?? null,
    allowedModels: wanted.allowed_models ?? null,
    expiresAt:
      wanted.expires_at === undefined || wanted.expires_at === null ? null : Date.parse(wanted.expires_at),
    tags: wanted.tags ?? {},
    dedup: wanted.dedup ?? true,
    passthrough: wanted.passthrough ?? false,
    createdAt: services.now(),
  });
  return { status: 201, body: { ...render(record, services), key } };
}

/**
 * Threads forget the old record in any case: what storage did not answer in time it may have done. They forget it again
 * when that turns out to have been done later.
 */
async function update(id: string, change: KeyChange, services: AdminServices): Promise<KeyRecord | null> {
  try {
    return await services.keys.updateKey(id, change, () => void services.onKeyChanged(id));
  } finally {
    await services.onKeyChanged(id);
  }
}

async function patch(id: string, request: AdminRequest, services: AdminServices): Promise<AdminAnswer> {
  const wanted = parse(patchSchema, request.body);
  const change: KeyChange = {
    ...(wanted.name === undefined ? {} : { name: wanted.name }),
    ...(wanted.quota_usd === undefined ? {} : { quotaNanoUsd: nano(wanted.quota_usd) }),
    ...(wanted.rpm === undefined ? {} : { rpm: wanted.rpm }),
    ...(wanted.tpm === undefined ? {} : { tpm: wanted.tpm }),
    ...(wanted.allowed_models === undefined ? {} : { allowedModels: wanted.allowed_models }),
    ...(wanted.expires_at === undefined
      ? {}
      : { expiresAt: wanted.expires_at === null ? null : Date.parse(wanted.expires_at) }),
    ...(wanted.tags === undefined ? {} : { tags: wanted.tags }),
    ...(wanted.dedup === undefined ? {} : { dedup: wanted.dedup }),
    ...(wanted.passthrough === undefined ? {} : { passthrough: wanted.passthrough }),
  };
  const record = await update(id, change, services);
  if (record === null) throw new GatewayError('not_found', `There is no API key ${id}.`);
  return { status: 200, body: render(record, services) };
}

async function revoke(id: string, services: AdminServices): Promise<AdminAnswer> {
  const known = await services.keys.findKeyById(id);
  if (known === null) throw new GatewayError('not_found', `There is no API key ${id}.`);
  const record = await update(id, { revokedAt: known.revokedAt ?? services.now() }, services);
  return { status: 200, body: record === null ? null : render(record, services) };
}

async function route(request: AdminRequest, services: AdminServices): Promise<AdminAnswer> {
  const match = /^\/admin\/api-keys(?:\/([^/]+))?$/.exec(request.path);
  if (match === null)
    throw new GatewayError('not_found', `There is nothing at ${request.method} ${request.path}.`);
  const id = match[1];
  if (id === undefined) {
    if (request.method === 'POST') return create(request, services);
    if (request.method === 'GET') {
      return {
        status: 200,
        body: { data: (await services.keys.listKeys()).map((key) => render(key, services)) },
      };
    }
  } else {
    if (request.method === 'GET') {
      const key = await services.keys.findKeyById(id);
      if (key === null) throw new GatewayError('not_found', `There is no API key ${id}.`);
      return { status: 200, body: render(key, services) };
    }
    if (request.method === 'PATCH') return patch(id, request, services);
    if (request.method === 'DELETE') return revoke(id, services);
  }
  throw new GatewayError('method_not_allowed', `${request.method} is not allowed at ${request.path}.`);
}

/** Whoever asked for a change must hear whether it was made. */
function storageFault({ method }: AdminRequest, cause: unknown): GatewayError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const changes = method !== 'GET';
  const outcome = !changes
    ? 'Storage could not answer this call'
    : cause instanceof StorageTimeout
      ? 'It is not known whether the change was made: look it up'
      : 'Nothing was changed';
  return new GatewayError('storage_unavailable', `${outcome} (${reason}).`, { cause });
}

/** Answers one admin call; failures come back in the OpenAI error shape. */
export async function handleAdmin(request: AdminRequest, services: AdminServices): Promise<AdminAnswer> {
  try {
    return await route(request, services);
  } catch (thrown) {
    const error = thrown instanceof GatewayError ? thrown : storageFault(request, thrown);
    return { status: error.spec.status, body: openAiErrorBody(error) };
  }
}
