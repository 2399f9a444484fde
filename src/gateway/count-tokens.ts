import { dialectOf } from '../dialects/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { HeaderFields } from '../http1/fields.ts';
import type { ProviderRegistry } from '../providers/registry.ts';
import type { ModelRoute } from '../providers/types.ts';
import type { Incoming } from '../server/incoming.ts';
import { fieldLine } from '../server/reply-head.ts';
import { Kind, JsonDocument } from '../std/json/document.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from '../std/json/errors.ts';
import type { UpstreamFailure } from '../upstream/failure.ts';
import type { UpstreamHandler } from '../upstream/transport.ts';
import { jsonAnswer, type WholeAnswer } from './answers.ts';
import { authenticate } from './authenticate.ts';
import { readBody, readFailure } from './body.ts';
import type { ChatDeps } from './chat.ts';
import { requestIdOf } from './request-id.ts';
import { estimateTokens } from './token-estimate.ts';
import { clientStatus, isOfCredentials, refusedCredentials, toldFailure } from './vendor-failures.ts';
import { meaningOf, RETRY_HINTS } from './vendor-headers.ts';

const MAX_ANSWER_BYTES = 1024 * 1024;
const ESTIMATED = fieldLine(
  'x-tokenrouter-warning',
  'the vendor of this model counts no tokens: the number is estimated from the size of the request',
);

/**
 * `POST /v1/messages/count_tokens`: the vendor's own count for models of Anthropic's dialect, an estimate for others.
 *
 * Admitted and rate-limited like a call; it costs nothing, so it is neither shared nor held against the quota, and the body
 * goes out as it came but for the name of the model.
 */
export async function countTokens(
  request: Incoming,
  deps: ChatDeps,
  registry: ProviderRegistry,
): Promise<WholeAnswer> {
  const key = await authenticate(request.fields, deps.keys, deps.wallClockMs());
  const place = deps.admission.enter();
  try {
    deps.rates?.admit(key, deps.wallClockMs());
    const body = await bodyOf(request, deps.maxBodyBytes);
    const model = modelOf(body);
    if (key.allowedModels !== null && !key.allowedModels.includes(model)) {
      throw new GatewayError('model_not_allowed', `This API key may not use the model '${model}'.`, {
        param: 'model',
      });
    }
    const route = registry.resolve(model);
    if (route === null) {
      throw new GatewayError('model_not_found', `The model '${model}' reaches no configured provider.`, {
        param: 'model',
      });
    }
    const { id, profile } = route.provider;
    const requestId = requestIdOf(request.fields);
    const fields =
      fieldLine('x-request-id', requestId) +
      fieldLine('request-id', requestId) +
      fieldLine('x-tokenrouter-provider', id);
    if (profile.dialect !== 'anthropic-messages')
      return jsonAnswer({ input_tokens: estimateOf(body) }, 200, fields + ESTIMATED);
    deps.providerLimit?.enter(id);
    try {
      const answer = await ask(request, deps, route, renamed(body, route));
      return { ...answer, fields: answer.fields + fields };
    } finally {
      deps.providerLimit?.leave(id);
    }
  } finally {
    place.leave();
  }
}

async function bodyOf(request: Incoming, maxBytes: number): Promise<Uint8Array> {
  try {
    return await readBody(request, maxBytes);
  } catch (cause) {
    throw readFailure(cause, maxBytes);
  }
}

const document = new JsonDocument();

/** Reads what the gateway must know of a request; the rest is the vendor's to judge. */
function modelOf(body: Uint8Array): string {
  try {
    document.parse(body);
    const model = document.text(memberOfKind('model', Kind.String, 'string'));
    const messages = memberOfKind('messages', Kind.Array, 'array');
    if (document.next(messages) === messages + 1)
      throw new GatewayError('invalid_value', 'messages: at least one message is required', {
        param: 'messages',
      });
    return model;
  } catch (error) {
    if (error instanceof JsonDuplicateKeyError)
      throw new GatewayError('duplicate_key', `The request body has a ${error.message}.`, {
        param: error.key,
      });
    if (error instanceof JsonSyntaxError)
      throw new GatewayError('invalid_json', `The request body is not valid JSON: ${error.message}.`);
    throw error;
  } finally {
    document.release();
  }
}

/** A member of the body that must be there; the body has been parsed. */
function memberOfKind(name: string, kind: Kind, words: string): number {
  const node = document.kind(0) === Kind.Object ? document.member(0, name) : -1;
  if (node < 0) throw new GatewayError('missing_field', `${name}: Field required`, { param: name });
  if (document.kind(node) === kind) return node;
  throw new GatewayError('invalid_type', `${name}: Input should be a valid ${words}`, { param: name });
}

/** Of a body that has been read before. */
function estimateOf(body: Uint8Array): number {
  document.parse(body);
  const tokens = estimateTokens(document);
  document.release();
  return tokens;
}

/** The body with the vendor's name of the model; everything else to the byte. */
function renamed(body: Uint8Array, { rewritten, upstreamModel }: ModelRoute): Uint8Array {
  if (!rewritten) return body;
  document.parse(body);
  const node = document.member(0, 'model');
  const parts = [
    body.subarray(0, document.start(node)),
    Buffer.from(JSON.stringify(upstreamModel)),
    body.subarray(document.end(node)),
  ];
  document.release();
  return Buffer.concat(parts);
}

/** Asks the vendor; rejects with a GatewayError. */
function ask(request: Incoming, deps: ChatDeps, route: ModelRoute, body: Uint8Array): Promise<WholeAnswer> {
  const { provider } = route;
  const meaning = meaningOf(request.fields, dialectOf(provider.profile.dialect).id);
  const { promise, reject, resolve } = Promise.withResolvers<WholeAnswer>();
  const call = deps.transports.of(provider.origin).call(
    {
      origin: provider.origin,
      head: deps.heads.countTokens(provider, body.byteLength, meaning),
      body: [body],
    },
    new Count(resolve, reject),
  );
  request.onAbort = () => {
    call.abort();
    reject(new GatewayError('client_closed_request', 'The client left before its answer.'));
  };
  return promise;
}

/** One question to a vendor, and its answer: small, and the client's to read. */
class Count implements UpstreamHandler {
  readonly #resolve: (answer: WholeAnswer) => void;
  readonly #reject: (error: GatewayError) => void;
  readonly #pieces: Uint8Array[] = [];
  #size = 0;
  #status = 0;
  #type = 'application/json';
  #fields = '';

  constructor(resolve: (answer: WholeAnswer) => void, reject: (error: GatewayError) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onHead(status: number, headers: HeaderFields): void {
    this.#status = status;
    this.#type = headers.get('content-type') ?? this.#type;
    if (status < 400) return;
    for (const name of RETRY_HINTS) {
      const value = headers.get(name);
      if (value !== null) this.#fields += fieldLine(name, value);
    }
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    this.#size += end - start;
    if (this.#size <= MAX_ANSWER_BYTES) this.#pieces.push(chunk.slice(start, end));
  }

  onEnd(): void {
    const status = this.#status;
    if (isOfCredentials(status)) this.#reject(refusedCredentials());
    else if (status < 200 || (status > 200 && status < 400) || status > 599 || this.#size > MAX_ANSWER_BYTES)
      this.#reject(
        new GatewayError('upstream_protocol', 'The vendor answered with something that is no count.'),
      );
    else {
      const fields = fieldLine('content-type', this.#type) + this.#fields;
      const body = Buffer.concat(this.#pieces).toString();
      this.#resolve({ status: clientStatus(status), fields, body });
    }
  }

  onError(failure: UpstreamFailure): void {
    this.#reject(toldFailure(failure));
  }
}
