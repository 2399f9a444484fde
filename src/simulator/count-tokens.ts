import { readJson, requestId, sendError } from './chat.ts';
import { anthropicDialect, countMessageTokens } from './dialects/anthropic.ts';
import { readDirectives } from './directives.ts';
import type { HttpHandler } from './http/server.ts';
import { isVendorError, vendorError } from './vendor-error.ts';

/** `POST /v1/messages/count_tokens`: free of charge, and no call by the counts; of the directives it knows `status`. */
export function countTokensHandler(): HttpHandler {
  return ({ head, body }, reply) => {
    const id = requestId(body);
    const headers = anthropicDialect.headers(id, 0);
    const counted = count(head.headers, body);
    const { status } = readDirectives(body, head.hasDirectives ? head.headers : null);
    if (isVendorError(counted)) sendError(reply, anthropicDialect, counted, headers, id);
    else if (status >= 400)
      sendError(reply, anthropicDialect, vendorError(status, `simulated failure ${status}`), headers, id);
    else reply.send(200, `content-type: application/json\r\n${headers}`, JSON.stringify(counted));
  };
}

function count(
  headers: ReadonlyMap<string, string>,
  body: Buffer,
): ReturnType<typeof countMessageTokens> | ReturnType<typeof vendorError> {
  const account = anthropicDialect.account(headers);
  if (typeof account !== 'string') return account;
  const json = readJson(body);
  return typeof json === 'string' ? vendorError(400, json) : countMessageTokens(json, headers);
}
