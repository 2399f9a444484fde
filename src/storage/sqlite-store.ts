import { Database } from 'bun:sqlite';
import { eq, sql } from 'drizzle-orm';
import { drizzle, type BunSQLiteDatabase } from 'drizzle-orm/bun-sqlite';
import firstMigration from './migrations/0001_api_keys.sql' with { type: 'text' };
import type { KeyChange, NewKey, StoredKey, UsageDelta } from './key-record.ts';
import type { KeyStore } from './key-store.ts';
import { apiKeys } from './schema/sqlite.ts';

const MIGRATIONS: readonly (readonly [tag: string, sql: string])[] = [['0001_api_keys', firstMigration]];
/** Another process (a backup, a second gateway on the same folder) may hold the database for a moment. */
const BUSY_TIMEOUT_MS = 5_000;

/** Applies what is missing, each migration in a transaction; a failure stops the start. */
function migrate(database: Database): void {
  database.run('CREATE TABLE IF NOT EXISTS migrations (tag TEXT PRIMARY KEY, applied_at INTEGER NOT NULL)');
  const applied = new Set(
    database
      .query<{ tag: string }, []>('SELECT tag FROM migrations')
      .all()
      .map((row) => row.tag),
  );
  for (const [tag, text] of MIGRATIONS) {
    if (applied.has(tag)) continue;
    database.transaction(() => {
      database.run(text);
      database.query('INSERT INTO migrations (tag, applied_at) VALUES (?, ?)').run(tag, Date.now());
    })();
  }
}

function stored(row: typeof apiKeys.$inferSelect): StoredKey {
  const { keyHash: _hash, ...rest } = row;
  return rest;
}

/** API keys in SQLite. Synchronous, so it lives on the storage thread. */
export class SqliteStore implements KeyStore {
  readonly #database: Database;
  readonly #db: BunSQLiteDatabase;

  constructor(path: string) {
    this.#database = new Database(path, { create: true });
    this.#database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    this.#database.run('PRAGMA journal_mode = WAL');
    this.#database.run('PRAGMA synchronous = FULL');
    migrate(this.#database);
    this.#db = drizzle({ client: this.#database });
  }

  create(key: NewKey): StoredKey {
    const { hash, ...columns } = key;
    const row = this.#db
      .insert(apiKeys)
      .values({ ...columns, keyHash: hash, spentNanoUsd: 0, revokedAt: null, lastUsedAt: null })
      .returning()
      .get();
    return stored(row);
  }

  findByHash(hash: string): StoredKey | null {
    const row = this.#db.select().from(apiKeys).where(eq(apiKeys.keyHash, hash)).get();
    return row === undefined ? null : stored(row);
  }

  findById(id: string): StoredKey | null {
    const row = this.#db.select().from(apiKeys).where(eq(apiKeys.id, id)).get();
    return row === undefined ? null : stored(row);
  }

  list(): StoredKey[] {
    return this.#db.select().from(apiKeys).orderBy(apiKeys.createdAt, apiKeys.id).all().map(stored);
  }

  update(id: string, change: KeyChange): StoredKey | null {
    if (Object.keys(change).length > 0) this.#db.update(apiKeys).set(change).where(eq(apiKeys.id, id)).run();
    return this.findById(id);
  }

  recordUsage(batch: readonly UsageDelta[]): void {
    this.#db.transaction((tx) => {
      for (const delta of batch) {
        tx.update(apiKeys)
          .set({
            spentNanoUsd: sql`${apiKeys.spentNanoUsd} + ${Math.round(delta.spentNanoUsd)}`,
            lastUsedAt: sql`MAX(COALESCE(${apiKeys.lastUsedAt}, 0), ${Math.round(delta.lastUsedAtMs)})`,
          })
          .where(eq(apiKeys.id, delta.id))
          .run();
      }
    });
  }

  close(): void {
    this.#database.close();
  }
}
