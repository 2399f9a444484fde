import { sendError } from './chat.ts';
import { claudeModel } from './dialects/anthropic-models.ts';
import type { HttpHandler } from './http/server.ts';
import { MODEL_IDS } from './prices.ts';
import { anthropicDialect } from './dialects/anthropic.ts';
import { chatDialect } from './vendors.ts';

const JSON_TYPE = 'content-type: application/json\r\n';

const isClaude = (id: string): boolean => id.startsWith('claude-');
const CLAUDE_IDS = MODEL_IDS.filter(isClaude);

const capitalized = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;

/** `claude-opus-4-8` → `Claude Opus 4.8`. */
function displayName(id: string): string {
  const [brand = '', line = '', ...version] = id.split('-');
  return `${capitalized(brand)} ${capitalized(line)} ${version.join('.')}`;
}

const chatModels = (): string =>
  JSON.stringify({
    object: 'list',
    data: MODEL_IDS.filter((id) => !isClaude(id)).map((id) => ({
      id,
      object: 'model',
      created: 1_700_000_000,
      owned_by: id.startsWith('deepseek-') ? 'deepseek' : 'openai',
    })),
  });

const claudeModels = (): string =>
  JSON.stringify({
    data: CLAUDE_IDS.map((id) => ({
      type: 'model',
      id,
      display_name: displayName(id),
      created_at: '2026-01-01T00:00:00Z',
      max_input_tokens: claudeModel(id)?.maxPromptTokens ?? null,
      max_tokens: claudeModel(id)?.maxOutputTokens ?? null,
    })),
    has_more: false,
    first_id: CLAUDE_IDS[0],
    last_id: CLAUDE_IDS.at(-1),
  });

/** `GET /v1/models`; whoever sends `anthropic-version` asks Anthropic. */
export const modelsHandler: HttpHandler = ({ head: { headers } }, reply) => {
  const isAnthropic = headers.has('anthropic-version');
  const dialect = isAnthropic ? anthropicDialect : chatDialect('');
  const account = dialect.account(headers);
  if (typeof account === 'string') reply.send(200, JSON_TYPE, isAnthropic ? claudeModels() : chatModels());
  else sendError(reply, dialect, account, '');
};
