import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyHash } from '../../src/keys/key-hash.ts';
import { SqliteStore } from '../../src/storage/sqlite-store.ts';
import { fillKeys } from './scale.ts';

const OWN = 'sk-tr-0123456789abcdefghijklmnop';
let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bench-scale-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('filled keys are ones the gateway knows', () => {
  const path = join(folder, 'tokenrouter.db');
  const store = new SqliteStore(path);
  store.create({
    id: crypto.randomUUID(),
    hash: keyHash(OWN),
    name: 'bench',
    keyPrefix: OWN.slice(0, 10),
    quotaNanoUsd: 1e15,
    rpm: null,
    tpm: null,
    allowedModels: null,
    expiresAt: null,
    tags: {},
    dedup: true,
    passthrough: false,
    createdAt: 1,
  });
  fillKeys(path, OWN, 1, 100);
  fillKeys(path, OWN, 100, 250);
  expect(store.list().length).toBe(250);
  const last = store.findByHash(keyHash(`sk-tr-${(249).toString(36).padStart(OWN.length - 6, '0')}`));
  expect(last).toMatchObject({ name: 'bench', quotaNanoUsd: 1e15, dedup: true, revokedAt: null });
  store.close();
});

test('a table without the own key is refused', () => {
  const path = join(folder, 'empty.db');
  new SqliteStore(path).close();
  expect(() => fillKeys(path, OWN, 1, 2)).toThrow('no row');
  expect(new Database(path).query('SELECT count(*) AS n FROM api_keys').get()).toEqual({ n: 0 });
});
