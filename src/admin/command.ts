import { messageOf } from '../std/thrown.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCommandSettings } from '../config/command.ts';
import { callAdmin } from './call.ts';

/** The token that a gateway on this folder has made; '' where there is none. */
function tokenIn(dataDir: string): string {
  const path = join(dataDir, 'admin-token');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return '';
    throw new Error(`DATA_DIR: cannot read ${path}: ${message}`, { cause: error });
  }
}

/** `tokenrouter keys …` talks to the running gateway, so that a revocation reaches its threads at once. */
async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const { adminToken, dataDir, url } = readCommandSettings(process.env);
  return callAdmin({ url, token: adminToken ?? tokenIn(dataDir) }, method, path, body);
}

async function print(result: Promise<unknown>): Promise<void> {
  try {
    const found = await result;
    if (found !== null) console.log(JSON.stringify(found, null, 2));
  } catch (error) {
    console.error(messageOf(error));
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
  return print(call('POST', '/admin/api-keys', { name: options.name, quota_usd: quotaUsd }));
}

export function runKeysList(): Promise<void> {
  return print(call('GET', '/admin/api-keys'));
}

export function runKeysRevoke(id: string): Promise<void> {
  return print(call('DELETE', `/admin/api-keys/${encodeURIComponent(id)}`));
}
