import { openAiChat } from './openai-chat/dialect.ts';
import type { Dialect } from './types.ts';

const DIALECTS: Readonly<Record<Dialect['id'], Dialect>> = { [openAiChat.id]: openAiChat };

export function dialectOf(id: Dialect['id']): Dialect {
  return DIALECTS[id];
}
