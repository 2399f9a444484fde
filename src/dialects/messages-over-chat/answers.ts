import type { AnswerConversion } from '../conversion.ts';
import { anthropicHeader } from '../rate-limit-headers.ts';
import { messagesAnswer } from './answer.ts';
import { messagesError } from './errors.ts';
import { MessagesStream } from './stream.ts';

/** Answers of a vendor that speaks Chat Completions for an Anthropic client. */
export const messagesOverChatAnswers: AnswerConversion = {
  body: messagesAnswer,
  error: messagesError,
  header: anthropicHeader,
  stream: (context) => new MessagesStream(context),
};
