import type { DialectId } from '../providers/types.ts';
import { toMessagesRequest } from './chat-over-messages/request.ts';
import type { RequestConversion } from './conversion.ts';
import { toChatRequest } from './messages-over-chat/request.ts';

/** client × vendor; null where both speak the same. */
const CONVERSIONS: Readonly<Record<DialectId, Readonly<Record<DialectId, RequestConversion | null>>>> = {
  'openai-chat': { 'openai-chat': null, 'anthropic-messages': toMessagesRequest },
  'anthropic-messages': { 'openai-chat': toChatRequest, 'anthropic-messages': null },
};

/** What turns a client's request into one in the vendor's dialect. The two must differ. */
export function requestConversion(client: DialectId, vendor: DialectId): RequestConversion {
  const conversion = CONVERSIONS[client][vendor];
  if (conversion === null) throw new Error(`a request in ${client} is one for ${vendor} as it stands`);
  return conversion;
}
