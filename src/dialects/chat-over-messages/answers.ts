import type { AnswerConversion } from '../conversion.ts';
import { openAiHeader } from '../rate-limit-headers.ts';
import { chatAnswer } from './answer.ts';
import { chatError } from './errors.ts';
import { ChatStream } from './stream.ts';

/** Answers of an Anthropic vendor for an OpenAI client. */
export const chatOverMessagesAnswers: AnswerConversion = {
  body: chatAnswer,
  error: chatError,
  header: openAiHeader,
  stream: (context) => new ChatStream(context),
};
