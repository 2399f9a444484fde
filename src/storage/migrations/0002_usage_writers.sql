CREATE TABLE usage_writers (
  run_id TEXT PRIMARY KEY NOT NULL,
  writer_id TEXT NOT NULL,
  last_batch INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
