import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `tokenrouter keys …` talks to the running gateway, so that a revocation reaches its threads at once. */
async function callAdmin(method: string, path: string, body?: unknown): Promise<unknown> {
  const { env } = process;
  const base = env['TOKENROUTER_URL'] ?? `http://127.0.0.1:${env['PORT'] ?? '8080'}`;
  const file = join(env['DATA_DIR'] ?? './data', 'admin-token');
  const token = env['ADMIN_TOKEN'] ?? (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (token !== '') headers['authorization'] = `Bearer ${token}`;
  let response: Response;
  try {
    response = await fetch(`${base}${path}`, {
      method,
      headers,
      signal: AbortSignal.timeout(10_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    throw new Error(`no gateway answers at ${base} (set TOKENROUTER_URL or PORT)`, { cause: error });
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  return text === '' ? null : JSON.parse(text);
}

async function print(call: Promise<unknown>): Promise<void> {
  try {
    const result = await call;
    if (result !== null) console.log(JSON.stringify(result, null, 2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

export function runKeysCreate(options: { readonly name: string; readonly quotaUsd?: string }): Promise<void> {
  const quotaUsd = options.quotaUsd === undefined ? null : Number(options.quotaUsd);
  // JSON has no NaN: it would become null, which is a key without a limit.
  if (quotaUsd !== null && (options.quotaUsd?.trim() === '' || !Number.isFinite(quotaUsd)))
    return print(
      Promise.reject(new Error(`--quota-usd must be a number of US dollars, not ${options.quotaUsd}`)),
    );
  return print(callAdmin('POST', '/admin/api-keys', { name: options.name, quota_usd: quotaUsd }));
}

export function runKeysList(): Promise<void> {
  return print(callAdmin('GET', '/admin/api-keys'));
}

export function runKeysRevoke(id: string): Promise<void> {
  return print(callAdmin('DELETE', `/admin/api-keys/${encodeURIComponent(id)}`));
}
