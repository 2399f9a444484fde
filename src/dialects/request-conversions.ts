import type { DialectId } from '../providers/types.ts';
import { toMessagesRequest } from './chat-over-messages/request.ts';
import type { RequestConversion } from './conversion.ts';
import { toChatRequest } from './messages-over-chat/request.ts';

/** By what the vendor speaks: of two dialects, what the client speaks is the other one. */
const CONVERSIONS: Readonly<Record<DialectId, RequestConversion>> = {
  'anthropic-messages': toMessagesRequest,
  'openai-chat': toChatRequest,
};

/** What turns a client's request into one in the vendor's dialect. The two must differ. */
export const requestConversion = (_client: DialectId, vendor: DialectId): RequestConversion =>
  CONVERSIONS[vendor];
