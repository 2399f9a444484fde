CREATE TABLE api_keys (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  key_hash TEXT NOT NULL UNIQUE,
  key_prefix TEXT NOT NULL,
  quota_nano_usd INTEGER,
  spent_nano_usd INTEGER NOT NULL DEFAULT 0,
  rpm INTEGER,
  tpm INTEGER,
  allowed_models TEXT,
  expires_at INTEGER,
  tags TEXT NOT NULL,
  dedup INTEGER NOT NULL,
  passthrough INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER,
  last_used_at INTEGER
);
