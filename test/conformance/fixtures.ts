import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, casesPresent } from '../support/cases.ts';
import { CHAT, MESSAGES } from './stage.ts';
import type { Recorded } from './recorded.ts';

const FOLDER = join(CASES, 'recorded/vercel_ai_fixtures');

/** Folders whose answers are of a dialect that the gateway speaks: the vendor that is to give them, and a model of it. */
const KINDS: Readonly<Record<string, { readonly vendor: string; readonly model: string }>> = {
  anthropic: { vendor: 'anthropic', model: 'claude-sonnet-4-5' },
  'deepseek/chat': { vendor: 'deepseek', model: 'deepseek-chat' },
  'openai/chat': { vendor: 'openai', model: 'gpt-4o' },
  'openai-compatible/chat': { vendor: 'openai', model: 'gpt-4o' },
};

function filesBelow(folder: string): string[] {
  return readdirSync(join(FOLDER, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
const paths = casesPresent ? filesBelow('').toSorted() : [];

/** How many files there are of kinds that the gateway does not serve, by folder. */
export function deferredFixtures(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const folder of paths.map(folderOf))
    if (!(folder in KINDS)) counts[folder] = (counts[folder] ?? 0) + 1;
  return counts;
}

function fixturesOf(path: string): Recorded[] {
  const kind = KINDS[folderOf(path)];
  if (kind === undefined) return [];
  const { model, vendor } = kind;
  const text = readFileSync(join(FOLDER, path), 'utf8');
  const streamed = path.endsWith('.sse');
  const messages = vendor === 'anthropic';
  const request = {
    model,
    max_tokens: 500,
    messages: [{ role: 'user', content: 'Hello' }],
    stream: streamed,
    ...(streamed && !messages ? { stream_options: { include_usage: true } } : {}),
  };
  const one: Recorded = {
    id: path,
    vendor,
    path: messages ? MESSAGES : CHAT,
    status: !streamed && 'error' in (JSON.parse(text) as object) ? 400 : 200,
    request: JSON.stringify(request),
    contentType: streamed ? 'text/event-stream' : 'application/json',
    answer: text,
    streamed,
  };
  if (!streamed || !messages) return [one];
  // Some files hold the streams of a whole conversation, one behind the other.
  return text
    .split(/(?<="message_stop"[^\n]*\n\n)/)
    .map((answer, index) => Object.assign({}, one, { id: `${path} ${index}`, answer }));
}

/** Answers as the tests of an SDK have them: recorded, some of them cut down or made up by hand. */
export const fixtures: readonly Recorded[] = paths.flatMap(fixturesOf);
