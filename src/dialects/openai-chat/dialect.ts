import type { GatewayError } from '../../errors/gateway-error.ts';
import { openAiErrorBody } from '../../errors/render.ts';
import type { Dialect } from '../types.ts';
import { openAiHeaders } from './headers.ts';
import { ChatStreamReader, failureOfBody, outputOfBody, usageOfBody } from './response.ts';

/** OpenAI Chat Completions (`POST /v1/chat/completions`). */
export const openAiChat: Dialect = {
  id: 'openai-chat',
  clientPaths: {
    call: ['/v1/chat/completions', '/chat/completions'],
    countTokens: [],
    own: /^(?:\/v1)?\/chat\/completions(?:\/|$)/,
  },
  path: '/chat/completions',
  countTokensPath: null,
  headers: openAiHeaders,
  knownFailure: 'plain',
  usageOfBody,
  failureOfBody,
  outputOfBody,
  streamReader: (stripUsage, choices) => new ChatStreamReader(stripUsage, choices),
  errorBody: (error: GatewayError) => JSON.stringify(openAiErrorBody(error)),
  // No `[DONE]` follows an error: SDKs raise it when they meet it.
  errorEvent: (error: GatewayError) => `data: ${JSON.stringify(openAiErrorBody(error))}\n\n`,
};
