import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface AdminToken {
  readonly value: string;
  readonly path: string;
  /** Made just now: to be shown once. */
  readonly created: boolean;
}

/** The configured token, the one of an earlier start, or a new one written to DATA_DIR/admin-token (mode 0600). */
export function loadAdminToken(options: {
  readonly given: string | undefined;
  readonly dataDir: string;
}): AdminToken {
  const path = join(options.dataDir, 'admin-token');
  if (options.given !== undefined) return { value: options.given, path, created: false };
  if (existsSync(path)) {
    const value = readFileSync(path, 'utf8').trim();
    if (value !== '') return { value, path, created: false };
  }
  const value = `tr-admin-${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('hex')}`;
  writeFileSync(path, `${value}\n`, { mode: 0o600 });
  // The mode above is for a new file; one that was there and empty keeps its own.
  chmodSync(path, 0o600);
  return { value, path, created: true };
}
