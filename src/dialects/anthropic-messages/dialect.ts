import type { GatewayError } from '../../errors/gateway-error.ts';
import type { Dialect } from '../types.ts';
import { errorRecord, errorText, typeOfError } from './errors.ts';
import { anthropicHeaders } from './headers.ts';
import { failureOfBody, MessagesStreamReader, outputOfBody, usageOfBody } from './response.ts';

/** The catalogue's code stands where the vendor has codes of its own; its type is the vendor's. */
const errorBody = (error: GatewayError, requestId?: string): string =>
  errorText({
    type: typeOfError(error),
    message: JSON.stringify(error.message),
    code: JSON.stringify(error.code),
    requestId: requestId === undefined ? null : JSON.stringify(requestId),
  });

/** Anthropic Messages (`POST /v1/messages`). */
export const anthropicMessages: Dialect = {
  id: 'anthropic-messages',
  clientPaths: {
    call: ['/v1/messages', '/messages'],
    countTokens: ['/v1/messages/count_tokens', '/messages/count_tokens'],
    own: /^(?:\/v1)?\/messages(?:\/|$)/,
  },
  path: '/messages',
  countTokensPath: '/messages/count_tokens',
  headers: anthropicHeaders,
  knownFailure: 'typed',
  usageOfBody,
  failureOfBody,
  outputOfBody,
  // Usage is in every stream and the client knows it: there is nothing to strip.
  streamReader: () => new MessagesStreamReader(),
  errorBody,
  // Nothing follows an error, no `message_stop` either: SDKs raise it when they meet it.
  errorEvent: (error, requestId) => errorRecord(errorBody(error, requestId)),
};
