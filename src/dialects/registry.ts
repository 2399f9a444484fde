import type { DialectId } from '../providers/types.ts';
import { anthropicMessages } from './anthropic-messages/dialect.ts';
import { openAiChat } from './openai-chat/dialect.ts';
import type { Dialect } from './types.ts';

const DIALECTS: Readonly<Record<DialectId, Dialect>> = {
  'openai-chat': openAiChat,
  'anthropic-messages': anthropicMessages,
};

/** Every dialect that clients may speak; the first is the one in which who speaks none is answered. */
export const ALL_DIALECTS: readonly Dialect[] = Object.values(DIALECTS);

export function dialectOf(id: DialectId): Dialect {
  return DIALECTS[id];
}
