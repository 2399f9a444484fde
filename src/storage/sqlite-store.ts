import { Database } from 'bun:sqlite';
import { and, eq, lt, sql } from 'drizzle-orm';
import { drizzle, type BunSQLiteDatabase } from 'drizzle-orm/bun-sqlite';
import apiKeysMigration from './migrations/0001_api_keys.sql' with { type: 'text' };
import usageWritersMigration from './migrations/0002_usage_writers.sql' with { type: 'text' };
import type { KeyChange, NewKey, StoredKey, UsageDelta } from './key-record.ts';
import type { KeyStore, UsageWriter } from './key-store.ts';
import { apiKeys, usageWriters } from './schema/sqlite.ts';

const MIGRATIONS: readonly (readonly [tag: string, sql: string])[] = [
  ['0001_api_keys', apiKeysMigration],
  ['0002_usage_writers', usageWritersMigration],
];
/** Another process (a backup, an operator's shell) may hold the database for a moment. */
const BUSY_TIMEOUT_MS = 5_000;
/** A run that has spent nothing for so long is over; if it is not, its next writer begins anew. */
const RUN_KEPT_MS = 30 * 24 * 3_600_000;

/** Applies what is missing, all of it or nothing; a failure stops the start. */
function migrate(database: Database): void {
  database.run('CREATE TABLE IF NOT EXISTS migrations (tag TEXT PRIMARY KEY, applied_at INTEGER NOT NULL)');
  const applied = new Set(
    database
      .query<{ tag: string }, []>('SELECT tag FROM migrations')
      .all()
      .map((row) => row.tag),
  );
  const missing = MIGRATIONS.filter(([tag]) => !applied.has(tag));
  database.transaction(() => {
    for (const [tag, text] of missing) {
      database.run(text);
      database.query('INSERT INTO migrations (tag, applied_at) VALUES (?, ?)').run(tag, Date.now());
    }
  })();
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
      // Asked again after a thread that stored it and died before it could say so.
      .onConflictDoUpdate({ target: apiKeys.id, set: { id: key.id } })
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

  takeUsage(runId: string): UsageWriter {
    const writerId = crypto.randomUUID();
    // Immediate: a batch of the former writer that is under way is waited for, and seen.
    const lastBatch = this.#db.transaction(
      (tx) => {
        const updatedAt = Date.now();
        tx.delete(usageWriters)
          .where(lt(usageWriters.updatedAt, updatedAt - RUN_KEPT_MS))
          .run();
        return tx
          .insert(usageWriters)
          .values({ runId, writerId, lastBatch: 0, updatedAt })
          .onConflictDoUpdate({ target: usageWriters.runId, set: { writerId, updatedAt } })
          .returning()
          .get().lastBatch;
      },
      { behavior: 'immediate' },
    );
    const record = (batch: number, deltas: readonly UsageDelta[]): void => {
      this.#db.transaction((tx) => {
        const own = tx
          .update(usageWriters)
          .set({ lastBatch: batch, updatedAt: Date.now() })
          .where(and(eq(usageWriters.runId, runId), eq(usageWriters.writerId, writerId)))
          .returning()
          .all();
        if (own.length === 0) throw new Error('another writer records what this run spends');
        for (const delta of deltas) {
          tx.update(apiKeys)
            .set({
              spentNanoUsd: sql`${apiKeys.spentNanoUsd} + ${Math.round(delta.spentNanoUsd)}`,
              lastUsedAt: sql`MAX(COALESCE(${apiKeys.lastUsedAt}, 0), ${Math.round(delta.lastUsedAtMs)})`,
            })
            .where(eq(apiKeys.id, delta.id))
            .run();
        }
      });
    };
    return { lastBatch, record };
  }

  close(): void {
    this.#database.close();
  }
}
