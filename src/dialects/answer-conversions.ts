import type { DialectId } from '../providers/types.ts';
import { chatOverMessagesAnswers } from './chat-over-messages/answers.ts';
import type { AnswerConversion } from './conversion.ts';
import { messagesOverChatAnswers } from './messages-over-chat/answers.ts';

/** client × vendor; null where both speak the same. */
const CONVERSIONS: Readonly<Record<DialectId, Readonly<Record<DialectId, AnswerConversion | null>>>> = {
  'openai-chat': { 'openai-chat': null, 'anthropic-messages': chatOverMessagesAnswers },
  'anthropic-messages': { 'openai-chat': messagesOverChatAnswers, 'anthropic-messages': null },
};

/** What turns the answers of a vendor into those of a client's dialect; null when they speak the same. */
export const answerConversion = (client: DialectId, vendor: DialectId): AnswerConversion | null =>
  CONVERSIONS[client][vendor];
