import { Database, type Statement } from 'bun:sqlite';

/**
 * A connection that keeps what is prepared on it, by its text, and can so be closed: SQLite keeps one open, with its locks,
 * as long as there is a prepared statement, and drizzle leaves its own to the collector. The texts are few: those of the
 * queries in the source, and of updates by the columns they set.
 */
export function openConnection(path: string): Database {
  const database = new Database(path, { create: true });
  const prepare = database.prepare.bind(database);
  const close = database.close.bind(database);
  const kept = new Map<string, Statement>();
  const keeping = (sql: string, ...rest: []): Statement => {
    const known = kept.get(sql);
    if (known !== undefined) return known;
    const statement = prepare(sql, ...rest);
    kept.set(sql, statement);
    return statement;
  };
  database.prepare = keeping as typeof database.prepare;
  database.close = (throwOnError) => {
    for (const statement of kept.values()) statement.finalize();
    kept.clear();
    close(throwOnError);
  };
  return database;
}
