import { Database } from 'bun:sqlite';
import { eq, sql } from 'drizzle-orm';
import { drizzle, type BunSQLiteDatabase } from 'drizzle-orm/bun-sqlite';
import firstMigration from './migrations/0001_api_keys.sql' with { type: 'text' };
import type { KeyChange, KeyRecord, NewKey, UsageDelta } from './key-record.ts';
import { apiKeys } from './schema/sqlite.ts';

const MIGRATIONS: readonly (readonly [tag: string, sql: string])[] = [['0001_api_keys', firstMigration]];

type Row = typeof apiKeys.$inferSelect;

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

/** API keys in SQLite. Synchronous, so it lives on the storage thread. */
export class SqliteStore {
  readonly #database: Database;
  readonly #db: BunSQLiteDatabase;
  readonly #slots = new Map<string, { slot: number; spentBaseNanoUsd: number }>();
  readonly #maxSlots: number;

  constructor(path: string, maxSlots: number) {
    this.#database = new Database(path, { create: true });
    this.#database.run('PRAGMA journal_mode = WAL');
    this.#database.run('PRAGMA synchronous = FULL');
    migrate(this.#database);
    this.#db = drizzle({ client: this.#database });
    this.#maxSlots = maxSlots;
  }

  create(key: NewKey): KeyRecord {
    const { hash, ...columns } = key;
    const row = this.#db
      .insert(apiKeys)
      .values({ ...columns, keyHash: hash, spentNanoUsd: 0, revokedAt: null, lastUsedAt: null })
      .returning()
      .get();
    return this.#record(row);
  }

  findByHash(hash: string): KeyRecord | null {
    const row = this.#db.select().from(apiKeys).where(eq(apiKeys.keyHash, hash)).get();
    return row === undefined ? null : this.#record(row);
  }

  findById(id: string): KeyRecord | null {
    const row = this.#db.select().from(apiKeys).where(eq(apiKeys.id, id)).get();
    return row === undefined ? null : this.#record(row);
  }

  list(): KeyRecord[] {
    return this.#db
      .select()
      .from(apiKeys)
      .orderBy(apiKeys.createdAt, apiKeys.id)
      .all()
      .map((row) => this.#record(row));
  }

  update(id: string, change: KeyChange): KeyRecord | null {
    if (Object.keys(change).length > 0) this.#db.update(apiKeys).set(change).where(eq(apiKeys.id, id)).run();
    return this.findById(id);
  }

  /** One transaction for a batch: increments only, a stale copy is never written back. */
  recordUsage(batch: readonly UsageDelta[]): void {
    this.#db.transaction((tx) => {
      for (const delta of batch) {
        tx.update(apiKeys)
          .set({
            spentNanoUsd: sql`${apiKeys.spentNanoUsd} + ${Math.round(delta.spentNanoUsd)}`,
            lastUsedAt: sql`MAX(COALESCE(${apiKeys.lastUsedAt}, 0), ${delta.lastUsedAtMs})`,
          })
          .where(eq(apiKeys.id, delta.id))
          .run();
      }
    });
  }

  close(): void {
    this.#database.close();
  }

  #record(row: Row): KeyRecord {
    let place = this.#slots.get(row.id);
    if (place === undefined) {
      if (this.#slots.size >= this.#maxSlots)
        throw new Error(`more than ${this.#maxSlots} API keys are in use`);
      place = { slot: this.#slots.size, spentBaseNanoUsd: row.spentNanoUsd };
      this.#slots.set(row.id, place);
    }
    const { keyHash: _hash, spentNanoUsd: _spent, ...rest } = row;
    return { ...rest, ...place };
  }
}
