import type { Database } from 'bun:sqlite';
import { and, eq, lt, sql } from 'drizzle-orm';
import { drizzle, type BunSQLiteDatabase } from 'drizzle-orm/bun-sqlite';
import { openConnection } from './connection.ts';
import apiKeysMigration from './migrations/0001_api_keys.sql' with { type: 'text' };
import usageWritersMigration from './migrations/0002_usage_writers.sql' with { type: 'text' };
import type { KeyChange, NewKey, StoredKey, UsageDelta } from '../keys/key-record.ts';
import type { KeyStore, UsageWriter } from './key-store.ts';
import { apiKeys, usageWriters } from './schema/sqlite.ts';

const MIGRATIONS: readonly (readonly [tag: string, sql: string])[] = [
  ['0001_api_keys', apiKeysMigration],
  ['0002_usage_writers', usageWritersMigration],
];
/** A run that has spent nothing for so long is over; if it is not, its next writer begins anew. */
const RUN_KEPT_MS = 30 * 24 * 3_600_000;

const appliedTags = (database: Database): ReadonlySet<string> =>
  new Set(
    database
      .query<{ tag: string }, []>('SELECT tag FROM migrations')
      .all()
      .map((row) => row.tag),
  );

/** Applies what is missing, all of it or nothing; a failure stops the start. A database that has everything is only read. */
function migrate(database: Database): void {
  const known = database
    .query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'")
    .get();
  if (known !== null) {
    const applied = appliedTags(database);
    if (MIGRATIONS.every(([tag]) => applied.has(tag))) return;
  }
  database
    .transaction(() => {
      database.run(
        'CREATE TABLE IF NOT EXISTS migrations (tag TEXT PRIMARY KEY, applied_at INTEGER NOT NULL)',
      );
      // Asked within the transaction: another process may have come first.
      const applied = appliedTags(database);
      for (const [tag, text] of MIGRATIONS) {
        if (applied.has(tag)) continue;
        database.run(text);
        database.query('INSERT INTO migrations (tag, applied_at) VALUES (?, ?)').run(tag, Date.now());
      }
    })
    .immediate();
}

/** https://sqlite.org/pragma.html#pragma_wal_checkpoint: pages in the log, and how many of them are in the file. */
interface Checkpoint {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

type Transaction = Parameters<Parameters<BunSQLiteDatabase['transaction']>[0]>[0];

/** `SQLITE_BUSY` with its kinds: another connection's lock, or its recovery. `SQLITE_PROTOCOL`: a race for one. */
export function isLock(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && (code.startsWith('SQLITE_BUSY') || code === 'SQLITE_PROTOCOL');
}

function stored(row: typeof apiKeys.$inferSelect): StoredKey {
  const { keyHash: _hash, ...rest } = row;
  return rest;
}

/**
 * API keys in SQLite. Synchronous, so it lives on the storage thread.
 *
 * Nothing waits for a lock: a call that meets one throws what {@link isLock} tells, and has changed nothing
 * (`PatientStore` tries again). Reads have a connection of their own, because in WAL mode readers wait for no writer.
 */
export class SqliteStore implements KeyStore {
  readonly #database: Database;
  readonly #reader: Database;
  readonly #db: BunSQLiteDatabase;
  readonly #reading: BunSQLiteDatabase;
  /** Written since the last checkpoint. */
  #dirty = true;

  /** Throws like any call where the database is locked. */
  constructor(path: string) {
    this.#database = openConnection(path);
    this.#reader = openConnection(path);
    try {
      this.#database.run('PRAGMA busy_timeout = 0');
      this.#database.run('PRAGMA journal_mode = WAL');
      this.#database.run('PRAGMA synchronous = FULL');
      migrate(this.#database);
      this.#reader.run('PRAGMA busy_timeout = 0');
      this.#reader.run('PRAGMA query_only = ON');
    } catch (error) {
      this.#reader.close();
      this.#database.close();
      throw error;
    }
    this.#db = drizzle({ client: this.#database });
    this.#reading = drizzle({ client: this.#reader });
  }

  create(key: NewKey): StoredKey {
    const { hash, ...columns } = key;
    this.#dirty = true;
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
    const row = this.#reading.select().from(apiKeys).where(eq(apiKeys.keyHash, hash)).get();
    return row === undefined ? null : stored(row);
  }

  findById(id: string): StoredKey | null {
    const row = this.#reading.select().from(apiKeys).where(eq(apiKeys.id, id)).get();
    return row === undefined ? null : stored(row);
  }

  list(): StoredKey[] {
    return this.#reading.select().from(apiKeys).orderBy(apiKeys.createdAt, apiKeys.id).all().map(stored);
  }

  update(id: string, change: KeyChange): StoredKey | null {
    if (Object.keys(change).length === 0) return this.findById(id);
    this.#dirty = true;
    const row = this.#db.update(apiKeys).set(change).where(eq(apiKeys.id, id)).returning().get();
    return row === undefined ? null : stored(row);
  }

  takeUsage(runId: string): UsageWriter {
    const writerId = crypto.randomUUID();
    this.#dirty = true;
    // Immediate: a batch of the former writer that is under way locks it out, and is seen by the next try.
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
      this.#dirty = true;
      const add = (tx: Transaction): void => {
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
      };
      this.#db.transaction(add, { behavior: 'immediate' });
    };
    return { lastBatch, record };
  }

  /** Moves what was written from the log to the database's own file, as far as its readers let it. */
  maintain(): void {
    if (!this.#dirty) return;
    const row = this.#checkpoint('PASSIVE');
    this.#dirty = row === null || row.busy !== 0 || row.checkpointed < row.log;
  }

  /** The log is gone afterwards, unless another process has the database open: then it is empty where that lets it. */
  close(): void {
    this.#reader.close();
    if (this.#checkpoint('TRUNCATE')?.busy !== 0) this.#checkpoint('PASSIVE');
    this.#database.close();
  }

  #checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): Checkpoint | null {
    try {
      return this.#database.query<Checkpoint, []>(`PRAGMA wal_checkpoint(${mode})`).get();
    } catch (error) {
      if (isLock(error)) return null;
      throw error;
    }
  }
}
