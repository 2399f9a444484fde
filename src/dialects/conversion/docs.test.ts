import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FIELDS as CHAT_FIELDS } from '../chat-over-messages/request-fields.ts';
import { FIELDS as MESSAGES_FIELDS } from '../messages-over-chat/request-options.ts';

const text = readFileSync(join(import.meta.dir, '../../../docs/conversions.md'), 'utf8');

/** The names in the first cells of a chapter's first table. */
function documented(chapter: string): string[] {
  const start = text.indexOf(`## ${chapter}\n`);
  const table = text.slice(text.indexOf('| field |', start)).split('\n\n')[0] ?? '';
  return table
    .split('\n')
    .slice(2)
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1]!));
}

describe('docs/conversions.md has every field that a conversion knows, and none that it does not', () => {
  test.each([
    ['Chat Completions → Messages', CHAT_FIELDS.names],
    ['Messages → Chat Completions', MESSAGES_FIELDS.names],
  ])('%s', (chapter, names) => {
    expect(documented(chapter).sort()).toEqual([...names].sort());
  });
});
