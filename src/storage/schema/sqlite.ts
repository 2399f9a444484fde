import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** API keys. The names and meanings of the columns are the same in every store. */
export const apiKeys = sqliteTable('api_keys', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  keyHash: text('key_hash').notNull().unique(),
  keyPrefix: text('key_prefix').notNull(),
  quotaNanoUsd: integer('quota_nano_usd'),
  spentNanoUsd: integer('spent_nano_usd').notNull().default(0),
  rpm: integer('rpm'),
  tpm: integer('tpm'),
  allowedModels: text('allowed_models', { mode: 'json' }).$type<readonly string[]>(),
  expiresAt: integer('expires_at'),
  tags: text('tags', { mode: 'json' }).$type<Readonly<Record<string, string>>>().notNull(),
  dedup: integer('dedup', { mode: 'boolean' }).notNull(),
  passthrough: integer('passthrough', { mode: 'boolean' }).notNull(),
  createdAt: integer('created_at').notNull(),
  revokedAt: integer('revoked_at'),
  lastUsedAt: integer('last_used_at'),
});

/** Who records the spending of which run of the process, and how far that got. */
export const usageWriters = sqliteTable('usage_writers', {
  runId: text('run_id').primaryKey(),
  writerId: text('writer_id').notNull(),
  lastBatch: integer('last_batch').notNull(),
  updatedAt: integer('updated_at').notNull(),
});
