import type { DialectId } from '../providers/types.ts';
import { chatOverMessagesAnswers } from './chat-over-messages/answers.ts';
import type { AnswerConversion } from './conversion.ts';
import { messagesOverChatAnswers } from './messages-over-chat/answers.ts';

/** By what the vendor speaks; there are two dialects, so the client speaks the other. */
const CONVERSIONS: Readonly<Record<DialectId, AnswerConversion>> = {
  'anthropic-messages': chatOverMessagesAnswers,
  'openai-chat': messagesOverChatAnswers,
};

/** What turns the answers of a vendor into those of a client's dialect; null when they speak the same. */
export const answerConversion = (client: DialectId, vendor: DialectId): AnswerConversion | null =>
  client === vendor ? null : CONVERSIONS[vendor];
